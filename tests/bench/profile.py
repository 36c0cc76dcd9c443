#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Where Postern's time goes: CPU a message of each service, by library, from `perf record` while the
throughput load runs. Prints the tables of docs/benchmark.md. Needs perf (Debian: linux-perf), as root.

    tests/bench/profile.py [--sizes 5000 20000 200000] [--seconds 6]
"""
import argparse
import collections
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import keeper  # noqa: E402
from load import Load  # noqa: E402
from scenarios import Pair, kilobytes  # noqa: E402
from sides import TICK, family, ticks_of  # noqa: E402

# A part of a library's file name, and its column.
COLUMNS = (("libclamav", "libclamav"), ("libcrypto", "OpenSSL"), ("libssl", "OpenSSL"),
           ("[kernel", "kernel"), ("[vdso", "kernel"), ("sqlite", "SQLite"), ("libc.so", "libc"),
           ("gmime", "GMime, GLib"), ("glib", "GMime, GLib"), ("gobject", "GMime, GLib"),
           ("protobuf", "protobuf-c"), ("libevent", "libevent"))
OWN = "Postern"
NAMES = list(dict.fromkeys(name for _, name in COLUMNS)) + [OWN, "other"]


def column_of(library, programs):
    if library in programs:
        return OWN
    return next((name for part, name in COLUMNS if part in library), "other")


class Record:
    """All processors, so that what the kernel does for a service in its own threads shows apart."""

    def __init__(self, folder):
        self.file = Path(folder) / "perf.data"
        self.child = subprocess.Popen(["perf", "record", "-F", "999", "-a", "-o", self.file],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def shares(self):
        """{(process, library): samples}"""
        self.child.send_signal(2)
        self.child.wait()
        out = subprocess.run(["perf", "script", "-i", self.file, "-F", "pid,ip,dso"], text=True,
                             capture_output=True, check=True).stdout
        found = collections.Counter()
        for line in out.splitlines():
            row = re.match(r"\s*(\d+)\s+[0-9a-f]+\s+\((.*)\)$", line)
            if row:
                found[int(row[1]), Path(row[2]).name] += 1
        return found


def profile(scans, size, seconds):
    """({program: us a message}, {(program, column): us a message})"""
    with Pair(scans, peer=False) as pair, tempfile.TemporaryDirectory() as folder:
        ours = pair.ours
        rate = Load(ours, count=500, size=size).wait(pair.sink).rate
        programs = {pid: Path(f"/proc/{pid}/exe").resolve().name
                    for service in ours.services for pid in sorted(family([service.pid]))}
        before = {pid: own_seconds(pid) for pid in programs}
        record = Record(folder)
        count = int(rate * seconds)
        Load(ours, count=count, size=size).wait(pair.sink)
        spent = {pid: (own_seconds(pid) - before[pid]) * 1e6 / count for pid in programs}
        samples = record.shares()
        return split(programs, spent, samples)


def own_seconds(pid):
    """Without its children."""
    return sum(ticks_of(pid)[:2]) / TICK


def split(programs, spent, samples):
    totals, cells = collections.Counter(), collections.Counter()
    of_pid = collections.Counter()
    for (pid, _), count in samples.items():
        of_pid[pid] += count
    for pid, us in spent.items():
        totals[programs[pid]] += us
    for (pid, library), count in samples.items():
        if pid in programs:
            cells[programs[pid], column_of(library, programs.values())] += (
                spent[pid] * count / of_pid[pid])
    return totals, cells


def table(title, totals, cells):
    used = [name for name in NAMES if sum(cells[program, name] for program in totals) >= 0.5]
    print(f"\n**{title}**: {sum(totals.values()):,.0f} us a message\n")
    print("| us | all | " + " | ".join(used) + " |\n|---|---|" + "---|" * len(used))
    for program, us in totals.items():
        if us >= 0.5:
            row = (f"{cells[program, name]:,.0f}" if cells[program, name] >= 0.5 else ""
                   for name in used)
            print(f"| {program} | {us:,.0f} | " + " | ".join(row) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[5000, 20000, 200000])
    parser.add_argument("--seconds", type=float, default=6)
    args = parser.parse_args()
    for size in args.sizes:
        for scans in (True, False):
            title = f"{kilobytes(size)}, scan {'on' if scans else 'off'}"
            table(title, *profile(scans, size, args.seconds))


if __name__ == "__main__":
    keeper.guard()
    keeper.ungroup()
    main()
