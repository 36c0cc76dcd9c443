#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make chaos: what survives. A black-box check in the manner of Jepsen.

    tests/chaos/chaos.py                all of it, in --duration 600 seconds: builds with a rule broken
                                        on purpose must be caught; power loss; faults on both engines
    tests/chaos/chaos.py --duration 180 the three minutes of .ci/run
    tests/chaos/chaos.py --bus kafka    only faults, so long, on that engine
    tests/chaos/chaos.py --bus local --only kill,disk   whose name has one of these words
    tests/chaos/chaos.py --broken early_250   one of the builds that must be caught; `nothing`: the
                                        whole one under the same settings, which must be clean

Drivers submit while faults are injected, first each alone (some at a time where time is short),
then overlapping at random; then all is healed, the pipeline drains, and the verdict joins what the
drivers, the destination and the public events saw. Prints every violation with its timeline. Ends
with 0 if there is none.
"""
import argparse
import collections
import json
import math
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import dkim_check  # noqa: E402
import keeper  # noqa: E402
from faults import Faults  # noqa: E402
from journal import FINAL, KEYS, KINDS, Journal, Seen, check, find_taken  # noqa: E402
from target import Drivers, Target  # noqa: E402

# Each rule that can be broken: what must be seen then, and the faults under which it shows.
BROKEN = {
    "early_250": (("lost",), ("kill smtp-gateway at local.in_commit", "disk full")),
    "settle_early": (("lost", "stuck"), ("kill scanner at local.in_commit",
                                         "kill signer at local.in_commit", "disk full")),
    "no_record": (("duplicate",), ("kill sender at stage.before_settle",
                                   "kill sender at stage.after_publish")),
    "fail_open": (("unscanned",), ("kill scanner",)),
    "spam_open": (("unscanned",), ("rspamd: error", "rspamd: cut")),
}
# No rule, and all of those faults: under the same settings a build that is whole must be clean.
CONTROL = "nothing"
BROKEN[CONTROL] = (), tuple({name for _, names in BROKEN.values() for name in names})
SHOWN = 20
# Of what arrived, that much is verified.
EVERY, MOST = 20, 500
FULL_S = 600  # from so long on, all that has a name must have been injected
# So late comes what a process that was killed had in hand, though all have their final state: on
# Kafka after session.timeout; and what another process has in hand is put off for up to 3 s.
LATE_S = {"local": 4, "kafka": 10}
TRIES = 3  # whether a broken rule shows in so short a time is chance
ALONE_S, ROUND_S = 2.2, 6  # that a fault takes on average, or some side by side
# Besides the faults: start, drain and verdict.
AROUND_S = 35
OWN = ("broker", "redis", "disk")
ROOT = Path(__file__).resolve().parents[2]


class Chaos:
    def __init__(self, args):
        self.args = args
        self.folder = Path(tempfile.mkdtemp(prefix="postern-chaos-"))
        self.journal = Journal(self.folder / "journal.jsonl")
        self.is_whole = args.broken in (None, CONTROL)
        self.target = Target(self.folder / "postern", args.bus, None if self.is_whole else args.broken)
        self.done = set()  # names of faults that were injected

    def run(self):
        with self.target as target:
            target.prepare()
            target.start_services()
            self.faults = Faults(target, self.journal, self.args.seed)
            drivers = Drivers(target, self.journal, self.args.seed,
                              bad=0.8 if "unscanned" in BROKEN.get(self.args.broken, " ")[0]
                              else 0.05)
            try:
                self.inject()
                target.heal()
            finally:
                drivers.stop()
            self.drain()
            return self.judge()

    def judge(self):
        target = self.target
        self.journal.recall(target.notes())
        arrivals = target.arrivals()
        sample = [arrival["file"] for arrival in arrivals[::max(EVERY, len(arrivals) // MOST)]]
        bad = dkim_check.refused(sample, target.dns_port, KEYS)
        verdict = check(self.journal, Seen(
            arrivals, target.events(), target.stored(), target.dead(), target.quarantine(),
            target.foreign_arrivals(), bad))
        verdict.counts["verified"] = len(sample) - len(bad)
        if self.is_whole:
            self.judge_the_run(verdict)
        return verdict

    def judge_the_run(self, verdict):
        """A run that tested nothing proves nothing."""
        needed = {"acknowledged", "held", "copies", "verified", "refused for good"}
        if "damaged records" in self.done:
            needed.add("damaged")
        if "a person decides" in self.done:
            needed |= {"release", "discard"}
        missing = [f"no message or record was {name}" for name in needed
                   if not verdict.counts[name]]
        untried = self.untried()
        if self.args.is_full:
            missing += [f"never injected: {name}" for name in untried]
        elif untried:
            print(f"never injected, which only a run of {FULL_S} s demands: {', '.join(untried)}")
        for what in missing:
            verdict.add("not tested", {"token": "the run", "kind": "all of it", "at_us": 0}, what, [])

    def untried(self):
        return [name for name, _ in self.chosen() if name not in self.done]

    def chosen(self):
        rows = self.faults.all()
        if self.args.broken:
            return [row for row in rows if row[0] in BROKEN[self.args.broken][1]]
        words = [word for word in self.args.only.split(",") if word]
        rows = [row for row in rows if not words or any(word in row[0] for word in words)]
        return rows or sys.exit(f"no fault has {self.args.only} in its name")

    def rounds(self, dice):
        """Each fault alone, or some at a time; then any number at random, without an end."""
        rows = self.chosen()
        dice.shuffle(rows)
        # What only this engine has comes before the time is over.
        for place, row in enumerate([row for row in rows if row[0].startswith(OWN)]):
            rows.remove(row)
            rows.insert(place * 3, row)
        size = 1
        if not self.args.broken and self.args.duration < ALONE_S * len(rows):
            size = min(6, math.ceil(ROUND_S * len(rows) / self.args.duration))
        for first in range(0, len(rows), size):
            yield rows[first:first + size]
        while True:
            untried = self.untried()
            again = [row for row in rows if row[0] in untried]
            some = dice.sample(rows, min(dice.choice((2, 2, 3)), len(rows)))
            # In time: what needs luck to happen gets more of it.
            yield dice.sample(again, min(2, len(again))) or some

    def inject(self):
        dice, start = random.Random(self.args.seed), time.monotonic()
        for some in self.rounds(dice):
            at = time.monotonic() - start
            if at > self.args.duration:
                break
            print(f"  {at:6.1f} s  " + " + ".join(name for name, _ in some), flush=True)
            threads = [threading.Thread(target=self.guard, args=row, daemon=True) for row in some]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            time.sleep(dice.uniform(0.1, 0.5))

    def guard(self, name, call):
        try:
            if call() is not False:
                self.done.add(name)
        except TimeoutError as why:  # it did not come back
            self.journal.fail("stuck", name, why)
        except Exception as why:  # the run goes on, and has failed
            self.journal.fail("not tested", name, repr(why))

    def drain(self):
        """Until every message that was taken has its final state, or nothing moves any more."""
        seen = Seen(self.target.arrivals(), self.target.events(), self.target.stored())
        wanted = {(ident, recipient) for token, ident in find_taken(self.journal, seen).items()
                  for recipient in self.journal.submissions[token]["recipients"]}
        wanted |= {(ident, None) for _, _, ident, _ in self.journal.damaged if ident}
        released = {ident for ident, deed in self.journal.deeds.items() if deed == ["release", True]}
        last, since = -1, time.monotonic()
        while time.monotonic() - since < self.args.patience:
            done = {(e.get("message_id"), e.get("recipient") or None)
                    for e in self.target.events() if e["kind"] in FINAL
                    and not (e["kind"] == "held" and e["message_id"] in released)}
            missing = sum(row not in done and (row[0], None) not in done for row in wanted)
            if not missing:
                time.sleep(LATE_S[self.args.bus])
                return
            if missing != last:
                last, since = missing, time.monotonic()
            time.sleep(1)
        print(f"  {last} recipients have no final state, {self.args.patience:.0f} s without change")


def report(chaos, verdict, args):
    for violation in verdict.violations[:SHOWN if chaos.is_whole else 2]:
        print(violation)
    if len(verdict.violations) > SHOWN:
        print(f"… and {len(verdict.violations) - SHOWN} more violations")
    print(verdict)
    print("faults: " + counted(chaos.faults.counts))
    if args.keep or (verdict.violations and chaos.is_whole):
        print(f"journals and logs are in {chaos.folder}", flush=True)
    else:
        shutil.rmtree(chaos.folder)


def counted(counts):
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def run(args):
    """(is it good?, Verdict, counts of faults) of one engine."""
    print(f"chaos: seed {args.seed}, {args.duration:.0f} s, bus {args.bus}"
          + (f", broken on purpose: {args.broken}" if args.broken else ""), flush=True)
    chaos = Chaos(args)
    try:
        verdict = chaos.run()
    except BaseException:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:  # told to end, and ending
            shutil.rmtree(chaos.folder, ignore_errors=True)
        else:
            print(f"journals and logs are in {chaos.folder}", flush=True)
        raise
    report(chaos, verdict, args)
    if chaos.is_whole:
        return not verdict.violations, verdict, chaos.faults.counts
    is_caught = any(verdict.kinds()[kind] for kind in BROKEN[args.broken][0])
    print(f"{args.broken}: {'caught' if is_caught else 'NOT CAUGHT'}")
    return is_caught, verdict, chaos.faults.counts


@contextmanager
def child(*argv, out=subprocess.PIPE):
    """It is ended with whoever started it, and in order: it has servers and a mounted disk."""
    process = subprocess.Popen([sys.executable, *map(str, argv)], text=True, stdout=out,
                               stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


def prove(args):
    """What needs no other run beside it to mean something, all at a time: each waits for the most
    part. The rules are the same on both engines."""
    print("chaos: power loss, and builds with a rule broken on purpose, which must be caught",
          flush=True)
    commands = {rule: (__file__, "--bus", "local", "--broken", rule, "--seed", args.seed,
                       "--duration", 16 if rule == CONTROL else 4, "--patience", 8)
                for rule in BROKEN}
    commands["power loss"] = (ROOT / "tests/chaos/powerloss/run", "--seed", args.seed,
                              "--seconds", args.duration / 10)
    with ExitStack() as stack:
        runs = {name: stack.enter_context(child(*argv)) for name, argv in commands.items()}
        stack.callback(end_all, runs.values())
        return judge_proofs(runs)


def end_all(processes):
    """At once: each takes its time."""
    for process in processes:
        if process.poll() is None:
            process.terminate()


def judge_proofs(runs):
    is_good = True
    for name, process in runs.items():
        out = process.communicate()[0]
        is_good &= process.returncode == 0
        words = {"power loss": ("nothing lost", "LOST"), CONTROL: ("clean", "NOT CLEAN")}
        word = words.get(name, ("caught", "NOT CAUGHT"))[process.returncode != 0]
        print(f"  {name}: {word}", flush=True)
        if process.returncode or name == "power loss":
            print("    " + out.rstrip().replace("\n", "\n    "), flush=True)
    return is_good


def summary(verdict, faults):
    return {"kinds": verdict.kinds(), "counts": verdict.counts,
            "kills": {name: count for name, count in faults.items() if "SIGKILL" in name}}


def run_all(args):
    """Within args.duration seconds in all. The engines side by side: either is idle mostly."""
    until = time.monotonic() + args.duration
    is_good, total = prove(args), collections.defaultdict(collections.Counter)
    seconds = max(20, until - time.monotonic() - AROUND_S)
    with tempfile.TemporaryDirectory(prefix="postern-chaos-kafka-") as folder:
        told = Path(folder) / "summary"
        with (open(f"{folder}/out", "w") as out,
              child(__file__, "--bus", "kafka", "--seed", args.seed, "--patience", args.patience,
                    "--duration", seconds, "--summary", told, *["--is-full"] * args.is_full,
                    out=out) as kafka):
            is_clean, verdict, faults = run(argparse.Namespace(
                **{**vars(args), "bus": "local", "duration": seconds}))
            is_good &= kafka.wait() == 0
        print(Path(out.name).read_text(), end="", flush=True)
        parts = [summary(verdict, faults)]
        if told.exists():
            parts.append(json.loads(told.read_text()))
    for part in parts:
        for name, counts in part.items():
            total[name].update(counts)
    kills, kinds, counts = total["kills"], total["kinds"], total["counts"]
    print(f"\nchaos, seed {args.seed}, {len(parts)} engines: {counts['submitted']} messages "
          f"submitted, {counts['acknowledged']} acknowledged; {sum(kills.values())} kills: {counted(kills)}")
    print(", ".join(f"{'unexplained duplicates' if kind == 'duplicate' else kind} {kinds[kind]}"
                    for kind in KINDS))
    return is_good and is_clean


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=600,
                        help="seconds in all; with --bus local or kafka: of faults")
    parser.add_argument("--bus", default="both", choices=("both", "local", "kafka"))
    parser.add_argument("--only", default="", help="words, with commas between")
    parser.add_argument("--broken", choices=sorted(BROKEN))
    parser.add_argument("--patience", type=float, default=90,
                        help="seconds without progress after which the rest counts as stuck")
    parser.add_argument("--is-full", action="store_true",
                        help="fail if a fault or a point was never injected")
    parser.add_argument("--summary", type=Path, help="file for the figures, as JSON")
    parser.add_argument("--keep", action="store_true", help="keep journals and logs in any case")
    args = parser.parse_args()
    keeper.guard(list)
    # Never what was built of other sources.
    subprocess.run(["make", "--no-print-directory", "-s", "-j2", "VARIANT=chaos", "all"], cwd=ROOT, check=True)
    if args.bus == "both" and (args.only or args.broken):
        args.bus = "local"
    if args.bus == "both":
        args.is_full |= args.duration >= FULL_S
        return 0 if run_all(args) else 1
    for _ in range(1 if args.broken in (None, CONTROL) else TRIES):
        is_good, verdict, faults = run(args)
        if is_good:
            break
        args.seed += 1000
    if args.summary:
        args.summary.write_text(json.dumps(summary(verdict, faults)))
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
