# SPDX-License-Identifier: MIT
"""The figures: noted as they come, printed as one table, written as JSON."""
import json
import statistics
import sys

FORMATS = {"ms": "{:.2f}", "x": "{:.2f}", "kB": "{:.1f}", "MiB": "{:.0f}", "s": "{:.1f}"}


def show(value, unit):
    return FORMATS.get(unit, "{:.0f}").format(value)


def quantile(ordered, part):
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else float("nan")


class Aim:
    """What the project wants of a figure."""

    def __init__(self, sign, bound):
        self.sign, self.bound = sign, bound

    def is_met(self, value):
        return value >= self.bound if self.sign == ">=" else value <= self.bound


def at_least(bound):
    return Aim(">=", bound)


def at_most(bound):
    return Aim("<=", bound)


class Table:
    def __init__(self):
        self.rows = []

    def add(self, scenario, case, side, figure, values, unit, aim=None, pooled=None):
        """`values`: of each round. `pooled`: what stands for them all, unless it is their median,
        and the number of messages that it is of."""
        values = [float(v) for v in (values if isinstance(values, list) else [values])]
        row = dict(scenario=scenario, case=case, side=side, figure=figure, unit=unit,
                   median=statistics.median(values), min=min(values), max=max(values),
                   runs=len(values))
        if pooled:
            row.update(median=pooled[0], messages=pooled[1])
        if aim:
            row.update(aim=f"{aim.sign} {aim.bound:g}", met=aim.is_met(row["median"]))
        self.rows.append(row)
        print("  ".join(cells(row)), file=sys.stderr, flush=True)
        return row["median"]

    def quantile(self, scenario, case, side, figure, part, runs, unit="ms", aim=None):
        """Of all rounds' messages together: those of one round may be too few for a p99."""
        every = sorted(ms for run in runs for ms in run)
        return self.add(scenario, case, side, f"{figure} p{part * 100:.0f}",
                        [quantile(sorted(run), part) for run in runs], unit, aim,
                        (quantile(every, part), len(every)))

    def ratio(self, scenario, case, figure, ours, theirs, aim=None, side="ratio"):
        """Of each round, so that a slow moment of the machine strikes both."""
        return self.add(scenario, case, side, figure,
                        [a / b for a, b in zip(ours, theirs) if b], "x", aim)


HEAD = ("case", "side", "figure", "value", "min to max", "unit", "rounds", "messages", "aim",
        "met")


def cells(row):
    unit = row["unit"]
    spread = f"{show(row['min'], unit)} to {show(row['max'], unit)}" if row["runs"] > 1 else ""
    met = "" if "met" not in row else "yes" if row["met"] else "NO"
    return (row["case"], row["side"], row["figure"], show(row["median"], unit), spread, unit,
            str(row["runs"]), str(row.get("messages", "")), row.get("aim", ""), met)


def origin(run):
    """Of a scenario's figures."""
    return (f"commit {run['commit']}, {run['when']}, {run['rounds']} rounds, {run['bus']}"
            + ", quick" * run["quick"])


def write_table(scenarios, out):
    lines = [HEAD] + [cells(row) for run in scenarios.values() for row in run["rows"]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]

    def write(line):
        text = "  ".join(cell.rjust(width) if i in (3, 4, 6, 7) else cell.ljust(width)
                         for i, (cell, width) in enumerate(zip(line, widths)))
        print("  " + text.rstrip(), file=out)
    write(HEAD)
    for name, run in scenarios.items():
        print(f"\n{name}: {origin(run)}", file=out)
        for row in run["rows"]:
            write(cells(row))
    aims = [row for run in scenarios.values() for row in run["rows"] if "met" in row]
    print(f"\n{sum(row['met'] for row in aims)} of {len(aims)} aims are met.", file=out)


def write_markdown(scenarios, out):
    for name, run in scenarios.items():
        print(f"\n## {name}\n\nOf {origin(run)}.\n\n| {' | '.join(HEAD)} |\n"
              f"|{'---|' * len(HEAD)}", file=out)
        for row in run["rows"]:
            print(f"| {' | '.join(cells(row))} |", file=out)


def mixture(scenarios):
    """Why these figures don't belong together, or None."""
    commits = sorted({run["commit"] for run in scenarios.values()})
    if len(commits) > 1:
        return f"the scenarios ran on commits {', '.join(commits)}"
    if any("dirty" in commit or commit == "unknown" for commit in commits):
        return f"they ran on {commits[0]}, which nobody else can check out"
    for what in ("machine", "rounds", "bus"):
        if len({run[what] for run in scenarios.values()}) > 1:
            return f"the scenarios differ in {what}"
    quick = [name for name, run in scenarios.items() if run["quick"]]
    return f"{', '.join(quick)} ran in their quick form" if quick else None


def load(path):
    """What earlier runs wrote; {} where there is nothing of use."""
    try:
        return json.loads(path.read_text())["scenarios"]
    except (OSError, ValueError, KeyError):
        return {}
