# SPDX-License-Identifier: MIT
"""A run of bench-load against a side, and what came of it."""
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from sides import BIN, DOMAIN, cpu_seconds, memory_bytes, quiet_cpu_seconds
from table import quantile


class Result:
    """One load's outcome: ms, microseconds of CPU a message, messages a second."""

    def __init__(self, sent, taken):
        arrivals = [(due, dot, answer, taken[number][0]) for number, due, dot, answer in sent
                    if number in taken]
        self.count, self.arrived = len(sent), len(arrivals)
        first = min((dot for _, _, dot, _ in sent), default=0)
        last = max((a for *_, a in arrivals), default=first)
        self.seconds = max((last - first) / 1e6, 1e-6)
        self.rate = self.arrived / self.seconds
        self.arrivals, self.last_us = arrivals, last
        self.accept_rate = self.count / max((max((s[3] for s in sent), default=first) - first)
                                            / 1e6, 1e-6)
        self.answer_ms = sorted((answer - dot) / 1000 for _, dot, answer, _ in arrivals)
        self.arrival_ms = sorted((arrival - dot) / 1000 for _, dot, _, arrival in arrivals)
        # Open loop: a message that the side kept waiting counts from when it was due.
        self.due_ms = sorted((arrival - due) / 1000 for due, _, _, arrival in arrivals)
        self.cpu_us = self.load_us = self.sink_us = self.peak_bytes = 0

    def least_rate(self, seconds):
        """Of the stretches of so many seconds that the arrivals fill."""
        first = min(dot for _, dot, _, _ in self.arrivals)
        whole = int(self.seconds // seconds)
        stretches = [0] * max(1, whole)
        for *_, arrival in self.arrivals:
            at = int((arrival - first) / 1e6 // seconds)
            if at < len(stretches):
                stretches[at] += 1
        return min(stretches) / seconds

    def __str__(self):
        return (f"{self.arrived}/{self.count} {self.rate:.0f}/s {self.cpu_us:.0f} us "
                f"answer {quantile(self.answer_ms, .5):.1f}/{quantile(self.answer_ms, .99):.1f} "
                f"arrival {quantile(self.arrival_ms, .5):.1f}/"
                f"{quantile(self.arrival_ms, .99):.1f} ms")


class Load:
    serial = 0
    totals = {"submitted": 0, "arrived": 0, "verified": 0}

    def __init__(self, side, app="shop", count=1000, size=5000, connections=20, rate=0,
                 domain="customer.example", idle=False, aside=None, watch_memory=False):
        Load.serial += 1
        self.side, self.count, self.prefix = side, count, f"l{Load.serial}"
        self.out = Path(os.environ.get("BENCH_DIR", tempfile.gettempdir())) / (
            f"bench-{os.getpid()}-{self.prefix}.txt")
        self.every, self.watches_memory = 5 if aside else 0, watch_memory
        self.peak_bytes = self.looked_at = 0
        self.cpu = cpu_seconds(side.pids())
        self.sink_us = None
        self.accepted = set()  # numbers of all that were answered with 250
        argv = [BIN / "bench-load", "--port", side.port, "--count", count, "--bytes", size,
                "--connections", connections, "--rate", rate, "--domain", domain, "--prefix",
                self.prefix, "--from", f"bench@{DOMAIN}", "--out", self.out]
        for name in [app] if isinstance(app, str) else app:
            argv += ["--user", side.user(name), "--secret", side.secret(name)]
        argv += ["--idle"] * idle + getattr(side, "options", [])
        argv += ["--aside", aside, "--aside-every", self.every] if aside else []
        self.child = subprocess.Popen([str(a) for a in argv], text=True, stdout=subprocess.PIPE)
        first = self.child.stdout.readline()
        if not first:
            raise RuntimeError(f"bench-load could not log in at {side.name}")
        self.logged_in = json.loads(first)["logged_in"]

    def is_main(self, number):
        """Not one of those that went aside."""
        return not self.every or number % self.every != 0

    def wait(self, sink, seconds=120, settle=True):
        """Until all (but those that went aside) is answered and has arrived."""
        self.sink_us = sink.cpu_us() if self.sink_us is None else self.sink_us
        self.until(lambda: self.child.poll() is not None, seconds, "answers")
        told = json.loads(self.child.stdout.readline())
        sink.loads[self.prefix] = self
        sent = self.sent()
        wanted = self.wanted()
        self.until(lambda: len(sink.of(self.prefix)) >= len(wanted) and
                   wanted <= sink.of(self.prefix).keys(), seconds, "arrivals")
        sink_us = sink.cpu_us() - self.sink_us
        taken = sink.of(self.prefix)
        result = Result(sent, taken)
        result.load_us, result.sink_us = (us / max(told["answered"], 1)
                                          for us in (told["cpu_us"], sink_us))
        result.peak_bytes = self.peak_bytes
        if settle:
            result.cpu_us = ((quiet_cpu_seconds(self.side.pids()) - self.cpu) * 1e6
                             / max(told["answered"], 1))
        return result

    def until(self, check, seconds, what):
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.side.name}: no {what} of all {self.count} messages "
                                   f"within {seconds} s")
            time.sleep(0.04)
            if self.watches_memory and time.monotonic() > self.looked_at + 0.2:
                self.looked_at = time.monotonic()
                self.peak_bytes = max(self.peak_bytes, memory_bytes(self.side.pids()))

    def wanted(self):
        """Numbers of those that must arrive."""
        return {number for number in self.accepted if self.is_main(number)}

    def stop(self):
        """No new messages; those under way are still answered."""
        self.child.terminate()

    def sent(self):
        sent, refused = [], 0
        for line in self.out.read_text().splitlines():
            token, due, dot, answer, code = line.split()
            number = int(token.rpartition("-")[2])
            refused += code != "250"
            self.accepted.add(number)
            if self.is_main(number):
                sent.append((number, int(due), int(dot), int(answer)))
        self.out.unlink()
        if refused or self.child.returncode:
            raise RuntimeError(f"{self.side.name}: {refused} messages were refused, bench-load "
                               f"ended with {self.child.returncode}")
        return sent

    def check(self, taken):
        """Of what the destination has of this load in the end. Raises what is wrong with it."""
        wanted = self.wanted()
        unsigned = sum(signatures != 1 for _, _, signatures in taken.values())
        for count, what in ((len(wanted - taken.keys()), "are missing"),
                            (len(taken.keys() - self.accepted), "came that nobody submitted"),
                            (self.side.dns_port and unsigned, "came without one signature")):
            if count:
                raise RuntimeError(f"{self.side.name}: {count} messages of {self.prefix} {what}")
        Load.totals["submitted"] += len(wanted)
        Load.totals["arrived"] += len(wanted & taken.keys())
