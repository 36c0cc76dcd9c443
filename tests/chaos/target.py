# SPDX-License-Identifier: MIT
"""What the faults are done to: a Postern of the chaos build with its destination, and the clients
that submit to it."""
import collections
import json
import os
import random
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipeline"))
import record  # noqa: E402
from damage import LANES, KafkaTopics, LocalTopics, dead_letter  # noqa: E402
from faults import SERVICES  # noqa: E402
from journal import REFUSED, UNROUTED  # noqa: E402
from rspamd import SPAM  # noqa: E402
from ports import free_port  # noqa: E402
from postern import APP, DOMAIN, ROOT, Postern, mail, wait_for  # noqa: E402

BIN = ROOT / "build/chaos/bin"
CARD = "4111 1111 1111 1111"
# Must be held: what DLP, rspamd or ClamAV finds, and what ends or stops the worker that looks at it.
BAD = ("card",) * 8 + ("spam",) * 4 + ("malware",) * 4 + ("crash", "bomb", "hang")
LARGE = 0.015  # share of mail that Kafka has to cut in pieces
LETTERS = b"abcdefghijklmnopqrstuvwxyz ,.-;:" * 8
APPS = ("news", "shop", "shop", "desk")
HOST = "mx.customer.example"  # its address is in the DNS
FOREIGN = "127.0.0.66"        # where lies lead to
DOMAINS = [f"customer{n}.example" for n in range(7)]
# The first two by name and with TLS verified; the last is UNROUTED at times.
ROUTE = "kind: route\ndomain: {domain}\nhost: {host}\nport: {port}\n{more}---\n"


class Target(Postern):
    """A Postern with named processes, a bus on a disk that can be filled, rules for the
    destination, and signatures of its own."""

    def __init__(self, folder, bus, broken=None):
        self.disk = mount(folder) if bus == "local" else None
        super().__init__(folder, bus, BIN)
        if self.disk:
            (self.disk / "bus").mkdir(mode=0o700)
            self.bus = f"local:{self.disk / 'bus'}"
        if broken:
            self.settings["POSTERN_BROKEN"] = broken
        self.settings["POSTERN_LOG_LEVEL"] = "info"
        # So that many connections begin and end.
        self.settings["POSTERN_SENDER_MESSAGES_PER_CONNECTION"] = "20"
        self.settings["POSTERN_SENDER_IDLE_TIMEOUT"] = "1s"
        self.settings["POSTERN_SCANNER_TIMEOUT"] = "2s"
        self.settings["POSTERN_SCANNER_MEMORY"] = "64M"
        self.rules_file = self.folder / "rules.json"
        self.more_ports = [free_port(), free_port()]  # of a second gateway
        self.liar = None
        self.signatures = self.folder / "signatures"
        shutil.copytree(ROOT / "tests/fixtures/signatures", self.signatures)
        # What the signatures know; new ones know more.
        rows = (self.signatures / "eicar.ndb").read_text().splitlines()
        self.malware = [bytes.fromhex(row.split(":")[3]).decode() for row in rows]
        self.set_rules({})
        self.mood = self.folder / "rspamd.mood"
        self.start_rspamd()

    def prepare(self):
        tls = self.folder / "destination"
        tls.mkdir()
        certificate = make_certificate(tls, HOST)
        self.destination_args = ["--certificate", certificate[0], "--key", certificate[1]]
        self.settings["POSTERN_SENDER_CA_FILE"] = str(certificate[0])
        super().prepare()
        self.posternctl("apply", "-f", "-", stdin=APP.format(name="desk", lane="normal",
                                                             domain=DOMAIN))
        self.secrets["desk"] = self.credential("desk")
        self.route_all()
        self.posternctl("delete", "route", "*")
        # Where a lie leads to somebody takes all he gets.
        self.foreign_journal = self.folder / "foreign.jsonl"
        self.spawn("foreign", ["/usr/bin/python3", ROOT / "tests/pipeline/destination.py", "--host",
                               FOREIGN, "--port", self.inbox_port, "--journal",
                               self.foreign_journal])

    def start_dns(self, zones):
        """Answers are not kept for long, so that what becomes of the DNS is felt."""
        zones = {zone: ["$TTL 1", *lines] for zone, lines in zones.items()}
        zones[HOST.partition(".")[2]] = ["$TTL 1", f"{HOST}. IN A 127.0.0.1"]
        super().start_dns(zones)

    def route_all(self):
        rows = [ROUTE.format(domain=domain, port=self.inbox_port, host=HOST, more="tls: verified\n")
                if n < 2 else
                ROUTE.format(domain=domain, port=self.inbox_port, host="127.0.0.1", more="")
                for n, domain in enumerate((*DOMAINS, *REFUSED))]
        wait_for(lambda: self.posternctl("apply", "-f", "-", stdin="".join(rows),
                                         check=False).returncode == 0, 60, "routes")

    def unroute(self):
        """Others may have taken away what it needs, for a while."""
        wait_for(lambda: self.posternctl("delete", "route", UNROUTED,
                                         check=False).returncode == 0, 60, "a route less")

    def foreign_arrivals(self):
        if not self.foreign_journal.exists():
            return []
        return [json.loads(line) for line in self.foreign_journal.read_text().splitlines()]

    def connect(self, app="shop", port=None):
        """To either gateway; the second is there at times."""
        return super().connect(app, random.choice((self.port, self.more_ports[0])))

    def start_rspamd(self):
        port = free_port()
        self.set_mood("ok")
        self.settings["POSTERN_SCANNER_RSPAMD"] = f"http://127.0.0.1:{port}"
        self.settings["POSTERN_SCANNER_RSPAMD_TIMEOUT"] = "2s"
        self.rspamd = self.spawn("rspamd", ["/usr/bin/python3", ROOT / "tests/chaos/rspamd.py",
                                            port, self.mood])

    def is_local(self):
        return self.bus.startswith("local:")

    def record(self):
        """With the local bus where it is kept if nothing is set: on the same disk."""
        if self.is_local():
            return f"sqlite:{self.bus.partition(':')[2]}/deliveries.db"
        where = super().record()
        self.redis_where = where.partition(":")[2]
        return where

    def notes(self):
        """What the delivery record holds now."""
        if self.is_local():
            return record.in_sqlite(self.record().partition(":")[2])
        return record.in_redis(self.redis_where)

    def has_refused(self, since):
        """Has the scanner said, after that place in its log, that it can't load what is there?"""
        with open(self.named("scanner").log, "rb") as log:
            log.seek(since)
            return b'"signatures not loaded' in log.read()

    def has_loaded(self, since):
        """Has the scanner said, after that place in its log, that it works with all the rows that
        are in the folder? Its copy is not there."""
        rows = sum(len(file.read_text().splitlines()) for file in self.signatures.iterdir())
        with open(self.named("scanner").log, "rb") as log:
            log.seek(since)
            found = re.findall(rb'"workers can be started".*"signatures":(\d+)', log.read())
        return bool(found) and int(found[-1]) == rows

    def named(self, name):
        return next(process for process in self.processes if process.name == name)

    def revive(self, process, seconds=60):
        """As a supervisor would: starts it again until it is ready."""
        def is_up():
            if not process.is_running():
                process.start()
                time.sleep(0.1)
                return False
            return process.is_ready()
        wait_for(is_up, seconds, f"{process.name} ready")

    def start_copy(self, service):
        """Beside the first; it stays in the list and is started again by the next call."""
        name, first = f"{service}-2", self.named(service)
        copy = next((process for process in self.processes if process.name == name), None)
        if copy:
            copy.start()
            return copy
        prefix = f"POSTERN_{service.rpartition('-')[2].upper()}_"
        own = {key[len("POSTERN_"):]: value for key, value in first.env.items()
               if key.startswith(prefix)}
        if service == "smtp-gateway":
            for key, port in zip(("GATEWAY_SUBMISSION", "GATEWAY_SUBMISSIONS"), self.more_ports):
                own[key] = f"127.0.0.1:{port}"
        return self.service(service, name, **own)

    def set_rules(self, rules):
        new = self.rules_file.with_suffix(".new")
        new.write_text(json.dumps({**rules, **REFUSED}))
        new.rename(self.rules_file)

    def set_mood(self, mood):
        new = self.mood.with_suffix(".new")
        new.write_text(mood)
        new.rename(self.mood)

    def stop_dns(self):
        self._tool("nsd", "stop", self.folder / "dns")

    def restart_dns(self):
        """On the same port, which services have been told."""
        config = self.folder / "dns/nsd.conf"
        wait_for(lambda: subprocess.run(["/usr/sbin/nsd", "-c", config],
                                        capture_output=True).returncode == 0, 60, "nsd")

    def start_liar(self, lie):
        self.liar = self.spawn("liar", ["/usr/bin/python3", ROOT / "tests/chaos/liar.py",
                                        self.dns_port, lie])

    def stop_liar(self):
        if self.liar:
            self.liar.stop()
            self.processes.remove(self.liar)
            self.liar = None

    def broker_pid(self):
        return int((self.broker / "pid").read_text())

    def kill_broker(self):
        """As tools/kafka stop, at once."""
        pid = self.broker_pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_running(pid), 10, "death of the broker")

    def topics(self):
        where = self.bus.partition(":")[2]
        return LocalTopics(where) if self.is_local() else KafkaTopics(where, self.folder)

    def events(self, message_id=None):
        if message_id:
            return super().events(message_id)
        return self.listed("events", "--since", "7d")

    def stored(self):
        """Ids of all mail that is or was before the scanner."""
        topics = self.topics()
        there = filter(topics.has, (f"mail.accepted.{lane}" for lane in LANES))
        return {ident for topic in there for ident in topics.ids(topic)}

    def quarantine(self):
        return {row["id"] for row in self.listed("quarantine", "list")}

    def dead(self):
        """(topic, SHA-256) of each dead letter."""
        topics = self.topics()
        values = topics.values("mail.dead") if topics.has("mail.dead") else ()
        return collections.Counter(filter(None, map(dead_letter, values)))

    def listed(self, *args):
        done = self.posternctl(*args, "--json", check=False)
        if done.returncode:
            raise RuntimeError(f"posternctl {' '.join(args)}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def heal(self):
        self.set_rules({})
        self.set_mood("ok")
        for name in ("destination", "redis", "rspamd"):
            process = getattr(self, name, None)
            if process and not process.is_running():
                process.start()
        for service in SERVICES:
            self.revive(self.named(service))
        self.stop_liar()
        self.route_all()

    def stop(self):
        try:
            super().stop()
        finally:
            if self.disk:
                unmount(self.disk)


def mount(folder):
    """A file system for the bus, to be filled; None where mount is not allowed."""
    image, disk = Path(folder) / "disk.img", Path(folder) / "disk"
    disk.mkdir(parents=True)
    with open(image, "wb") as file:
        file.truncate(4 << 30)
    for argv in (["mkfs.ext4", "-q", "-O", "^has_journal", image],
                 ["mount", "-o", "loop", image, disk]):
        if subprocess.run(argv, capture_output=True).returncode:
            print("no file system of its own for the bus: the disk is not filled")
            return None
    return disk


def unmount(disk):
    """Whoever looks around on the machine may keep it busy for a moment."""
    for _ in range(50):
        if not subprocess.run(["umount", disk], capture_output=True).returncode:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "--lazy", disk], check=False)


def make_certificate(folder, name):
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                    f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def compose(token, body, extra=""):
    """The token, which is the Subject too, is in the event of its acceptance."""
    head = mail(token, "", subject=token, extra="MIME-Version: 1.0\r\nContent-Type: text/plain; "
                "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n" + extra)
    return head.encode().removesuffix(b"\r\n") + body + b"\r\n"


def noise(seed, size):
    """Text that no other message has, so that no part of one passes for a part of another. Some
    lines begin with dots. No capitals and no digits, in which a detector could find something."""
    text = random.Random(seed).randbytes(size).translate(LETTERS)
    lines = [text[at:at + 70] for at in range(0, size, 70)]
    return "\r\n".join((".", "..", ".äöü€", "")).encode() + b"\r\n".join(lines)


class Drivers:
    """Clients that submit until they are told to stop. Most mail is clean; some must be held."""

    def __init__(self, target, journal, seed, clients=4, rate=25, bad=0.05):
        self.target, self.journal = target, journal
        self.random = random.Random(seed)
        self.pause, self.bad = clients / rate, bad
        self.is_over = threading.Event()
        self.serial = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def compose(self):
        with self.lock:
            self.serial += 1
            serial, dice = self.serial, self.random.random()
            size = int(200 * (200 ** self.random.random()))
            if self.random.random() < LARGE:
                size = self.random.randint(1_000_000, 3_000_000)
            count = 3 if self.random.random() < 0.1 else 1
            chance = self.random.random()
        token = f"chaos-{serial}"
        recipients = [f"r{serial}-{n}@{DOMAINS[serial % 7]}" for n in range(count)]
        if count == 1 and chance < 0.04:
            recipients = [f"r{serial}@{list(REFUSED)[serial % 2]}"]
        elif count > 1 and chance < 0.5:  # some get theirs, one can't, one elsewhere
            recipients[1] = f"r{serial}-1@{list(REFUSED)[0]}"
            recipients[2] = f"r{serial}-2@{DOMAINS[(serial + 1) % 7]}"
        if dice < self.bad:
            kind = BAD[int(dice / self.bad * len(BAD))]
            text = {"malware": self.random.choice(self.target.malware), "spam": SPAM.decode()}.get(
                kind, f"Paid with {CARD}.")
            extra = f"X-Chaos: {kind}\r\n" if kind in ("crash", "bomb", "hang") else ""
            return token, kind, recipients, compose(token, text.encode(), extra)
        return token, "clean", recipients, compose(token, noise(serial, size))

    def connect(self, app):
        while not self.is_over.wait(0.05):
            try:
                return self.target.connect(app)
            except (OSError, smtplib.SMTPException) as why:
                if getattr(why, "smtp_code", 0) >= 500:
                    self.journal.fail("rejected", f"session of {app}", why)
        return None

    def run(self, number):
        try:
            self.submit_all(APPS[number % len(APPS)])
        except Exception as why:  # the run goes on, and has failed
            self.journal.fail("not tested", f"client {number}", repr(why))

    def submit_all(self, app):
        client = None
        while not self.is_over.wait(self.pause):
            client = client or self.connect(app)
            if client and not self.submit(client):
                client.close()
                client = None

    def submit(self, client):
        """True: the connection may be used again."""
        token, kind, recipients, content = self.compose()
        self.journal.submit(token, content, kind, recipients)
        try:
            message_id = self.target.submit(content, recipients, client=client)
            self.journal.answer(token, "acknowledged", message_id)
            return True
        except smtplib.SMTPResponseException as why:
            self.journal.answer(token, "rejected" if why.smtp_code >= 500 else "refused",
                                text=str(why))
        except (OSError, smtplib.SMTPException) as why:
            self.journal.answer(token, "unknown", text=str(why))
        return False

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
