# SPDX-License-Identifier: MIT
"""The faults: each injects something into a running Postern, and heals it."""
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from stack import ROOT  # noqa: E402

SERVICES = ("smtp-gateway", "scanner", "signer", "sender")
# Named in the code with KILL_POINT().
POINTS = {
    "smtp-gateway": ("gateway.after_data", "gateway.after_publish", "gateway.after_durable",
                     "gateway.after_250"),
    "scanner": ("stage.after_take", "stage.after_publish", "stage.before_settle",
                "local.in_commit", "local.in_checkpoint"),
    "signer": ("stage.after_take", "stage.after_publish", "stage.before_settle",
               "local.in_commit"),
    "sender": ("stage.after_take", "sender.after_connect", "sender.after_mail",
               "sender.after_rcpt", "sender.after_data", "sender.after_dot",
               "sender.after_record", "stage.after_publish", "stage.before_settle"),
}


class Faults:
    """Every fault is a method that lasts some seconds and returns healed. `postern` is the
    running stack, `journal` hears what is done."""

    def __init__(self, postern, journal, seed):
        self.postern, self.journal = postern, journal
        self.random = random.Random(seed)
        self.kills = 0

    def say(self, name, what):
        self.journal.fault(name, what)

    def restart(self, process):
        process.child.wait()
        process.start()
        self.postern.wait_ready(process)

    def kill(self, service):
        process = self.postern.named(service)
        self.say("kill", service)
        process.kill()
        self.kills += 1
        self.restart(process)

    def stop_and_go(self, service):
        process = self.postern.named(service)
        self.say("stop", service)
        process.kill(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.5, 3))
        process.kill(signal.SIGCONT)
        self.say("go on", service)

    def drain(self, service):
        process = self.postern.named(service)
        self.say("SIGTERM", service)
        process.stop()
        process.start()
        self.postern.wait_ready(process)

    def kill_at(self, service, point):
        """Starts the service anew so that it dies at a named point, then as it was."""
        process = self.postern.named(service)
        mark = self.postern.folder / f"kill-{service}-{point}-{self.kills}"
        process.stop()
        passes = self.random.randint(1, 30)
        process.env.update(POSTERN_KILL_AT=f"{point}:{passes}", POSTERN_KILL_ONCE=str(mark))
        process.start()
        self.say("kill at", f"{service} {point}, pass {passes}")
        deadline = time.monotonic() + 8
        while process.is_running() and time.monotonic() < deadline:
            time.sleep(0.02)
        for name in ("POSTERN_KILL_AT", "POSTERN_KILL_ONCE"):
            del process.env[name]
        if process.is_running():
            self.say("not reached", point)
            process.stop()
        else:
            self.say("killed at", point)
            self.kills += 1
        self.restart(process)

    def worker(self):
        """The scanner's workers die, stop or go wild; the scanner must go on."""
        scanner = self.postern.named("scanner").pid
        children = subprocess.run(["pgrep", "-P", str(scanner)], capture_output=True,
                                  text=True).stdout.split()
        for child in children:
            number = self.random.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP))
            self.say("worker", f"{child} {number.name}")
            try:
                os.kill(int(child), number)
            except ProcessLookupError:
                pass

    def signatures(self):
        """A damaged database, then a good one again."""
        folder = self.postern.signatures
        good = {file: file.read_bytes() for file in folder.iterdir()}
        self.say("signatures", "damaged")
        for file in good:
            shutil.copy(file, f"{file}.new")
            Path(f"{file}.new").write_bytes(b"\x00 not a database \n" * 5)
            os.rename(f"{file}.new", file)
        time.sleep(2)
        self.say("signatures", "good")
        for file, content in good.items():
            Path(f"{file}.new").write_bytes(content)
            os.rename(f"{file}.new", file)

    def destination_down(self):
        self.say("destination", "down")
        self.postern.destination.kill()
        self.postern.destination.child.wait()
        time.sleep(self.random.uniform(0.5, 2))
        self.postern.destination.start()
        self.say("destination", "up")

    def destination_rule(self, rule, seconds=3):
        self.say("destination", rule)
        self.postern.set_rules({"*": rule})
        time.sleep(seconds)
        self.postern.set_rules({})
        self.say("destination", "ok")

    def dns_down(self):
        self.say("DNS", "down")
        self.postern.stop_dns()
        time.sleep(self.random.uniform(1, 3))
        self.postern.restart_dns()
        self.say("DNS", "up")

    def disk_full(self):
        """The bus folder is on a file system of its own."""
        ballast = self.postern.disk / "ballast"
        self.say("disk", "full")
        with open(ballast, "wb") as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass
        time.sleep(self.random.uniform(1, 3))
        ballast.unlink()
        self.say("disk", "has room")

    def damaged_records(self):
        """What can't be decoded, in each topic of the stream."""
        for topic in ("mail.accepted.urgent", "mail.cleared.urgent",
                      "mail.outbound.default.urgent"):
            for value in (b"\xff" * 40, b"\x08\x63", b""):
                self.postern.inject(topic, value)
        self.say("records", "damaged ones in each topic")

    def broker_restart(self):
        self.say("broker", "stopped")
        subprocess.run([ROOT / "tools/kafka", "stop", self.postern.broker], check=True,
                       stdout=subprocess.DEVNULL)
        time.sleep(1)
        subprocess.run([ROOT / "tools/kafka", "start", self.postern.broker], check=True,
                       stdout=subprocess.DEVNULL)
        self.say("broker", "started")

    def redis_kill(self):
        self.say("redis", "killed")
        self.postern.redis.kill()
        self.restart_redis()

    def restart_redis(self):
        self.postern.redis.child.wait()
        time.sleep(1)
        self.postern.redis.start()
        self.say("redis", "started")

    # --- the list ---------------------------------------------------------------------------

    def all(self):
        """(name, call) of every fault that fits the engine."""
        rows = []
        for service in SERVICES:
            rows += [(f"kill {service}", lambda s=service: self.kill(s)),
                     (f"stop {service}", lambda s=service: self.stop_and_go(s)),
                     (f"drain {service}", lambda s=service: self.drain(s))]
            rows += [(f"kill {service} at {point}",
                      lambda s=service, p=point: self.kill_at(s, p))
                     for point in POINTS[service]
                     if self.postern.is_local() or not point.startswith("local.")]
        rows += [("kill the workers", self.worker),
                 ("damage the signatures", self.signatures),
                 ("destination down", self.destination_down),
                 ("destination answers 4xx", lambda: self.destination_rule("defer:1")),
                 ("destination cuts after the dot", lambda: self.destination_rule("swallow:1")),
                 ("destination loses after the dot", lambda: self.destination_rule("lose:1")),
                 ("destination is slow", lambda: self.destination_rule("slow:1")),
                 ("destination says 421", lambda: self.destination_rule("busy:1")),
                 ("DNS down", self.dns_down),
                 ("damaged records", self.damaged_records)]
        if self.postern.is_local():
            rows += [("disk full", self.disk_full)] if self.postern.disk else []
        else:
            rows += [("broker restart", self.broker_restart), ("redis killed", self.redis_kill)]
        return rows


def inject_local(bus_folder, topic, value):
    """Puts a raw record into a topic of the local engine, behind its back."""
    with sqlite3.connect(Path(bus_folder) / f"{topic}.db", timeout=10) as database:
        database.execute("INSERT INTO record (time, due, key, value) VALUES (?, 0, ?, ?)",
                         (int(time.time() * 1000), b"chaos/0", value))
