# SPDX-License-Identifier: MIT
"""What the faults are done to: a Postern of the chaos build with its destination, and the clients
that submit to it."""
import json
import random
import shutil
import smtplib
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipeline"))
from faults import SERVICES, inject_local  # noqa: E402
from postern import ROOT, Postern, free_port, mail, wait_for  # noqa: E402

BIN = ROOT / "build/chaos/bin"
CARD = "4111 1111 1111 1111"
# Must be held: what DLP finds, and what ends or stops the worker that looks at it.
BAD = ("card",) * 12 + ("crash", "bomb", "hang")


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
        self.settings["POSTERN_SCANNER_TIMEOUT"] = "2s"
        self.settings["POSTERN_SCANNER_MEMORY"] = "64M"
        self.rules_file = self.folder / "rules.json"
        self.signatures = self.folder / "signatures"
        shutil.copytree(ROOT / "tests/fixtures/signatures", self.signatures)
        self.set_rules({})
        self.mood = self.folder / "rspamd.mood"
        self.start_rspamd()

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
        return super().record()

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
        own = {key[len("POSTERN_"):]: value for key, value in first.env.items()
               if key.startswith(f"POSTERN_{service.upper()}_")}
        return self.service(service, name, **own)

    def set_rules(self, rules):
        new = self.rules_file.with_suffix(".new")
        new.write_text(json.dumps(rules))
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
                                        capture_output=True).returncode == 0, 10, "nsd")

    def inject(self, topic, value):
        where = self.bus.partition(":")[2]
        if self.is_local():
            inject_local(where, topic, value)
            return
        file = self.folder / "damaged"
        file.write_bytes(value)
        subprocess.run(["kcat", "-P", "-b", where, "-t", topic, "-k", "chaos/0", file], check=True)

    def events(self, message_id=None):
        if message_id:
            return super().events(message_id)
        out = self.posternctl("events", "--json", "--since", "7d", check=False).stdout
        return [json.loads(line) for line in out.splitlines()]

    def heal(self):
        self.set_rules({})
        self.set_mood("ok")
        for name in ("destination", "redis", "rspamd"):
            process = getattr(self, name, None)
            if process and not process.is_running():
                process.start()
        for service in SERVICES:
            self.revive(self.named(service))

    def stop(self):
        super().stop()
        if self.disk:
            subprocess.run(["umount", self.disk], check=False)


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
            count = 3 if self.random.random() < 0.1 else 1
        token = f"chaos-{serial}"
        recipients = [f"r{serial}-{n}@customer{serial % 7}.example" for n in range(count)]
        if dice < self.bad:
            kind = BAD[int(dice / self.bad * len(BAD))]
            extra = "" if kind == "card" else f"X-Chaos: {kind}\r\n"
            return token, kind, recipients, mail(token, f"Paid with {CARD}.", extra=extra)
        return token, "clean", recipients, mail(token, ("x" * 70 + "\r\n") * (size // 72 + 1))

    def connect(self, app):
        while not self.is_over.wait(0.05):
            try:
                return self.target.connect(app)
            except (OSError, smtplib.SMTPException):
                pass
        return None

    def run(self, number):
        client = None
        while not self.is_over.wait(self.pause):
            client = client or self.connect("shop" if number % 2 else "news")
            if client and not self.submit(client):
                client.close()
                client = None

    def submit(self, client):
        """True: the connection may be used again."""
        token, kind, recipients, content = self.compose()
        self.journal.submit(token, content.encode(), kind, recipients)
        try:
            message_id = self.target.submit(content, recipients, client=client)
            self.journal.answer(token, "acknowledged", message_id)
            return True
        except smtplib.SMTPResponseException as why:
            self.journal.answer(token, "refused", text=str(why))
        except (OSError, smtplib.SMTPException) as why:
            self.journal.answer(token, "unknown", text=str(why))
        return False

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
