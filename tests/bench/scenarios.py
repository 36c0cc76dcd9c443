# SPDX-License-Identifier: MIT
"""What is measured, and what the project aims at."""
import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from dkim_check import refused
from load import Load, quantile
from sides import BIN, Nobody, Ours, Sink, Theirs, memory_bytes, wait_for
from spam import Rspamd
from table import Table, at_least, at_most


def pause(seconds=0.5):
    time.sleep(seconds)


def kilobytes(size):
    return f"{size // 1000} kB"


class Ground(contextlib.ExitStack):
    """A folder, the destination in it, and the sides that are started there. All of it ends
    with the `with`."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="postern-bench-",
                                            dir=os.environ.get("BENCH_DIR")))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.serial = 0
        with self.unwinding():
            self.sink = Sink(self.folder)
            self.callback(self.sink.stop)

    @contextlib.contextmanager
    def unwinding(self):
        """What fails while it is started takes the rest along."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def add(self, make, *args, **named):
        self.serial += 1
        with self.unwinding():
            side = make(self.folder / f"{make.__name__.lower()}{self.serial}", *args, **named)
            self.callback(side.stop)
            return side

    def ours(self, **named):
        return self.add(Ours, self.sink, **named)

    def theirs(self, beside, **named):
        return self.add(Theirs, self.sink, beside.keys, **named)

    def rspamd(self):
        with self.unwinding():
            spam = Rspamd(self.folder / "rspamd")
            self.callback(spam.stop)
            spam.start()
            return spam


class Pair(Ground):
    """Both sides."""

    def __init__(self, scans=True, bus="local", peer=True, routes=(), spam=False, **extra):
        super().__init__()
        routes = [(domain, self.sink.ports[port[1:]]) for domain, port in routes]
        rspamd = self.rspamd() if spam else None
        self.ours = self.add(Ours, self.sink, scans, bus, routes=routes, spam=rspamd, **extra)
        self.sides = [self.ours]
        if peer:
            self.theirs = self.add(Theirs, self.sink, self.ours.keys, scans, rspamd)
            self.sides.append(self.theirs)


def check_samples(sink, dns_port):
    """A sample's signatures, by dkimpy, through the DNS: percent that are good."""
    samples = sorted(sink.samples.glob("*.eml"))
    samples = samples[::max(1, len(samples) // 20)][:20]
    bad = refused(samples, dns_port)
    if bad or not samples:
        raise RuntimeError(f"{len(bad)} of {len(samples)} sampled messages have a bad signature")
    return 100


class Bench:
    def __init__(self, rounds=5, shrink=1, bus="local"):
        self.count_rounds, self.shrink, self.bus = rounds, shrink, bus
        self.table = Table()

    def few(self, count):
        """Of messages, in a quick run."""
        return max(20, count // self.shrink)

    def rounds(self, measure, sides, most=None):
        """A B B A A B …: one result of each side in each round, in the order of rounds."""
        results = {side.name: [] for side in sides}
        for number in range(min(self.count_rounds, most or self.count_rounds)):
            for side in sides if number % 2 == 0 else list(reversed(sides)):
                pause()
                results[side.name].append(measure(side))
        return results

    # --- throughput -------------------------------------------------------------------------

    # Rate at least so many times the peer's, CPU at most that part of it.
    AIMS = {(5000, "scan on"): (4, 1 / 3), (20000, "scan on"): (3, None),
            (200000, "scan on"): (2, None), (5000, "scan off"): (6, None)}

    def throughput(self):
        sizes = ((5000, 3000), (20000, 1500), (200000, 300))
        for how, sizes_of in (("scan on", sizes), ("scan off", sizes),
                              ("scan and rspamd", sizes[:1])):
            with Pair(how != "scan off", self.bus, spam=how == "scan and rspamd") as pair:
                for size, count in sizes_of:
                    count //= 3 if how == "scan and rspamd" else 1
                    self.one_throughput(pair, size, self.few(count), how)
                self.table.add("throughput", f"all, {how}", "both", "sampled signatures good",
                               check_samples(pair.sink, pair.ours.stack.dns_port), "%")
                self.table.add("throughput", f"all, {how}", "both", "second copies",
                               pair.sink.duplicates, "")

    def one_throughput(self, pair, size, count, how):
        for side in pair.sides:
            Load(side, count=max(20, count // 10), size=size).wait(pair.sink)
        results = self.rounds(lambda side: Load(side, count=count, size=size).wait(pair.sink),
                              pair.sides)
        aims = self.AIMS.get((size, how), (None, None))
        self.show("throughput", f"{kilobytes(size)}, {how}", results, aims)

    def show(self, scenario, case, results, aims=(None, None)):
        add = self.table.add
        for name, list_ in results.items():
            add(scenario, case, name, "rate", [r.rate for r in list_], "msg/s")
            add(scenario, case, name, "CPU a message", [r.cpu_us for r in list_], "us")
        if "postfix" not in results:
            return
        ours, theirs = results["postern"], results["postfix"]
        self.table.ratio(scenario, case, "rate", [r.rate for r in ours],
                         [r.rate for r in theirs], aims[0] and at_least(aims[0]))
        self.table.ratio(scenario, case, "CPU a message", [r.cpu_us for r in ours],
                         [r.cpu_us for r in theirs], aims[1] and at_most(round(aims[1], 2)))
        add(scenario, case, "both", "CPU of generator", [r.load_us for r in ours], "us")
        add(scenario, case, "both", "CPU of destination", [r.sink_us for r in ours], "us")

    def ceiling(self):
        """What the generator and the destination could do by themselves."""
        with Ground() as ground:
            for size, count in ((5000, 20000), (20000, 10000), (200000, 1000)):
                for is_plain, case in ((False, "TLS, AUTH"), (True, "plain")):
                    side = Nobody(ground.sink, is_plain)
                    results = [Load(side, count=self.few(count), size=size).wait(
                        ground.sink, settle=False) for _ in range(self.count_rounds)]
                    for figure, values, unit in (
                            ("rate", [r.rate for r in results], "msg/s"),
                            ("CPU of generator", [r.load_us for r in results], "us"),
                            ("CPU of destination", [r.sink_us for r in results], "us")):
                        self.table.add("ceiling", f"{kilobytes(size)}, {case}", "none", figure,
                                       values, unit)

    # --- latency ----------------------------------------------------------------------------

    def latency(self):
        for scans, aim in ((True, 6), (False, 4)):
            how = f"scan {'on' if scans else 'off'}"
            with Pair(scans, self.bus) as pair:
                for side in pair.sides:
                    Load(side, count=self.few(200), size=2000).wait(pair.sink)
                best = Load(pair.theirs, count=self.few(1000), size=2000).wait(pair.sink).rate
                for rate, name in ((25, "alone"), (best / 2, "half the peer's rate")):
                    self.one_latency(pair, rate, f"{name}, {how}",
                                     at_most(aim) if name == "alone" else None)

    def one_latency(self, pair, rate, case, aim):
        count = self.few(int(max(rate * 4, 150)))
        results = self.rounds(lambda side: Load(side, count=count, size=2000, rate=rate).wait(
            pair.sink, settle=False), pair.sides)
        self.table.add("latency", case, "both", "offered", rate, "msg/s")
        for side, list_ in results.items():
            self.show_latency("latency", case, side, list_, aim)

    def show_latency(self, scenario, case, side, results, aim=None):
        for figure, ordered in (("250", [r.answer_ms for r in results]),
                                ("arrival", [r.arrival_ms for r in results])):
            for part in (.5, .99):
                is_aimed = side != "postfix" and figure == "arrival" and part == .5
                self.table.add(scenario, case, side, f"{figure} p{part * 100:.0f}",
                               [quantile(ordered_, part) for ordered_ in ordered], "ms",
                               aim if is_aimed else None)

    def burst(self):
        """One code a second and its p99 while another app dumps bulk mail."""
        bulk = self.few(20000)
        apps = dict(apps=("shop", "news", "ads"), lanes={"news": "bulk"})
        with Pair(True, self.bus, peer=False, **apps) as pair:
            ours, sink = pair.ours, pair.sink
            Load(ours, count=self.few(500)).wait(sink)
            idle, busy = [], {"news": [], "ads": []}
            for number in range(min(self.count_rounds, 3)):
                idle += Load(ours, count=self.few(25), size=2000, rate=1, connections=1).wait(
                    sink, settle=False).arrival_ms
                for app in ("news", "ads") if number % 2 == 0 else ("ads", "news"):
                    busy[app].append(self.burst_of(ours, sink, app, bulk))
                    pause(2)
            self.table.add("burst", "idle", "postern", "code p50", quantile(sorted(idle), .5),
                           "ms")
            calm = self.table.add("burst", "idle", "postern", "code p99",
                                  quantile(sorted(idle), .99), "ms")
            for app, case in (("news", "bulk in its own lane"), ("ads", "both in one lane")):
                codes = sorted(ms for run in busy[app] for ms in run[0])
                add = self.table.add
                add("burst", case, "postern", "bulk's rate", [run[1] for run in busy[app]],
                    "msg/s")
                add("burst", case, "postern", "codes meanwhile", len(codes), "")
                add("burst", case, "postern", "code p50", quantile(codes, .5), "ms")
                busy_p99 = add("burst", case, "postern", "code p99", quantile(codes, .99), "ms")
                add("burst", case, "ratio", "code p99 to idle", busy_p99 / calm, "x", at_most(2))

    @staticmethod
    def burst_of(ours, sink, app, bulk):
        """The codes' arrivals that fell into the time of the bulk, and the bulk's rate."""
        dump = Load(ours, app=app, count=bulk, size=5000, connections=10)
        codes = Load(ours, count=1000, size=2000, rate=1, connections=1)
        bulk = dump.wait(sink, 600, settle=False)
        codes.stop()
        return [(arrival - dot) / 1000
                for _, dot, _, arrival in codes.wait(sink, settle=False).arrivals
                if dot < bulk.last_us], bulk.rate

    def slow(self):
        """Every fifth message goes to destinations that are silent, refuse, tarpit or answer
        4xx; the same load with that fifth going to good ones is what it is compared with."""
        count = self.few(2500)
        for manner in ("silent", "refused", "tarpit", "defer"):
            routes = [(f"d{n}.bad.example", "@" + manner) for n in range(20)]
            with Pair(True, self.bus, peer=False, routes=routes) as pair:
                def run(aside, **how):
                    return Load(pair.ours, aside=aside, **how).wait(pair.sink, settle=False)
                Load(pair.ours, count=self.few(500)).wait(pair.sink)
                half = run("good.example", count=count).rate * 1.25 / 2
                runs = {}
                for number in range(min(self.count_rounds, 3)):
                    asides = ("good.example", "bad.example")
                    for aside in asides if number % 2 == 0 else reversed(asides):
                        pause()
                        runs.setdefault(aside, []).append(
                            (run(aside, count=count),
                             run(aside, count=self.few(int(half * 4)), rate=half)))
                self.show_slow(manner, runs["good.example"], runs["bad.example"], half)

    def show_slow(self, manner, without, with_, rate):
        add = self.table.add
        for runs, when in ((without, "without"), (with_, "with")):
            add("slow", manner, "postern", f"rate of the 80 % {when}",
                [full.rate for full, _ in runs], "msg/s")
        self.table.ratio("slow", manner, "rate", [full.rate for full, _ in with_],
                         [full.rate for full, _ in without], at_least(.95))
        add("slow", manner, "postern", "offered for arrivals", rate, "msg/s")
        for runs, when in ((without, "without"), (with_, "with")):
            for part in (.5, .99):
                add("slow", manner, "postern", f"arrival p{part * 100:.0f} {when}",
                    [quantile(paced.due_ms, part) for _, paced in runs], "ms")

    def backlog(self):
        """The destination is down until so many wait."""
        count = self.few(100000)
        add = self.table.add
        with Pair(True, self.bus, peer=False) as pair:
            ours, sink = pair.ours, pair.sink
            Load(ours, count=self.few(500)).wait(sink)
            fresh = [Load(ours, count=self.few(3000)).wait(sink).rate for _ in range(3)]
            sink.stop()
            already = self.signed(ours)
            dump = Load(ours, count=count)
            dump.child.wait(1200)
            # The sender gets what the signer has done, and puts it off.
            dump.until(lambda: self.signed(ours) - already >= count, 1200, "signatures")
            pause(5)
            waited = memory_bytes(ours.pids())
            sink.start()
            started_us = time.time() * 1e6
            result = dump.wait(sink, 1800)
            case = f"{count} waiting"
            arrivals = sorted(when for when, *_ in sink.of(dump.prefix).values())
            drain = (count - 1) / max((arrivals[-1] - arrivals[0]) / 1e6, 1e-6)
            add("backlog", case, "postern", "fresh rate", fresh, "msg/s")
            add("backlog", case, "postern", "accept rate", result.accept_rate, "msg/s")
            add("backlog", case, "postern", "memory while they wait", waited / 2**20, "MiB")
            for figure, at in (("first arrival after", 0), ("half arrived after", count // 2),
                               ("95 % arrived after", count * 95 // 100),
                               ("all arrived after", count - 1)):
                add("backlog", case, "postern", figure, (arrivals[at] - started_us) / 1e6, "s")
            add("backlog", case, "postern", "drain rate", drain, "msg/s")
            add("backlog", case, "ratio", "drain to fresh", drain / sorted(fresh)[1], "x",
                at_least(.9))
            add("backlog", case, "postern", "second copies", sink.duplicates, "")

    @staticmethod
    def signed(ours):
        """How many messages the signer has done with."""
        return int(ours.services[2].metrics()["postern_jobs_ended_total{result=\"finished\"}"])

    def idle(self):
        sessions = self.few(10000)
        limits = {f"GATEWAY_CONNECTIONS{of}": sessions + 1000
                  for of in ("", "_PER_ADDRESS", "_PER_APP")}
        with Pair(True, self.bus, peer=False, gateway=limits) as pair:
            ours, sink = pair.ours, pair.sink
            gateway = [ours.services[0].pid]

            def paced():
                return Load(ours, count=self.few(200), size=2000, rate=50).wait(
                    sink, settle=False)
            paced()
            calm = [paced() for _ in range(self.count_rounds)]
            before = memory_bytes(gateway)
            started = time.monotonic()
            idle = Load(ours, count=1, connections=sessions, idle=True)
            seconds = time.monotonic() - started
            pause(2)
            each = (memory_bytes(gateway) - before) / idle.logged_in
            busy = [paced() for _ in range(self.count_rounds)]
            is_there = idle.child.poll() is None
            idle.stop()
            idle.child.wait()
            if not is_there:
                raise RuntimeError("the idle sessions did not last")
            case = f"{idle.logged_in} sessions"
            add = self.table.add
            add("idle", case, "postern", "logins", idle.logged_in / seconds, "/s")
            add("idle", case, "postern", "memory a session", each / 1024, "kB", at_most(24))
            for part in (.5, .99):
                for runs, when in ((calm, "without"), (busy, "with")):
                    add("idle", case, "postern", f"250 p{part * 100:.0f} {when}",
                        [quantile(r.answer_ms, part) for r in runs], "ms")

    # --- growth -----------------------------------------------------------------------------

    def growth(self):
        self.growth_of_apps()
        self.growth_of_patterns()
        self.growth_of_size()

    def growth_of_apps(self):
        with Ground() as ground:
            sides = []
            for apps in (10, 1000, 10000):
                names = ("shop",) + tuple(f"app{n}" for n in range(apps - 1))
                sides.append(ground.ours(apps=names, credentials=("shop",), bus=self.bus,
                                         name=f"{apps} apps"))
            self.grow(ground, sides)

    def growth_of_patterns(self):
        with Ground() as ground:
            sides = [ground.ours(checks="malware,dlp", bus=self.bus, name=f"{patterns} patterns",
                                 scanner={"SCANNER_WORKER": BIN / "bench-worker"},
                                 environment={"BENCH_PATTERNS": str(patterns)})
                     for patterns in (3, 30, 300)]
            self.grow(ground, sides)

    def grow(self, ground, sides):
        """The same load on each, in turn; the largest beside the smallest."""
        count = self.few(2000)
        for side in sides:
            Load(side, count=self.few(300)).wait(ground.sink)
        results = self.rounds(lambda side: Load(side, count=count, watch_memory=True).wait(
            ground.sink), sides)
        for name, list_ in results.items():
            self.show("growth", name, {"postern": list_})
            self.table.add("growth", name, "postern", "memory, most",
                           [r.peak_bytes / 2**20 for r in list_], "MiB")
        least, most = sides[0].name, sides[-1].name
        self.table.ratio("growth", f"{most} to {least}", "rate",
                         [r.rate for r in results[most]], [r.rate for r in results[least]],
                         at_least(.95))
        self.table.ratio("growth", f"{most} to {least}", "CPU a message",
                         [r.cpu_us for r in results[most]], [r.cpu_us for r in results[least]],
                         at_most(round(1 / .95, 2)))

    def growth_of_size(self):
        with Ground() as ground:
            side = ground.ours(bus=self.bus)
            Load(side, count=self.few(300)).wait(ground.sink)
            for size, count in ((2000, 2000), (20000, 1000), (200000, 200), (2000000, 20),
                                (20000000, 4)):
                count = max(4, count // self.shrink)
                results = self.rounds(lambda side: Load(
                    side, count=count, size=size, connections=4, watch_memory=True).wait(
                        ground.sink), [side], most=3)["postern"]
                case = f"{size // 1000} kB" if size < 1000000 else f"{size // 1000000} MB"
                self.show("growth", case, {"postern": results})
                self.table.add("growth", case, "postern", "CPU a kB",
                               [r.cpu_us * 1000 / size for r in results], "us")
                self.table.add("growth", case, "postern", "memory, most",
                               [r.peak_bytes / 2**20 for r in results], "MiB")

    # --- engines and start ------------------------------------------------------------------

    def engines(self):
        with Ground() as ground:
            sides = [ground.ours(bus=bus, name=bus) for bus in ("local", "kafka")]
            for side in sides:
                Load(side, count=self.few(500)).wait(ground.sink)
            for size, count in ((5000, 2000), (20000, 1000), (200000, 200)):
                results = self.rounds(lambda side: Load(side, count=self.few(count), size=size)
                                      .wait(ground.sink), sides)
                case = kilobytes(size)
                self.show("engines", case, results)
                self.table.ratio("engines", case, "rate, Kafka to local",
                                 [r.rate for r in results["kafka"]],
                                 [r.rate for r in results["local"]],
                                 at_least(.6) if size < 200000 else None)
            alone = self.rounds(lambda side: Load(side, count=self.few(150), size=2000, rate=25)
                                .wait(ground.sink, settle=False), sides)
            for name, results in alone.items():
                self.show_latency("engines", "alone", name, results,
                                  at_most(12) if name == "kafka" else None)

    def cold(self):
        """From the start of the services to the first delivered message."""
        with Pair(True, self.bus, peer=False) as pair:
            times = []
            for _ in range(self.count_rounds):
                for service in pair.ours.services:
                    service.stop()
                started_us = time.time() * 1e6
                for service in pair.ours.services:
                    service.start()
                wait_for(pair.ours.services[0].is_ready, 60, "gateway")
                first = Load(pair.ours, count=1, connections=1).wait(pair.sink, settle=False)
                times.append((first.last_us - started_us) / 1000)
            self.table.add("cold", "start to first delivered", "postern", "time", times, "ms")


SCENARIOS = ("ceiling", "throughput", "latency", "burst", "slow", "backlog", "idle", "growth",
             "engines", "cold")
