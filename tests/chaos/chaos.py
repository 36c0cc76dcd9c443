#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make chaos: what survives. A black-box check in the manner of Jepsen.

    tests/chaos/chaos.py --seed 1 --duration 600
    tests/chaos/chaos.py --only kill,disk        faults whose name has one of these words
    tests/chaos/chaos.py --broken early_250      a build with that rule broken must be caught
    tests/chaos/chaos.py --prove                 all of those, before the run
    tests/chaos/chaos.py --prove --duration 120  the three minutes of .ci/run
    tests/chaos/chaos.py --bus kafka             with a broker and Redis, which it starts

Drivers submit while faults are injected, first each alone and then overlapping at random; then all
is healed, the pipeline drains, and the verdict joins what the drivers, the destination and the
public events saw. Prints every violation with its timeline. Ends with 0 if there is none.
"""
import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from faults import Faults  # noqa: E402
from journal import FINAL, Journal, check  # noqa: E402
from target import Drivers, Target  # noqa: E402

# Each rule that can be broken: what must be seen then, and the faults under which it shows.
BROKEN = {
    "early_250": (("lost",), ("kill smtp-gateway at local.in_commit", "disk full")),
    "settle_early": (("lost", "stuck"), ("kill scanner at local.in_commit",
                                         "kill signer at local.in_commit", "disk full")),
    "no_record": (("duplicate",), ("kill sender at stage.before_settle",
                                   "kill sender at stage.after_publish")),
    "fail_open": (("unscanned",), ("kill scanner",)),
}
SHOWN = 20


class Chaos:
    def __init__(self, args):
        self.args = args
        self.folder = Path(tempfile.mkdtemp(prefix="postern-chaos-"))
        self.journal = Journal(self.folder / "journal.jsonl")
        self.target = Target(self.folder / "postern", args.bus, args.broken)

    def run(self):
        with self.target as target:
            target.prepare()
            target.start_services()
            self.faults = Faults(target, self.journal, self.args.seed)
            drivers = Drivers(target, self.journal, self.args.seed,
                              bad=0.8 if self.args.broken == "fail_open" else 0.05)
            try:
                self.inject()
                target.heal()
            finally:
                drivers.stop()
            self.drain()
            return check(self.journal, target.arrivals(), target.events())

    def chosen(self):
        rows = self.faults.all()
        if self.args.broken:
            return [row for row in rows if row[0] in BROKEN[self.args.broken][1]]
        words = [word for word in self.args.only.split(",") if word]
        rows = [row for row in rows if not words or any(word in row[0] for word in words)]
        return rows or sys.exit(f"no fault has {self.args.only} in its name")

    def inject(self):
        rows, dice = self.chosen(), random.Random(self.args.seed)
        start = time.monotonic()
        until = start + self.args.duration
        dice.shuffle(rows)
        for number, (name, call) in enumerate(rows):
            if time.monotonic() > until:
                print(f"  {len(rows) - number} of {len(rows)} faults were not tried alone, for "
                      "want of time: raise DURATION")
                break
            print(f"  {time.monotonic() - start:6.1f} s  {name}", flush=True)
            call()
            time.sleep(dice.uniform(0.1, 0.6))
        while time.monotonic() < until:
            some = dice.sample(rows, min(dice.choice((2, 2, 3)), len(rows)))
            print(f"  {time.monotonic() - start:6.1f} s  "
                  + " + ".join(name for name, _ in some), flush=True)
            threads = [threading.Thread(target=self.guard, args=row) for row in some]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def guard(self, name, call):
        """Two faults may meet: the second then finds things as the first left them."""
        try:
            call()
        except (OSError, RuntimeError, TimeoutError, subprocess.SubprocessError) as why:
            print(f"           {name}: {why}", flush=True)
            self.journal.fault("not injected", f"{name}: {why}")

    def drain(self):
        """Until every acknowledged message has its final state, or nothing moves any more."""
        wanted = {(s["id"], recipient) for s in self.journal.submissions.values()
                  if s["result"] == "acknowledged" for recipient in s["recipients"]}
        last, since = -1, time.monotonic()
        while time.monotonic() - since < self.args.patience:
            done = {(e.get("message_id"), e.get("recipient") or None)
                    for e in self.target.events() if e["kind"] in FINAL}
            missing = sum(row not in done and (row[0], None) not in done for row in wanted)
            if not missing:
                time.sleep(1)
                return
            if missing != last:
                last, since = missing, time.monotonic()
            time.sleep(1)
        print(f"  {last} recipients have no final state, {self.args.patience:.0f} s without change")


def report(chaos, verdict, args):
    for violation in verdict.violations[:SHOWN if not args.broken else 2]:
        print(violation)
    if len(verdict.violations) > SHOWN:
        print(f"… and {len(verdict.violations) - SHOWN} more violations")
    print(verdict)
    print("faults: " + ", ".join(f"{name} {count}" for name, count
                                 in sorted(chaos.faults.counts.items())))
    if verdict.violations and not args.broken:
        print(f"journals and logs are in {chaos.folder}")
    else:
        shutil.rmtree(chaos.folder)


def run(args):
    print(f"chaos: seed {args.seed}, {args.duration:.0f} s, bus {args.bus}"
          + (f", broken on purpose: {args.broken}" if args.broken else ""), flush=True)
    chaos = Chaos(args)
    verdict = chaos.run()
    report(chaos, verdict, args)
    if not args.broken:
        return not verdict.violations
    is_caught = any(verdict.kinds()[kind] for kind in BROKEN[args.broken][0])
    print(f"{args.broken}: {'caught' if is_caught else 'NOT CAUGHT'}")
    return is_caught


def prove(args):
    """All at a time: each waits for the most part. The rules are the same on both engines."""
    print("chaos: each rule broken on purpose must be caught", flush=True)
    runs = {rule: subprocess.Popen(
        [sys.executable, __file__, "--broken", rule, "--seed", str(args.seed), "--duration", "4",
         "--patience", "8"], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT) for rule in BROKEN}
    is_good = True
    for rule, child in runs.items():
        out = child.communicate()[0]
        print(f"  {rule}: {'caught' if child.returncode == 0 else 'NOT CAUGHT'}", flush=True)
        if child.returncode:
            is_good = False
            print(out)
    return is_good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=600, help="seconds of faults")
    parser.add_argument("--bus", default="local", help="local or kafka")
    parser.add_argument("--only", default="", help="words, with commas between")
    parser.add_argument("--broken", choices=sorted(BROKEN))
    parser.add_argument("--prove", action="store_true",
                        help="first see that every rule broken on purpose is caught")
    parser.add_argument("--patience", type=float, default=90,
                        help="seconds without progress after which the rest counts as stuck")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    is_proved = not args.prove or prove(args)
    is_good = run(args) if args.duration else True
    return 0 if is_proved and is_good else 1


if __name__ == "__main__":
    sys.exit(main())
