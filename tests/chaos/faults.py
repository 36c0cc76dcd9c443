# SPDX-License-Identifier: MIT
"""The faults: each injects something into a running Postern, and heals it."""
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import record  # noqa: E402
from damage import damage  # noqa: E402
from journal import UNROUTED  # noqa: E402
from stack import ROOT, family, wait_for  # noqa: E402

SERVICES = ("smtp-gateway", "scanner", "signer", "sender")
# Named in the code with KILL_POINT().
LOCAL = ("local.in_commit", "local.in_checkpoint", "local.after_restart", "local.before_ring",
         "local.before_sync")
STAGE = ("stage.after_take", "stage.after_publish", "stage.before_settle") + LOCAL
POINTS = {
    "smtp-gateway": ("gateway.after_data", "gateway.after_publish", "gateway.after_durable",
                     "gateway.after_250", "gateway.after_reply") + LOCAL,
    "scanner": STAGE,
    "signer": STAGE,
    "sender": STAGE + ("sender.after_connect", "sender.after_ehlo", "sender.after_starttls",
                       "sender.after_mail", "sender.after_rcpt", "sender.after_data",
                       "sender.after_dot", "sender.after_250", "sender.after_record",
                       "sender.after_rset", "sender.after_quit"),
}
# Passed once in a while only.
RARE = ("local.in_checkpoint", "local.after_restart", "sender.after_connect", "sender.after_ehlo",
        "sender.after_starttls", "sender.after_rset", "sender.after_quit")


class Faults:
    """Every fault is a method that lasts some seconds and returns healed; False: it could not be
    injected this time. `postern` is the running stack, `journal` hears what is done. Of two faults
    to one process the second waits."""

    def __init__(self, postern, journal, seed):
        self.postern, self.journal = postern, journal
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.locks = collections.defaultdict(threading.Lock)
        self.missed = set()  # (service, point)

    @contextmanager
    def span(self, what):
        span = self.journal.begin(what)
        try:
            yield
        finally:
            self.journal.end(span)

    def pause(self, least, most):
        time.sleep(self.random.uniform(least, most))

    def kill_now(self, process, how):
        process.kill()
        process.child.wait()
        self.journal.kill(process.name, how)
        self.counts["SIGKILL"] += 1

    def stop_softly(self, process):
        if process.stop() < 0:
            self.journal.kill(process.name, "15 s after SIGTERM")
            self.counts["SIGKILL after SIGTERM"] += 1

    # --- services ---------------------------------------------------------------------------

    def kill(self, service):
        process = self.postern.named(service)
        with self.locks[service]:
            self.kill_now(process, "with SIGKILL")
            self.postern.revive(process)

    def stop_and_go(self, service):
        process = self.postern.named(service)
        with self.locks[service], self.span(f"{service} is stopped"):
            process.kill(signal.SIGSTOP)
            self.pause(0.5, 3)
            process.kill(signal.SIGCONT)
        self.counts["SIGSTOP"] += 1

    def drain(self, service):
        process = self.postern.named(service)
        with self.locks[service]:
            self.journal.fault("SIGTERM", service)
            self.counts["SIGTERM"] += 1
            self.stop_softly(process)
            self.postern.revive(process)

    def kill_at(self, service, point):
        """Starts the service anew so that it dies at a named point, then as it was."""
        process = self.postern.named(service)
        with self.locks[service]:
            self.stop_softly(process)
            # Whoever was not there in time the last time is waited for once only.
            is_rare = point in RARE or (service, point) in self.missed
            passes = 1 if is_rare else self.random.randint(1, 30)
            self.journal.fault("is to die at", f"{service} {point}, pass {passes}")
            process.env["POSTERN_KILL_AT"] = f"{point}:{passes}"
            process.start()
            del process.env["POSTERN_KILL_AT"]
            deadline = time.monotonic() + 6
            while process.is_running() and time.monotonic() < deadline:
                time.sleep(0.005)
            # Some points are passed only by who is about to end.
            is_late = process.is_running() and process.stop() != -signal.SIGKILL
            is_reached = not is_late and process.child.returncode == -signal.SIGKILL
            if is_reached:
                self.journal.kill(service, f"at {point}")
                self.counts[f"SIGKILL at {point}"] += 1
            else:
                self.journal.fault("not reached", f"{service} {point}")
                self.missed.add((service, point))
            self.postern.revive(process)
        return is_reached

    def copy_comes(self, service):
        """A second copy shares the work; then one of the two leaves, one way or another."""
        name = f"{service}-2"
        with self.locks[name]:
            copy = self.postern.start_copy(service)
            self.journal.fault("comes", name)
            self.postern.revive(copy)
            self.pause(1, 3)
            with self.locks[service]:
                leaver = self.random.choice((copy, self.postern.named(service)))
                if self.random.random() < 0.5:
                    self.kill_now(leaver, "with SIGKILL beside its copy")
                else:
                    self.journal.fault("SIGTERM", leaver.name)
                    self.stop_softly(leaver)
                self.pause(0.5, 1)
                if leaver is copy:
                    return
                self.postern.revive(leaver)
            self.stop_softly(copy)

    # --- what they stand on -----------------------------------------------------------------

    def workers(self):
        """The program that hatches the scanner's workers dies, or they do, or stop."""
        with self.span("workers killed or stopped"):
            for pid in family([self.postern.named("scanner").pid])[1:]:
                number = self.random.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP))
                self.journal.fault("worker", f"{pid} {number.name}")
                signal_if_there(pid, number)
            time.sleep(3)
        self.counts["workers killed or stopped"] += 1

    def damaged_signatures(self):
        """A damaged database: a scanner that runs keeps what it has, one that is started then is
        not ready. Then a good one again."""
        with self.locks["scanner-2"], self.locks["scanner"], self.locks["signatures"]:
            scanner = self.postern.named("scanner")
            good = {file: file.read_bytes() for file in self.postern.signatures.iterdir()}
            size = Path(scanner.log).stat().st_size
            self.journal.fault("signatures", "damaged")
            for file in good:
                replace(file, b"\x00 not a database \n" * 5)
            wait_for(lambda: self.postern.has_refused(size), 30, "damaged signatures refused")
            if self.random.random() < 0.5:
                self.kill_now(scanner, "with SIGKILL, its signatures damaged")
                scanner.start()
                time.sleep(2)
                if scanner.is_running() and scanner.is_ready():
                    self.journal.fail("unscanned", "scanner", "ready with damaged signatures")
            for file, content in good.items():
                replace(file, content)
            self.journal.fault("signatures", "good again")
            self.postern.revive(scanner)
        self.counts["signatures damaged"] += 1

    def new_signatures(self):
        """A good database that knows more. When it is loaded, its malware is sent."""
        with self.locks["scanner-2"], self.locks["scanner"], self.locks["signatures"]:
            number = self.counts["signatures replaced"] = self.counts["signatures replaced"] + 1
            bodies = [f"Very-new-malware-{n + 1}." for n in range(number)]
            rows = [f"Postern.Chaos.{n}:0:*:{body.encode().hex()}\n"
                    for n, body in enumerate(bodies)]
            size = Path(self.postern.named("scanner").log).stat().st_size
            replace(self.postern.signatures / "chaos.ndb", "".join(rows).encode())
            self.journal.fault("signatures", "new ones")
            wait_for(lambda: self.postern.has_loaded(size), 30, "new signatures loaded")
            self.journal.fault("signatures", "the new ones are loaded")
            time.sleep(1)
            self.postern.malware.append(bodies[-1])

    def destination_down(self):
        with self.locks["destination"], self.span("destination down"):
            self.kill_now(self.postern.destination, "with SIGKILL")
            self.pause(0.5, 2)
            self.postern.destination.start()

    def destination_rule(self, rule, seconds=3):
        with self.locks["rules"], self.span(f"destination: {rule}"):
            self.postern.set_rules({"*": rule})
            time.sleep(seconds)
            self.postern.set_rules({})
        self.counts["destination rules"] += 1

    def rspamd_down(self):
        with self.locks["rspamd"], self.span("rspamd down"):
            self.kill_now(self.postern.rspamd, "with SIGKILL")
            self.pause(1, 3)
            self.postern.rspamd.start()

    def rspamd_mood(self, mood):
        with self.locks["rspamd"], self.span(f"rspamd: {mood}"):
            self.postern.set_mood(mood)
            time.sleep(3)
            self.postern.set_mood("ok")
        self.counts["rspamd moods"] += 1

    def dns_down(self):
        with self.locks["dns"], self.span("DNS down"):
            self.postern.stop_dns()
            self.pause(1, 3)
            self.postern.restart_dns()
        self.counts["DNS down"] += 1

    def disk_full(self):
        """The bus folder is on a file system of its own, where mount is allowed."""
        if not self.postern.disk:
            return False
        ballast = self.postern.disk / "ballast"
        with self.locks["disk"], self.span("disk full"):
            fill(ballast, self.postern.disk)
            self.pause(1, 3)
            ballast.unlink()
        self.counts["disk full"] += 1
        return True

    def dns_lies(self, lie):
        """One domain follows its MX meanwhile."""
        with self.locks["dns"], self.span(f"DNS lies: {lie}"):
            self.postern.stop_dns()
            self.postern.start_liar(lie)
            try:
                self.postern.unroute()
                self.pause(2, 4)
            finally:
                self.postern.route_all()
                self.postern.stop_liar()
                self.postern.restart_dns()
        self.counts["DNS lies"] += 1

    def damaged_records(self):
        """What can't be decoded, in every topic."""
        def note(*row):
            self.journal.damage(*row)
            self.counts["damaged records"] += 1
        # Whoever puts them there needs the disk, or the broker, himself.
        with self.locks["disk"], self.locks["broker"]:
            self.journal.fault("records", "damaged ones in each topic")
            return damage(self.postern.topics(), note)

    def decide(self):
        """A person releases a held message and discards another. The command may fail, or end
        without a word of what it has done."""
        with self.locks["person"]:
            candidates = self.undecided()
            for deed in ("release", "discard"):
                ident = self.random.choice(candidates) if candidates else None
                if not ident:
                    return False
                candidates.remove(ident)
                self.journal.begin_deed(deed, ident)
                if self.postern.posternctl("quarantine", deed, ident, check=False).returncode == 0:
                    self.journal.end_deed(ident)
                    self.counts[f"a person's {deed}"] += 1
        return True

    def undecided(self):
        """What must be held, and is. To a domain that can't be believed to be there it may
        bounce."""
        bad = {submission["id"] for submission in list(self.journal.submissions.values())
               if submission["kind"] != "clean" and submission["result"] == "acknowledged"
               and not any(who.endswith(UNROUTED) for who in submission["recipients"])}
        done = self.postern.posternctl("quarantine", "list", "--json", check=False).stdout
        held = {json.loads(line)["id"] for line in done.splitlines()}
        return sorted(bad & held - self.journal.deeds.keys())

    def broker_restart(self):
        with self.locks["broker"], self.span("broker restart"):
            kafka("stop", self.postern.broker)
            time.sleep(1)
            kafka("start", self.postern.broker)
        self.counts["broker restarts"] += 1

    def broker_kill(self):
        with self.locks["broker"], self.span("broker killed"):
            self.postern.kill_broker()
            self.journal.kill("broker", "with SIGKILL")
            self.pause(0, 2)
            kafka("start", self.postern.broker)
        self.counts["broker SIGKILL"] += 1

    def broker_stop_and_go(self):
        with self.locks["broker"], self.span("broker is stopped"):
            os.kill(self.postern.broker_pid(), signal.SIGSTOP)
            self.pause(1, 8)
            os.kill(self.postern.broker_pid(), signal.SIGCONT)
        self.counts["broker SIGSTOP"] += 1

    def redis_kill(self):
        with self.locks["redis"], self.span("redis away"):
            self.kill_now(self.postern.redis, "with SIGKILL")
            self.pause(0.5, 2)
            self.postern.redis.start()
            time.sleep(1)

    def redis_flush(self):
        with self.locks["redis"], self.span("redis flushed"):
            self.journal.recall(record.in_redis(self.postern.redis_where, must_flush=True))
        self.counts["redis flushed"] += 1

    # --- the list ---------------------------------------------------------------------------

    def all(self):
        """(name, call) of every fault that fits the engine."""
        rows = []
        for service in SERVICES:
            rows += [(f"kill {service}", lambda s=service: self.kill(s)),
                     (f"stop {service}", lambda s=service: self.stop_and_go(s)),
                     (f"drain {service}", lambda s=service: self.drain(s))]
            rows += [(f"a second {service}", lambda s=service: self.copy_comes(s))]
            rows += [(f"kill {service} at {point}",
                      lambda s=service, p=point: self.kill_at(s, p))
                     for point in POINTS[service]
                     if self.postern.is_local() or not point.startswith("local.")]
        rows += [("kill the workers", self.workers),
                 ("damage the signatures", self.damaged_signatures),
                 ("new signatures", self.new_signatures),
                 ("destination down", self.destination_down),
                 ("rspamd down", self.rspamd_down),
                 ("DNS down", self.dns_down),
                 ("damaged records", self.damaged_records),
                 ("a person decides", self.decide)]
        rows += [(f"destination: {what}", lambda r=rule: self.destination_rule(r))
                 for what, rule in (("4xx", "defer:1"), ("no room", "full:1"), ("421", "busy:1"),
                                    ("cuts after the dot", "swallow:1"),
                                    ("loses after the dot", "lose:1"),
                                    ("replies without end", "endless"),
                                    ("slow", "slow:1"), ("late", "late:1"))]
        rows += [(f"rspamd: {mood}", lambda m=mood: self.rspamd_mood(m))
                 for mood in ("slow", "rubbish", "error", "cut")]
        rows += [(f"DNS lies: {lie}", lambda w=lie: self.dns_lies(w))
                 for lie in ("nxdomain", "servfail", "garbage", "id", "foreign")]
        if self.postern.is_local():
            rows += [("disk full", self.disk_full)]
        else:
            rows += [("broker restart", self.broker_restart), ("broker killed", self.broker_kill),
                     ("broker stopped", self.broker_stop_and_go),
                     ("redis killed", self.redis_kill), ("redis flushed", self.redis_flush)]
        return rows


def signal_if_there(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def replace(file, content):
    new = Path(f"{file}.new")
    new.write_bytes(content)
    new.rename(file)


def fill(ballast, folder):
    free = os.statvfs(folder)
    with open(ballast, "wb", buffering=0) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bfree * free.f_bsize - (8 << 20)))
            file.seek(0, os.SEEK_END)
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass


def kafka(verb, folder):
    subprocess.run([ROOT / "tools/kafka", verb, folder], check=True, stdout=subprocess.DEVNULL)
