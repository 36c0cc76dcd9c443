# SPDX-License-Identifier: MIT
"""The two sides of the benchmark behind one interface, the load, and the destination."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from peer import Peer  # noqa: E402
from stack import ROOT, Stack, free_port, is_listening, wait_for  # noqa: E402

BIN = ROOT / "build/release/bin"
DOMAIN = "shop.example"
TICK = os.sysconf("SC_CLK_TCK")


def family(roots):
    """The processes and all that descend from them."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_seconds(roots):
    """User and system time of the processes, with their ended children."""
    total = 0
    for pid in family(roots):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICK


def memory_bytes(roots):
    """Proportional set size: shared pages are counted once."""
    total = 0
    for pid in family(roots):
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


class Sink:
    """The destination, and what it has taken: token to (time, size, signatures)."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ports = {name: free_port() for name in ("port", "tarpit", "defer", "silent")}
        self.file = self.folder / "sink.txt"
        self.samples = self.folder / "samples"
        self.samples.mkdir(exist_ok=True)
        self.child = None
        self.offset, self.taken = 0, {}
        self.duplicates = 0
        self.start()

    def start(self):
        argv = [BIN / "bench-sink", "--out", self.file, "--samples", self.samples]
        for name, port in self.ports.items():
            argv += [f"--{name}", str(port)]
        self.child = subprocess.Popen(argv)
        wait_for(lambda: is_listening(self.ports["port"]), 10, "bench-sink")

    def stop(self):
        self.child.terminate()
        self.child.wait()

    def read(self):
        if not self.file.exists():
            return self.taken
        with open(self.file) as file:
            file.seek(self.offset)
            while (line := file.readline()).endswith("\n"):
                self.offset = file.tell()
                token, when, size, signatures = line.split()
                self.duplicates += token in self.taken
                self.taken[token] = (int(when), int(size), int(signatures))
        return self.taken

    def count(self, prefix):
        prefix += "-"
        return sum(token.startswith(prefix) for token in self.read())


OBJECTS = """\
kind: app
name: {name}
lane: {lane}
senders:
  - envelope: "*@%s"
    header: "*@%s"
---
""" % (DOMAIN, DOMAIN)


class Ours:
    """Postern with one RSA-2048 signature, as the peer makes."""

    name = "postern"

    def __init__(self, folder, sink, scans=True, bus="local", apps=("shop",), lanes=(),
                 routes=(), credentials=None):
        self.stack = Stack(folder, BIN, bus)
        self.sink = sink
        self.scans = scans
        self.port = free_port()
        self.secrets = {}
        self.services = []
        self.keys = self.stack.folder / "dkim"
        self.prepare(apps, dict(lanes), routes, credentials or apps)
        self.start()

    def prepare(self, apps, lanes, routes, credentials):
        ctl = self.stack.posternctl
        ctl("tls", "sample", "--folder", self.stack.folder / "tls")
        zone = ctl("dkim-key", "create", DOMAIN, "rsa1", "--folder", self.keys, "--zone-line")
        self.stack.start_dns({DOMAIN: zone.splitlines()})
        text = "".join(OBJECTS.format(name=app, lane=lanes.get(app, "urgent")) for app in apps)
        text += f"kind: domain\nname: {DOMAIN}\nkeys:\n  - selector: rsa1\n    file: rsa1.pem\n"
        for domain, port in [("*", self.sink.ports["port"]), *routes]:
            text += f"---\nkind: route\ndomain: \"{domain}\"\nhost: 127.0.0.1\nport: {port}\n"
            text += "tls: none\n"
        ctl("apply", "-f", "-", stdin=text)
        for app in credentials:
            out = ctl("credential", "create", app)
            self.secrets[app] = next(line.split()[-1] for line in out.splitlines()
                                     if line.strip().lower().startswith("secret"))

    def start(self):
        tls = self.stack.folder / "tls"
        service = self.stack.service
        self.services = [
            service("smtp-gateway", GATEWAY_SUBMISSION=f"127.0.0.1:{self.port}",
                    GATEWAY_SUBMISSIONS="", GATEWAY_CERTIFICATE=tls / "certificate.pem",
                    GATEWAY_KEY=tls / "key.pem", GATEWAY_HOSTNAME="localhost",
                    LOG_LEVEL="warning"),
            service("scanner", SCANNER_SIGNATURES=ROOT / "tests/fixtures/signatures",
                    SCANNER_CHECKS="malware" if self.scans else "spam", LOG_LEVEL="warning"),
            service("signer", SIGNER_KEYS=self.keys, LOG_LEVEL="warning"),
            service("sender", SENDER_RECORD=self.stack.record(), LOG_LEVEL="warning"),
        ]
        self.stack.wait_ready(*self.services)

    def user(self, app="shop"):
        return app

    def secret(self, app="shop"):
        return self.secrets[app]

    def pids(self):
        return [process.pid for process in self.services]

    def stop(self):
        self.stack.stop()


class Theirs:
    """The peer."""

    name = "postfix"

    def __init__(self, folder, sink, ours, scans=True):
        tls = ours.stack.folder / "tls"
        self.peer = Peer(folder, sink.ports["port"], tls / "certificate.pem", tls / "key.pem",
                         ours.keys / "rsa1.pem", ROOT / "tests/fixtures/signatures", DOMAIN,
                         scans)
        self.port = self.peer.port

    def user(self, app="shop"):
        return self.peer.user

    def secret(self, app="shop"):
        return self.peer.secret

    def pids(self):
        return self.peer.pids()

    def stop(self):
        self.peer.stop()


class Result:
    """One load's outcome, in ms and messages a second."""

    def __init__(self, sent, taken, cpu):
        arrivals = [(due, dot, answer, taken[token][0]) for token, due, dot, answer in sent
                    if token in taken]
        self.count, self.arrived = len(sent), len(arrivals)
        self.unsigned = sum(taken[token][2] == 0 for token, *_ in sent if token in taken)
        first = min(dot for _, _, dot, _ in sent)
        last = max((a for *_, a in arrivals), default=first)
        self.rate = self.arrived / max((last - first) / 1e6, 1e-6)
        self.cpu_us = cpu * 1e6 / max(self.count, 1)
        self.answer_ms = sorted((answer - dot) / 1000 for _, dot, answer, _ in arrivals)
        self.arrival_ms = sorted((arrival - dot) / 1000 for _, dot, _, arrival in arrivals)
        self.late_ms = sorted((arrival - due) / 1000 for due, _, _, arrival in arrivals)

    def __str__(self):
        return (f"{self.arrived}/{self.count} {self.rate:.0f}/s {self.cpu_us:.0f} us "
                f"answer {quantile(self.answer_ms, .5):.1f}/{quantile(self.answer_ms, .99):.1f} "
                f"arrival {quantile(self.arrival_ms, .5):.1f}/"
                f"{quantile(self.arrival_ms, .99):.1f} ms")


def quantile(ordered, part):
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else float("nan")


def middle(values):
    return statistics.median(values)


class Load:
    """A run of bench-load against a side."""

    serial = 0

    def __init__(self, side, app="shop", count=1000, size=5000, connections=20, rate=0,
                 domain="customer.example", idle=False):
        Load.serial += 1
        self.side, self.count, self.prefix = side, count, f"l{Load.serial}"
        self.out = Path(tempfile.gettempdir()) / f"bench-{os.getpid()}-{self.prefix}.txt"
        self.cpu = cpu_seconds(side.pids())
        argv = [BIN / "bench-load", "--port", side.port, "--user", side.user(app), "--secret",
                side.secret(app), "--count", count, "--bytes", size, "--connections",
                connections, "--rate", rate, "--domain", domain, "--prefix", self.prefix,
                "--from", f"bench@{DOMAIN}", "--out", self.out] + ["--idle"] * idle
        self.child = subprocess.Popen([str(a) for a in argv], text=True, stdout=subprocess.PIPE)
        first = self.child.stdout.readline()
        if not first:
            raise RuntimeError(f"bench-load could not log in at {side.name}")
        self.logged_in = json.loads(first)["logged_in"]

    def wait(self, sink, seconds=120, arrive=True):
        """Until all is answered and has arrived."""
        self.child.wait(seconds)
        if arrive:
            wait_for(lambda: sink.count(self.prefix) >= self.count, seconds,
                     f"{self.side.name}: arrival of all {self.count} messages")
        cpu = cpu_seconds(self.side.pids()) - self.cpu
        sent = []
        for line in self.out.read_text().splitlines():
            token, due, dot, answer, code = line.split()
            if code == "250":
                sent.append((token, int(due), int(dot), int(answer)))
        self.out.unlink()
        if len(sent) < self.count:
            raise RuntimeError(f"{self.side.name}: {self.count - len(sent)} were not accepted")
        return Result(sent, sink.read(), cpu)


def scratch():
    """A folder on disk (not tmpfs: fsync must cost what it costs)."""
    return Path(tempfile.mkdtemp(prefix="postern-bench-", dir=os.environ.get("BENCH_DIR")))


def clean(folder):
    shutil.rmtree(folder, ignore_errors=True)


def pause(seconds=1.0):
    time.sleep(seconds)
