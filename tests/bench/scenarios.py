# SPDX-License-Identifier: MIT
"""What is measured, and what the project aims at."""
import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from dkim_check import refused
from load import Load
from sides import (BIN, SAMPLE, Nobody, Ours, Sink, Theirs, cpu_seconds, memory_bytes,
                   quiet_cpu_seconds, wait_for)
from spam import Rspamd
from table import Table, at_least, at_most


def pause(seconds=0.5):
    time.sleep(seconds)


def kilobytes(size):
    return f"{size // 1000} kB"


SAMPLES = 20  # of each side are verified


class Ground(contextlib.ExitStack):
    """A folder, the destination in it, and the sides that are started there. All of it ends
    with the `with`, and what arrived is checked before."""

    verified, duplicates = {}, 0  # by sides, of all grounds of a scenario

    def __init__(self):
        super().__init__()
        self.sides = []
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=os.environ.get("BENCH_DIR")))
        self.folder.chmod(0o711)  # Postfix and rspamd have users of their own
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.serial = 0
        with self.unwinding():
            self.sink = Sink(self.folder)
            self.callback(shutil.rmtree, self.sink.samples, ignore_errors=True)
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
            self.sides.append(side)
            return side

    def __exit__(self, kind, *why):
        with contextlib.ExitStack() as end:
            end.push(super().__exit__)
            if not kind:
                self.check()

    def check(self):
        """Raises what is wrong with the mail that arrived, and with a sample's signatures."""
        self.sink.read()
        unknown = self.sink.taken.keys() - self.sink.loads.keys()
        if unknown:
            raise RuntimeError(f"mail arrived of {', '.join(unknown)}, which nobody submitted")
        for prefix, load in self.sink.loads.items():
            load.check(self.sink.of(prefix))
        Ground.duplicates += self.sink.duplicates
        samples = self.sink.stored()
        for side in self.sides:
            self.verify(side, samples.get(side.name, []))

    def verify(self, side, samples):
        """By dkimpy, through the DNS."""
        arrived = sum(len(self.sink.of(prefix)) for prefix, load in self.sink.loads.items()
                      if load.side is side)
        chosen = samples[::max(1, len(samples) // SAMPLES)][:SAMPLES]
        bad = refused(chosen, side.dns_port, 1)
        for file, why in bad.items():
            raise RuntimeError(f"{side.name}: {len(bad)} of {len(chosen)} sampled messages have "
                               f"no good signature, {file.name}: {why}")
        if len(chosen) < min(SAMPLES, arrived // 2 // SAMPLE):
            raise RuntimeError(f"{side.name}: {len(chosen)} samples of {arrived} messages")
        Ground.verified[side.name] = Ground.verified.get(side.name, 0) + len(chosen)
        Load.totals["verified"] += len(chosen)

    def ours(self, **named):
        return self.add(Ours, self.sink, **named)

    def theirs(self, beside, **named):
        return self.add(Theirs, self.sink, beside, **named)

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
        if peer:
            self.theirs = self.add(Theirs, self.sink, self.ours, scans, rspamd)


class Bench:
    def __init__(self, rounds=5, shrink=1, bus="local"):
        self.count_rounds, self.shrink, self.bus = rounds, shrink, bus
        self.table = Table()

    def run(self, name):
        Ground.verified, Ground.duplicates = {}, 0
        getattr(self, name)()
        for side, count in Ground.verified.items():
            self.table.add(name, "all", side, "signatures verified", count, "")
        self.table.add(name, "all", "all", "second copies", Ground.duplicates, "")

    def few(self, count):
        """Of messages, in a quick run."""
        return max(20, count // self.shrink)

    def span(self, seconds):
        """How long a run lasts, in a quick run."""
        return max(0.5, seconds / self.shrink)

    def warm(self, side, sink, **how):
        """Returns the rate, so that a run can be made as long as it should be."""
        first = Load(side, count=self.few(100), **how).wait(sink, settle=False)
        count = max(20, int(first.rate * self.span(1)))
        return Load(side, count=count, **how).wait(sink, settle=False).rate

    def counts(self, sides, sink, seconds, **how):
        """How many messages each side does in that time."""
        return {side.name: max(20, int(self.warm(side, sink, **how) * seconds))
                for side in sides}

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
        for how, sizes in (("scan on", (5000, 20000, 200000)), ("scan off", (5000, 20000, 200000)),
                           ("scan and rspamd", (5000,))):
            with Pair(how != "scan off", self.bus, spam=how == "scan and rspamd") as pair:
                for size in sizes:
                    self.one_throughput(pair, size, how)

    def one_throughput(self, pair, size, how):
        """As many messages as a side does in the time: neither's is over before its checkpoints
        and sweeps fall due."""
        counts = self.counts(pair.sides, pair.sink, self.span(6), size=size)
        results = self.rounds(lambda side: Load(side, count=counts[side.name], size=size).wait(
            pair.sink), pair.sides, most=3 if "rspamd" in how else None)
        aims = self.AIMS.get((size, how), (None, None))
        self.show("throughput", f"{kilobytes(size)}, {how}", results, aims)

    def sustained(self):
        """At full rate for so long that a side's upkeep falls due, and what of it falls due
        later."""
        seconds, case, add = self.span(90), "5 kB, scan on", self.table.add
        with Pair(True, self.bus) as pair:
            counts = self.counts(pair.sides, pair.sink, seconds)
            begun = cpu_seconds(pair.ours.pids())
            results = {side.name: [Load(side, count=counts[side.name]).wait(
                pair.sink, seconds * 4 + 60)] for side in pair.sides}
            # Ours had nothing to do while the peer ran, but for its own upkeep.
            rest = quiet_cpu_seconds(pair.ours.pids()) - begun
        self.show("sustained", case, results, self.AIMS[5000, "scan on"])
        for name, (result,) in results.items():
            add("sustained", case, name, "rate, least of 10 s", result.least_rate(
                self.span(10)), "msg/s")
        add("sustained", case, "postern", "CPU a message, until the peer's run ended",
            rest * 1e6 / counts["postern"], "us")

    def show(self, scenario, case, results, aims=(None, None)):
        add = self.table.add
        for name, list_ in results.items():
            add(scenario, case, name, "rate", [r.rate for r in list_], "msg/s")
            add(scenario, case, name, "CPU a message", [r.cpu_us for r in list_], "us")
            add(scenario, case, name, "time of a run", [r.seconds for r in list_], "s")
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
                self.one_latency(pair, 25, 5, f"alone, {how}", at_most(aim))
                self.one_latency(pair, best / 2, 4, f"half the peer's rate, {how}", None)

    def one_latency(self, pair, rate, seconds, case, aim):
        count = max(20, int(rate * self.span(seconds)))
        results = self.rounds(lambda side: Load(side, count=count, size=2000, rate=rate).wait(
            pair.sink, settle=False), pair.sides)
        self.table.add("latency", case, "both", "offered", rate, "msg/s")
        for side, list_ in results.items():
            self.show_latency("latency", case, side, list_, aim)

    def show_latency(self, scenario, case, side, results, aim=None):
        """From the final dot, and to the arrival also from when the message was due."""
        for figure, runs in (("250", [r.answer_ms for r in results]),
                             ("arrival", [r.arrival_ms for r in results]),
                             ("arrival, from due", [r.due_ms for r in results])):
            for part in (.5, .99):
                is_aimed = side != "postfix" and figure == "arrival" and part == .5
                self.table.quantile(scenario, case, side, figure, part, runs,
                                    aim=aim if is_aimed else None)

    # Senders of one code a second each. Not ten: their codes would keep in step with whatever is
    # done ten times a second.
    CODE_SENDERS = 9

    def burst(self):
        """Codes, and their p99 while another app dumps bulk mail."""
        bulk = self.few(20000)
        apps = dict(apps=("shop", "news", "ads"), lanes={"news": "bulk"})
        codes = {"idle": [], "news": [], "ads": []}
        rates = {"news": [], "ads": []}
        with Pair(True, self.bus, peer=False, **apps) as pair:
            ours, sink = pair.ours, pair.sink
            self.warm(ours, sink)
            for number in range(min(self.count_rounds, 4)):
                first, last = ("news", "ads") if number % 2 == 0 else ("ads", "news")
                runs = {}
                for app in (first, "idle", last):
                    quiet_cpu_seconds(ours.pids())
                    if app == "idle":
                        runs[app] = self.codes(ours, len(runs[first])).wait(
                            sink, settle=False).arrivals
                    else:
                        runs[app], rate = self.burst_of(ours, sink, app, bulk)
                        rates[app].append(rate)
                count = min(map(len, runs.values()))
                for app, run in runs.items():
                    codes[app].append(run[:count])
        self.show_burst(codes, rates)

    def codes(self, ours, count):
        return Load(ours, count=count, size=2000, rate=self.CODE_SENDERS,
                    connections=self.CODE_SENDERS)

    def burst_of(self, ours, sink, app, bulk):
        """The codes that were due while there was bulk mail, and the bulk's rate."""
        dump = Load(ours, app=app, count=bulk, size=5000, connections=10)
        codes = self.codes(ours, 10000)
        bulk = dump.wait(sink, 600, settle=False)
        codes.stop()
        during = [code for code in codes.wait(sink, settle=False).arrivals
                  if code[0] < bulk.last_us]
        if not during:
            raise RuntimeError("no code was due during the bulk mail")
        return during, bulk.rate

    def show_burst(self, codes, rates):
        calm = {}
        for app, case in (("idle", "idle"), ("news", "bulk in its own lane"),
                          ("ads", "both in one lane")):
            if app != "idle":
                self.table.add("burst", case, "postern", "bulk's rate", rates[app], "msg/s")
            for figure, at in (("code", 1), ("code, from due", 0)):
                runs = [[(code[3] - code[at]) / 1000 for code in run] for run in codes[app]]
                self.table.quantile("burst", case, "postern", figure, .5, runs)
                worst = self.table.quantile("burst", case, "postern", figure, .99, runs)
                if app == "idle":
                    calm[figure] = worst
                else:
                    self.table.add("burst", case, "ratio", f"{figure} p99 to idle",
                                   worst / calm[figure], "x", at_most(2))

    MANNERS = ("good", "silent", "refused", "tarpit", "defer")

    def slow(self):
        """Every fifth message to destinations that are silent, refuse, tarpit or answer 4xx. The
        same load with that fifth going to good ones is what it is compared with. Each run has
        services of its own that know nothing of another's dead mail."""
        runs = {manner: [] for manner in self.MANNERS}
        load = None
        for number in range(min(self.count_rounds, 3)):
            for manner in self.MANNERS if number % 2 == 0 else reversed(self.MANNERS):
                routes = [(f"d{n}.bad.example", "@" + manner) for n in range(20)]
                aside = "good.example" if manner == "good" else "bad.example"
                with Pair(True, self.bus, peer=False,
                          routes=() if manner == "good" else routes) as pair:
                    rate = self.warm(pair.ours, pair.sink)
                    # The first run's, of the good destinations, for all.
                    load = load or self.slow_load(rate)
                    runs[manner].append([Load(pair.ours, aside=aside, **how).wait(
                        pair.sink, settle=False) for how in load])
        for manner in self.MANNERS:
            self.show_slow(manner, runs["good"], runs[manner], load[1]["rate"])

    def slow_load(self, rate):
        """First as fast as it goes, then at half of that; each longer than a step of a tarpit."""
        return (dict(count=int(rate * self.span(7.5))),
                dict(count=int(rate / 2 * self.span(6)), rate=rate / 2))

    def show_slow(self, manner, without, with_, rate):
        add = self.table.add
        add("slow", manner, "postern", "rate of the 80 %", [full.rate for full, _ in with_],
            "msg/s")
        if with_ is not without:
            self.table.ratio("slow", manner, "rate, to good", [full.rate for full, _ in with_],
                             [full.rate for full, _ in without], at_least(.95))
        add("slow", manner, "postern", "time of a run", [full.seconds for full, _ in with_], "s")
        add("slow", manner, "postern", "offered for arrivals", rate, "msg/s")
        for figure, lists in (("arrival", [paced.arrival_ms for _, paced in with_]),
                              ("arrival, from due", [paced.due_ms for _, paced in with_])):
            for part in (.5, .99):
                self.table.quantile("slow", manner, "postern", figure, part, lists)

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
                for runs, when in ((calm, "alone"), (busy, "beside them")):
                    self.table.quantile("idle", case, "postern", f"250 {when}", part,
                                        [r.answer_ms for r in runs])

    # --- growth -----------------------------------------------------------------------------

    def growth(self):
        self.growth_of_apps()
        self.growth_of_patterns()
        self.growth_of_size()

    def growth_of_apps(self):
        """Mail of all apps, or of so many that are spread over them."""
        most = max(10, 100 // self.shrink)
        with Ground() as ground:
            sides, loads = [], {}
            for apps in (10, 1000, 10000):
                names = tuple(f"app{n}" for n in range(apps))
                senders = names[::max(1, apps // most)][:most]
                sides.append(ground.ours(apps=names, credentials=senders, bus=self.bus,
                                         name=f"{apps} apps"))
                loads[sides[-1].name] = dict(app=senders, connections=most)
            self.grow(ground, sides, loads)

    def growth_of_patterns(self):
        with Ground() as ground:
            sides = [ground.ours(checks="malware,dlp", bus=self.bus, name=f"{patterns} patterns",
                                 scanner={"SCANNER_WORKER": BIN / "bench-worker"},
                                 environment={"BENCH_PATTERNS": str(patterns)})
                     for patterns in (3, 30, 300)]
            self.grow(ground, sides, {side.name: {} for side in sides})

    def grow(self, ground, sides, loads):
        """The same load on each, in turn; the largest beside the smallest."""
        least, most = sides[0].name, sides[-1].name
        rates = [self.warm(side, ground.sink, **loads[side.name]) for side in sides]
        count = int(max(rates) * self.span(2.5))
        results = self.rounds(lambda side: Load(
            side, count=count, watch_memory=True, **loads[side.name]).wait(ground.sink), sides)
        for name, list_ in results.items():
            self.show("growth", name, {"postern": list_})
            self.table.add("growth", name, "postern", "memory, most",
                           [r.peak_bytes / 2**20 for r in list_], "MiB")
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
            for side in sides:  # a JVM takes its time to get warm
                Load(side, count=self.few(1000)).wait(ground.sink)
            for size in (5000, 20000, 200000):
                counts = self.counts(sides, ground.sink, self.span(3.5), size=size)
                results = self.rounds(lambda side: Load(
                    side, count=counts[side.name], size=size).wait(ground.sink), sides)
                case = kilobytes(size)
                self.show("engines", case, results)
                self.table.ratio("engines", case, "rate, Kafka to local",
                                 [r.rate for r in results["kafka"]],
                                 [r.rate for r in results["local"]],
                                 at_least(.6) if size < 200000 else None)
            alone = self.rounds(lambda side: Load(side, count=self.few(100), size=2000, rate=25)
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


SCENARIOS = ("ceiling", "throughput", "sustained", "latency", "burst", "slow", "backlog", "idle",
             "growth", "engines", "cold")
