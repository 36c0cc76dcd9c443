#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make bench: Postern beside the stack that a user would run instead.

    tests/bench/bench.py                        all scenarios
    tests/bench/bench.py throughput latency     only these; the figures of the others stay
    tests/bench/bench.py --rounds 1 --quick     a first look
    tests/bench/bench.py --plots docs/bench     no run: plots and tables of the last figures

Both sides run in turn in the same run (A B B A), on the same machine as the load generator and
the destination, with the same certificate type, key size, signatures, STARTTLS and AUTH. Every
message is counted at the destination. Prints one table, writes one JSON file.
"""
import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import keeper  # noqa: E402
import table  # noqa: E402
from load import Load, Result, quantile  # noqa: E402,F401 (for scripts of one's own)
from plots import write_plots  # noqa: E402
from scenarios import SCENARIOS, Bench, Pair  # noqa: E402,F401
from sides import ROOT  # noqa: E402


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores of {model[1] if model else 'an unknown processor'}"


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], text=True,
                          capture_output=True)
    return done.stdout.strip() or "unknown"


def run(args):
    """Each scenario's figures go into the file when it is done."""
    path = Path(args.json)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = table.load(path)
    # 10,000 sessions need as many files, in the generator and in the gateway.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for name in args.scenarios or SCENARIOS:
        print(f"\n{name}", file=sys.stderr, flush=True)
        version = commit()
        bench = Bench(args.rounds, args.shrink, args.bus)
        started = time.monotonic()
        bench.run(name)
        written[name] = dict(commit=version, machine=machine(), rounds=args.rounds,
                             quick=args.shrink > 1, bus=args.bus,
                             when=time.strftime("%Y-%m-%d %H:%M"),
                             seconds=round(time.monotonic() - started), rows=bench.table.rows)
        path.write_text(json.dumps(dict(scenarios=written), indent=1))
    chosen = {name: written[name] for name in SCENARIOS
              if name in (args.scenarios or SCENARIOS)}
    print(f"\nOn {machine()}, shared with load generator and destination; "
          f"{Load.totals['submitted']} messages submitted, "
          f"{Load.totals['arrived']} arrived, {Load.totals['verified']} verified.\n")
    table.write_table(chosen, sys.stdout)
    seconds = sum(run["seconds"] for run in chosen.values())
    print(f"Written to {path}, after {seconds // 60} min {seconds % 60} s.")


def draw(args):
    scenarios = table.load(Path(args.json))
    why = table.mixture(scenarios) if scenarios else f"{args.json} has none"
    if why and not (args.force and scenarios):
        sys.exit(f"bench: no plots of these figures: {why}. Run make bench on one commit without "
                 "changes, or add --force to see them.")
    write_plots(scenarios, Path(args.plots))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO",
                        help="of " + ", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bus", default="local")
    parser.add_argument("--shrink", type=int, default=1, metavar="N",
                        help="an N-th of the messages")
    parser.add_argument("--quick", dest="shrink", action="store_const", const=10,
                        help="--shrink 10")
    parser.add_argument("--json", default=ROOT / "build/bench.json")
    parser.add_argument("--plots", metavar="FOLDER", help="write SVG and tables, unless the "
                        "figures are of several commits or of one with changes")
    parser.add_argument("--force", action="store_true", help="plots of such figures, too")
    args = parser.parse_args()
    unknown = set(args.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}: there are {', '.join(SCENARIOS)}")
    with_peer = {"throughput", "sustained", "latency"} & set(args.scenarios or SCENARIOS)
    if with_peer and not args.plots and os.geteuid() != 0:
        parser.error(f"Postfix starts as root only, and {' and '.join(sorted(with_peer))} need it: "
                     "run this as root, or name other scenarios")
    if not args.plots or args.scenarios:
        keeper.guard()
        keeper.ungroup()
        run(args)
    if args.plots:
        draw(args)


if __name__ == "__main__":
    main()
