#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make bench: Postern beside the stack that a user would run instead.

    tests/bench/bench.py                        all scenarios
    tests/bench/bench.py throughput latency     only these
    tests/bench/bench.py --rounds 1 --quick     a first look

Both sides run in turn in the same run (A B B A), on the same machine as the load generator and
the destination, with the same certificate type, key size, signatures, STARTTLS and AUTH. Every
message is counted at the destination. Prints one table, writes one JSON file.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from sides import (ROOT, Load, Ours, Sink, Theirs, clean, memory_bytes, middle, pause,  # noqa: E402
                   quantile, scratch, wait_for)


class Table:
    def __init__(self):
        self.rows = []

    def add(self, scenario, case, side, figure, values, unit):
        values = [float(v) for v in (values if isinstance(values, list) else [values])]
        row = dict(scenario=scenario, case=case, side=side, figure=figure, unit=unit,
                   median=middle(values), min=min(values), max=max(values), runs=len(values))
        self.rows.append(row)
        print(f"{scenario:13} {case:24} {side:8} {figure:22} {row['median']:10.2f} "
              f"({row['min']:.2f} to {row['max']:.2f}, {row['runs']}) {unit}", flush=True)
        return row["median"]

    def ratio(self, scenario, case, figure, ours, theirs):
        self.add(scenario, case, "ratio", figure, [a / b for a, b in zip(ours, theirs) if b], "x")


class Bench:
    def __init__(self, args):
        self.args = args
        self.table = Table()

    def rounds(self, measure, sides):
        """A B B A A B …: one result a side and round, in the order of the rounds."""
        results = {side.name: [] for side in sides}
        for number in range(self.args.rounds):
            for side in sides if number % 2 == 0 else list(reversed(sides)):
                pause(0.5)
                results[side.name].append(measure(side))
        return results

    def pair(self, scans=True, **extra):
        return Pair(scans, self.args.bus, **extra)

    # --- scenarios --------------------------------------------------------------------------

    def throughput(self):
        sizes = ((5000, 3000), (20000, 2000), (200000, 300))
        for scans in (True, False):
            with self.pair(scans) as pair:
                for size, count in sizes:
                    self.one_throughput(pair, size, count // self.args.shrink,
                                        f"{size // 1000} kB, scan {'on' if scans else 'off'}")
                self.check_samples(pair)

    def one_throughput(self, pair, size, count, case):
        for side in pair.sides:
            Load(side, count=max(50, count // 10), size=size).wait(pair.sink)
        results = self.rounds(lambda side: Load(side, count=count, size=size).wait(pair.sink),
                              pair.sides)
        self.show(case, results)

    def show(self, case, results, scenario="throughput"):
        for name, list_ in results.items():
            self.table.add(scenario, case, name, "rate", [r.rate for r in list_], "msg/s")
            self.table.add(scenario, case, name, "CPU a message", [r.cpu_us for r in list_], "us")
        if len(results) == 2:
            ours, theirs = results["postern"], results["postfix"]
            self.table.ratio(scenario, case, "rate", [r.rate for r in ours],
                             [r.rate for r in theirs])
            self.table.ratio(scenario, case, "CPU a message", [r.cpu_us for r in ours],
                             [r.cpu_us for r in theirs])

    def check_samples(self, pair):
        """A sample's signatures, by dkimpy, through the DNS."""
        samples = sorted(pair.sink.samples.glob("*.eml"))
        good = sum(subprocess.run([ROOT / "tests/pipeline/verify-dkimpy",
                                   str(pair.ours.stack.dns_port)], stdin=open(sample),
                                  capture_output=True).returncode == 0
                   for sample in samples[::max(1, len(samples) // 20)][:20])
        checked = min(20, len(samples[::max(1, len(samples) // 20)]))
        self.table.add("throughput", "samples", "both", "signatures that verify",
                       100 * good / max(checked, 1), "%")
        if good != checked:
            raise RuntimeError(f"{checked - good} of {checked} samples do not verify")

    def latency(self):
        for scans in (True, False):
            with self.pair(scans) as pair:
                case = f"scan {'on' if scans else 'off'}"
                best = Load(pair.theirs, count=1000 // self.args.shrink,
                            size=2000).wait(pair.sink).rate
                for rate, name in ((10, "alone"), (best / 2, "half the peer's rate")):
                    count = max(100, int(min(rate * 10, 2000)) // self.args.shrink)
                    results = self.rounds(lambda side: Load(
                        side, count=count, size=2000, rate=rate).wait(pair.sink), pair.sides)
                    for side, list_ in results.items():
                        for part in (0.5, 0.99):
                            self.table.add("latency", f"{name}, {case}", side,
                                           f"250 p{part * 100:.0f}",
                                           [quantile(r.answer_ms, part) for r in list_], "ms")
                            self.table.add("latency", f"{name}, {case}", side,
                                           f"arrival p{part * 100:.0f}",
                                           [quantile(r.arrival_ms, part) for r in list_], "ms")

    def burst(self):
        """One code a second and its p99 while another app dumps bulk mail."""
        bulk = 20000 // self.args.shrink
        with self.pair(apps=("shop", "news", "ads"), lanes={"news": "bulk"}, peer=False) as pair:
            ours = pair.ours
            idle = Load(ours, count=30, size=2000, rate=1, connections=1).wait(pair.sink)
            p99 = quantile(idle.arrival_ms, .99)
            self.table.add("burst", "idle", "postern", "code p99", p99, "ms")
            for app, case in (("news", "bulk in its own lane"), ("ads", "both in one lane")):
                dump = Load(ours, app=app, count=bulk, size=5000, connections=10)
                codes = Load(ours, count=30, size=2000, rate=1, connections=1).wait(pair.sink)
                busy = pair.sink.count(dump.prefix) < bulk
                dump.wait(pair.sink, 300)
                self.table.add("burst", case, "postern", "code p99",
                               quantile(codes.arrival_ms, .99), "ms")
                self.table.add("burst", case, "postern", "p99 to idle",
                               quantile(codes.arrival_ms, .99) / p99, "x")
                self.table.add("burst", case, "postern", "bulk outlasted codes", int(busy), "")

    def slow(self):
        """A fifth of the traffic to destinations that are silent, tarpit or answer 4xx."""
        count = 4000 // self.args.shrink
        for manner in ("silent", "tarpit", "defer"):
            routes = [(f"d{n}.bad.example", "@" + manner) for n in range(20)]
            with self.pair(routes=routes, peer=False) as pair:
                alone = self.many(lambda: Load(pair.ours, count=count).wait(pair.sink).rate)

                def beside():
                    bad = Load(pair.ours, count=count // 4, domain="bad.example", connections=5)
                    good = Load(pair.ours, count=count, connections=20).wait(pair.sink)
                    bad.wait(pair.sink, arrive=False)
                    return good.rate
                mixed = self.many(beside)
                # The bad fifth costs its share of the work before it reaches the sender.
                self.table.add("slow", manner, "postern", "rate alone", alone, "msg/s")
                self.table.add("slow", manner, "postern", "rate of the good 80 %", mixed, "msg/s")
                self.table.add("slow", manner, "postern", "all accepted, to alone",
                               [m * 1.25 / a for m, a in zip(mixed, alone)], "x")

    def many(self, measure):
        return [measure() for _ in range(self.args.rounds)]

    def backlog(self):
        count = 100000 // self.args.shrink
        with self.pair(peer=False) as pair:
            fresh = Load(pair.ours, count=3000 // self.args.shrink).wait(pair.sink)
            pair.sink.stop()
            started = time.monotonic()
            dump = Load(pair.ours, count=count)
            dump.child.wait(600)
            accepted = count / (time.monotonic() - started)
            # What the sender has not seen yet it defers while the destination is down.
            pause(5)
            pair.sink.start()
            started = time.monotonic()
            first = pair.sink.count(dump.prefix)
            wait_for(lambda: pair.sink.count(dump.prefix) >= count, 1800, "the backlog's drain")
            drained = (count - first) / (time.monotonic() - started)
            dump.wait(pair.sink)
            for figure, value in (("fresh rate", fresh.rate), ("accept rate", accepted),
                                  ("drain rate", drained)):
                self.table.add("backlog", f"{count} waiting", "postern", figure, value, "msg/s")
            self.table.add("backlog", f"{count} waiting", "postern", "drain to fresh",
                           drained / fresh.rate, "x")

    def idle(self):
        sessions = 10000 // self.args.shrink
        with self.pair(peer=False) as pair:
            gateway = [pair.ours.services[0].pid]
            calm = Load(pair.ours, count=500, size=2000, rate=50).wait(pair.sink)
            before = memory_bytes(gateway)
            idle = Load(pair.ours, count=1, connections=sessions, idle=True)
            pause(2)
            each = (memory_bytes(gateway) - before) / idle.logged_in
            busy = Load(pair.ours, count=500, size=2000, rate=50).wait(pair.sink)
            idle.child.terminate()
            idle.child.wait()
            case = f"{idle.logged_in} sessions"
            self.table.add("idle", case, "postern", "memory a session", each / 1024, "kB")
            self.table.add("idle", case, "postern", "250 p99 without",
                           quantile(calm.answer_ms, .99), "ms")
            self.table.add("idle", case, "postern", "250 p99 with",
                           quantile(busy.answer_ms, .99), "ms")

    def growth(self):
        for apps in (10, 1000, 10000):
            names = ("shop",) + tuple(f"app{n}" for n in range(apps - 1))
            with self.pair(peer=False, apps=names, credentials=("shop",)) as pair:
                results = self.many(lambda: Load(pair.ours,
                                                 count=2000 // self.args.shrink).wait(pair.sink))
                self.show(f"{apps} apps", {"postern": results}, "growth")
                self.table.add("growth", f"{apps} apps", "postern", "memory",
                               memory_bytes(pair.ours.pids()) / 2**20, "MiB")
        with self.pair(peer=False) as pair:
            for size, count in ((2000, 2000), (20000, 1000), (200000, 200), (2000000, 20),
                                (20000000, 4)):
                results = self.many(lambda: Load(pair.ours, count=count, size=size,
                                                 connections=4).wait(pair.sink))
                self.show(f"{size // 1000} kB", {"postern": results}, "growth")
                self.table.add("growth", f"{size // 1000} kB", "postern", "memory",
                               memory_bytes(pair.ours.pids()) / 2**20, "MiB")

    def engines(self):
        for bus in ("local", "kafka"):
            with Pair(True, bus, peer=False) as pair:
                Load(pair.ours, count=300).wait(pair.sink)
                for size, count in ((5000, 3000), (20000, 2000)):
                    results = self.many(lambda: Load(
                        pair.ours, count=count // self.args.shrink, size=size).wait(pair.sink))
                    self.show(f"{bus}, {size // 1000} kB", {"postern": results}, "engines")
                alone = self.many(lambda: Load(pair.ours, count=100, size=2000,
                                               rate=10).wait(pair.sink))
                for part in (.5, .99):
                    self.table.add("engines", f"{bus}, alone", "postern",
                                   f"arrival p{part * 100:.0f}",
                                   [quantile(r.arrival_ms, part) for r in alone], "ms")

    def cold(self):
        """From the start of the services to the first delivered message."""
        with self.pair(peer=False) as pair:
            times = []
            for _ in range(self.args.rounds):
                for service in pair.ours.services:
                    service.stop()
                started = time.monotonic()
                for service in pair.ours.services:
                    service.start()
                wait_for(pair.ours.services[0].is_ready, 60, "gateway")
                Load(pair.ours, count=1, connections=1).wait(pair.sink)
                times.append((time.monotonic() - started) * 1000)
            self.table.add("cold", "start to first delivered", "postern", "time", times, "ms")


class Pair:
    """Both sides and the destination, for the time of one scenario."""

    def __init__(self, scans, bus, peer=True, **extra):
        self.folder = scratch()
        self.stops = []
        try:
            self.sink = Sink(self.folder)
            self.stops.append(self.sink.stop)
            routes = [(domain, self.sink.ports[port[1:]])
                      for domain, port in extra.pop("routes", ())]
            self.ours = Ours(self.folder / "postern", self.sink, scans, bus, routes=routes,
                             **extra)
            self.stops.append(self.ours.stop)
            self.sides = [self.ours]
            if peer:
                self.theirs = Theirs(self.folder / "peer", self.sink, self.ours, scans)
                self.stops.append(self.theirs.stop)
                self.sides.append(self.theirs)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for stop in reversed(self.stops):
            stop()
        clean(self.folder)


SCENARIOS = ("throughput", "latency", "burst", "slow", "backlog", "idle", "growth", "engines",
             "cold")


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores of {model[1] if model else 'an unknown processor'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO",
                        help="of " + ", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bus", default="local")
    parser.add_argument("--quick", dest="shrink", action="store_const", const=10, default=1,
                        help="a tenth of the messages")
    parser.add_argument("--json", default="build/bench.json")
    args = parser.parse_args()
    unknown = set(args.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}: there are {', '.join(SCENARIOS)}")
    bench = Bench(args)
    print(f"On {machine()}, shared with load generator and destination.")
    print(f"{'scenario':13} {'case':24} {'side':8} {'figure':22} {'median':>10} "
          "(min to max, runs)")
    for name in args.scenarios or SCENARIOS:
        getattr(bench, name)()
    Path(args.json).parent.mkdir(parents=True, exist_ok=True)
    Path(args.json).write_text(json.dumps(dict(machine=machine(), rows=bench.table.rows),
                                          indent=1))
    print(f"Written to {args.json}.")


if __name__ == "__main__":
    main()
