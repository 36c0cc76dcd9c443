# SPDX-License-Identifier: MIT
"""The two sides of the benchmark behind one interface, and the destination."""
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from peer import Peer, memory_folder  # noqa: E402
from ports import free_port  # noqa: E402
from stack import ROOT, Stack, family, is_listening, wait_for  # noqa: E402

BIN = ROOT / "build/release/bin"
SIGNATURES = ROOT / "tests/fixtures/signatures"
DOMAIN = "shop.example"
TICK = os.sysconf("SC_CLK_TCK")
SAMPLE = 25  # the destination stores every n-th message


def ticks_of(pid):
    """User, system, and both of its ended children; zeros if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return [0] * 4
    return [int(field) for field in fields[11:15]]


def cpu_seconds(roots):
    """User and system time of the processes, with their ended children."""
    return sum(sum(ticks_of(pid)) for pid in family(roots)) / TICK


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
    """The destination, and what it has taken: of each load, number to (time, size,
    signatures)."""

    DOORS = ("port", "tarpit", "defer", "silent", "submission")

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ports = {name: free_port() for name in self.DOORS}
        self.ports["refused"] = free_port()  # where nobody listens
        self.file = self.folder / "sink.txt"
        # In memory: many small files cost the disk's file system more than all else here.
        self.samples = memory_folder()
        self.tls = self.folder / "tls"
        subprocess.run([BIN / "posternctl", "tls", "sample", "--folder", self.tls], check=True,
                       stdout=subprocess.DEVNULL)
        self.child = None
        self.offset, self.taken = 0, {}
        self.loads = {}  # what was submitted to whom, by the tokens' prefix
        self.duplicates = 0
        self.start()

    def start(self):
        argv = [BIN / "bench-sink", "--out", self.file, "--samples", self.samples,
                "--sample", str(SAMPLE), "--certificate", self.tls / "certificate.pem",
                "--key", self.tls / "key.pem"]
        for name in self.DOORS:
            argv += [f"--{name}", str(self.ports[name])]
        self.child = subprocess.Popen(argv)
        wait_for(lambda: is_listening(self.ports["port"]), 10, "bench-sink")

    def stop(self):
        self.child.terminate()
        self.child.wait()

    def read(self):
        if not self.file.exists():
            return
        with open(self.file, "rb") as file:
            file.seek(self.offset)
            fresh = file.read()
        whole = fresh.rfind(b"\n") + 1
        self.offset += whole
        for line in fresh[:whole].decode().splitlines():
            token, when, size, signatures = line.split()
            prefix, _, number = token.rpartition("-")
            mail = self.taken.setdefault(prefix, {})
            self.duplicates += int(number) in mail
            mail.setdefault(int(number), (int(when), int(size), int(signatures)))

    def of(self, prefix):
        self.read()
        return self.taken.get(prefix, {})

    def stored(self):
        """The samples by the name of the side that they came from. One that was cut off is none:
        it isn't as large as what was taken."""
        found = {}
        for file in sorted(self.samples.glob("*.eml"), key=lambda file: int(file.stem)):
            with open(file, "rb") as sample:
                token = re.search(rb"^Message-ID: <(\S+)-(\d+)@", sample.read(8192), re.M | re.I)
            prefix, number = (token[1].decode(), int(token[2])) if token else ("", 0)
            taken = self.taken.get(prefix, {}).get(number)
            if taken and taken[1] == file.stat().st_size and prefix in self.loads:
                found.setdefault(self.loads[prefix].side.name, []).append(file)
        return found

    def cpu_us(self):
        """Exact to the nanosecond, unlike /proc/PID/stat."""
        try:
            return int(Path(f"/proc/{self.child.pid}/schedstat").read_text().split()[0]) / 1000
        except OSError:
            return 0


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

    def __init__(self, folder, sink, scans=True, bus="local", apps=("shop",), lanes=(),
                 routes=(), credentials=None, spam=None, checks=None, name="postern",
                 gateway=None, scanner=None, environment=()):
        self.name = name
        self.sink = sink
        self.port = free_port()
        self.secrets = {}
        self.services = []
        self.checks = checks or (("malware,spam" if spam else "malware") if scans else "spam")
        self.spam = spam
        self.extra = {"gateway": gateway or {}, "scanner": scanner or {}}
        self.stack = Stack(folder, BIN, bus)
        self.stack.settings.update(environment)
        self.keys = self.stack.folder / "dkim"
        try:
            self.prepare(apps, dict(lanes), routes, credentials or apps)
            self.start()
        except BaseException:
            self.stop()
            raise

    def prepare(self, apps, lanes, routes, credentials):
        ctl = self.stack.posternctl
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
        tls = self.sink.tls
        scanner = {"SCANNER_RSPAMD": self.spam.question} if self.spam else {}
        scanner.update(self.extra["scanner"])
        service = self.stack.service
        self.services = [
            service("smtp-gateway", GATEWAY_SUBMISSION=f"127.0.0.1:{self.port}",
                    GATEWAY_SUBMISSIONS="", GATEWAY_CERTIFICATE=tls / "certificate.pem",
                    GATEWAY_KEY=tls / "key.pem", GATEWAY_HOSTNAME="localhost",
                    **self.extra["gateway"]),
            service("scanner", SCANNER_SIGNATURES=SIGNATURES, SCANNER_CHECKS=self.checks,
                    **scanner),
            service("signer", SIGNER_KEYS=self.keys),
            service("sender", SENDER_RECORD=self.stack.record()),
        ]
        self.stack.wait_ready(*self.services)

    @property
    def dns_port(self):
        """Of the name server that has the key."""
        return self.stack.dns_port

    def user(self, app="shop"):
        return app

    def secret(self, app="shop"):
        return self.secrets[app]

    def pids(self):
        """The services, and the servers that belong to the engine."""
        pids = [process.pid for process in self.stack.processes]
        if self.stack.broker:
            pids.append(int((self.stack.broker / "pid").read_text()))
        return pids + (self.spam.pids() if self.spam else [])

    def stop(self):
        self.stack.stop()


class Theirs:
    """The peer, with the key of an Ours."""

    name = "postfix"

    def __init__(self, folder, sink, beside, scans=True, spam=None):
        self.spam, self.dns_port = spam, beside.dns_port
        self.peer = Peer(folder, sink.ports["port"], sink.tls, beside.keys / "rsa1.pem",
                         SIGNATURES, DOMAIN, scans, spam)
        self.port = self.peer.port

    def user(self, app="shop"):
        return self.peer.user

    def secret(self, app="shop"):
        return self.peer.secret

    def pids(self):
        return self.peer.pids() + (self.spam.pids() if self.spam else [])

    def stop(self):
        self.peer.stop()


class Nobody:
    """In place of a side: the generator straight into the destination."""

    name = "generator"
    dns_port = None  # signs nothing

    def __init__(self, sink, is_plain):
        self.port = sink.ports["port" if is_plain else "submission"]
        self.options = ["--plain"] if is_plain else []

    def user(self, app="shop"):
        return app

    secret = user

    def pids(self):
        return []


def quiet_cpu_seconds(pids, patience_s=2):
    """After what follows a delivery (settling, notes of it, checkpoints) is done, too."""
    deadline = time.monotonic() + patience_s
    before = cpu_seconds(pids)
    while True:
        time.sleep(0.25)
        after = cpu_seconds(pids)
        if after - before < 0.02 or time.monotonic() > deadline:
            return after
        before = after
