#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make chaos: what survives. A black-box check in the manner of Jepsen.

    tests/chaos/chaos.py --seed 1 --duration 600
    tests/chaos/chaos.py --only kill,disk        faults whose name has one of these words
    tests/chaos/chaos.py --broken early_250      a build with that rule broken must be caught

Drivers submit while faults are injected, first each alone and then overlapping at random; then all
is healed, the pipeline drains, and the verdict joins what the drivers, the destination and the
public events saw. Prints every violation with its timeline. Ends with 0 if there is none.
"""
import argparse
import json
import random
import shutil
import smtplib
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[0] / "pipeline")]
from faults import Faults, inject_local  # noqa: E402
from journal import Journal, check  # noqa: E402
from postern import DOMAIN, ROOT, Postern, mail, wait_for  # noqa: E402

BIN = ROOT / "build/chaos/bin"
CARD = "4111 1111 1111 1111"
# Faults under which each broken rule shows.
BROKEN = {
    "early_250": ("kill smtp-gateway at gateway.after_publish", "disk full"),
    "settle_early": ("kill signer at stage.after_publish", "kill scanner at stage.after_publish",
                     "disk full"),
    "no_record": ("kill sender at sender.after_record", "kill sender at stage.after_publish",
                  "kill sender"),
    "fail_open": ("kill the workers", "damage the signatures"),
}


class Target(Postern):
    """A Postern for chaos: named processes, a bus on a disk that can be filled, rules for the
    destination, signatures of its own."""

    def __init__(self, folder, bus, broken=None):
        self.disk = self.mount(folder) if bus == "local" else None
        super().__init__(folder, bus, BIN)
        if self.disk:
            (self.disk / "bus").mkdir(mode=0o700)
            self.bus = f"local:{self.disk / 'bus'}"
        if broken:
            self.settings["POSTERN_BROKEN"] = broken
        self.settings["POSTERN_LOG_LEVEL"] = "info"
        self.rules_file = self.folder / "rules.json"
        self.signatures = self.folder / "signatures"
        shutil.copytree(ROOT / "tests/fixtures/signatures", self.signatures)

    @staticmethod
    def mount(folder):
        """A small file system for the bus, to be filled; None where mount is not allowed."""
        image, disk = Path(folder) / "disk.img", Path(folder) / "disk"
        disk.mkdir(parents=True)
        with open(image, "wb") as file:
            file.truncate(512 << 20)
        for argv in (["mkfs.ext4", "-q", "-O", "^has_journal", image], ["mount", "-o", "loop",
                                                                      image, disk]):
            if subprocess.run(argv, capture_output=True).returncode:
                print("no file system of its own for the bus: the disk is not filled")
                return None
        return disk

    def is_local(self):
        return self.bus.startswith("local:")

    def named(self, name):
        return next(process for process in self.processes if process.name == name)

    def set_rules(self, rules):
        new = self.rules_file.with_suffix(".new")
        new.write_text(json.dumps(rules))
        new.rename(self.rules_file)

    def stop_dns(self):
        self._tool("nsd", "stop", self.folder / "dns")

    def restart_dns(self):
        self._tool("nsd", "start", self.folder / "dns")

    def inject(self, topic, value):
        if self.is_local():
            inject_local(self.bus.partition(":")[2], topic, value)
            return
        subprocess.run(["kcat", "-P", "-b", self.bus.partition(":")[2], "-t", topic, "-k",
                        "chaos/0", "-D", "\x00\x01\x02"], input=value, check=True)

    def stop(self):
        super().stop()
        if self.disk:
            subprocess.run(["umount", self.disk], check=False)


class Drivers:
    """Clients that submit until they are told to stop. Most mail is clean; some must be held."""

    def __init__(self, target, journal, seed, clients=4, rate=40):
        self.target, self.journal = target, journal
        self.random = random.Random(seed)
        self.pause = clients / rate
        self.is_over = threading.Event()
        self.serial = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def compose(self):
        with self.lock:
            self.serial += 1
            token, dice = f"chaos-{self.serial}", self.random.random()
        if dice < 0.05:
            return token, "card", mail(token, f"Paid with {CARD}.")
        size = int(200 * (200 ** self.random.random()))
        return token, "clean", mail(token, ("x" * 70 + "\r\n") * (size // 72 + 1))

    def run(self, number):
        client = None
        app = "shop" if number % 2 else "news"
        while not self.is_over.wait(self.pause):
            token, kind, content = self.compose()
            self.journal.submit(token, content.encode(), kind)
            try:
                client = client or self.target.connect(app)
                message_id = self.target.submit(content, client=client)
                self.journal.answer(token, "acknowledged", message_id)
            except smtplib.SMTPResponseException as why:
                client = self.close(client)
                self.journal.answer(token, "refused", text=str(why))
            except (OSError, smtplib.SMTPException) as why:
                client = self.close(client)
                self.journal.answer(token, "unknown", text=str(why))

    @staticmethod
    def close(client):
        if client:
            client.close()

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


class Chaos:
    def __init__(self, args):
        self.args = args
        self.folder = Path(tempfile.mkdtemp(prefix="postern-chaos-"))
        self.journal = Journal(self.folder / "journal.jsonl")
        self.target = Target(self.folder / "postern", args.bus, args.broken)

    def run(self):
        with self.target as target:
            target.set_rules({})
            target.prepare()
            target.start_services()
            faults = Faults(target, self.journal, self.args.seed)
            drivers = Drivers(target, self.journal, self.args.seed)
            try:
                self.inject(faults)
            finally:
                drivers.stop()
            self.heal()
            self.drain()
            return check(self.journal, target.arrivals(), target.events()), faults

    def chosen(self, faults):
        rows = faults.all()
        if self.args.broken:
            return [row for row in rows if row[0] in BROKEN[self.args.broken]]
        words = [word for word in self.args.only.split(",") if word]
        return [row for row in rows if not words or any(word in row[0] for word in words)]

    def inject(self, faults):
        rows, dice = self.chosen(faults), random.Random(self.args.seed)
        until = time.monotonic() + self.args.duration
        dice.shuffle(rows)
        for number, (name, call) in enumerate(rows):
            if time.monotonic() > until:
                print(f"{len(rows) - number} faults were left out for time: raise DURATION")
                break
            print(f"  {name}", flush=True)
            call()
            time.sleep(dice.uniform(0.2, 1))
        while time.monotonic() < until:
            pair = dice.sample(rows, min(2, len(rows)))
            print("  " + " and ".join(name for name, _ in pair), flush=True)
            threads = [threading.Thread(target=self.guard, args=(call,)) for _, call in pair]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def guard(self, call):
        """Two faults may meet on one process: the second then finds it as the first left it."""
        try:
            call()
        except (OSError, RuntimeError, TimeoutError, KeyError) as why:
            self.journal.fault("not injected", str(why))

    def heal(self):
        self.target.set_rules({})
        for process in self.target.processes:
            if not process.is_running():
                process.start()
        for process in self.target.services():
            self.target.wait_ready(process)

    def drain(self):
        """Until every acknowledged message has its final state, or nothing moves any more."""
        wanted = {s["id"] for s in self.journal.submissions.values()
                  if s["result"] == "acknowledged"}
        final = {"delivered", "held", "bounced", "expired"}
        last, since = -1, time.monotonic()
        while time.monotonic() - since < self.args.patience:
            done = {e["message_id"] for e in self.target.events() if e["kind"] in final}
            missing = len(wanted - done)
            if not missing:
                time.sleep(2)
                return
            if missing != last:
                last, since = missing, time.monotonic()
            time.sleep(1)
        print(f"  {last} messages have no final state after {self.args.patience} s without change")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=600, help="seconds of faults")
    parser.add_argument("--bus", default="local", help="local or kafka")
    parser.add_argument("--only", default="", help="words, with commas between")
    parser.add_argument("--broken", choices=sorted(BROKEN))
    parser.add_argument("--patience", type=float, default=90,
                        help="seconds without progress after which the rest counts as stuck")
    args = parser.parse_args()
    print(f"chaos: seed {args.seed}, {args.duration:.0f} s, bus {args.bus}"
          + (f", broken on purpose: {args.broken}" if args.broken else ""), flush=True)
    chaos = Chaos(args)
    verdict, faults = chaos.run()
    for violation in verdict.violations[:20]:
        print(violation)
    print(verdict)
    print(f"{faults.kills} kills; journals in {chaos.folder}")
    if not verdict.violations:
        shutil.rmtree(chaos.folder)
    if args.broken:
        caught = bool(verdict.violations)
        print(f"{args.broken}: {'caught' if caught else 'NOT CAUGHT'}")
        return 0 if caught else 1
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
