# SPDX-License-Identifier: MIT
"""SVG plots of the figures, for the README, and a page with all tables.

Bars are medians of the rounds (a p50 or p99: of all rounds' messages together), whiskers reach from
the least to the greatest round. A plot brings its own background, in light or dark as the reader's
system wants it; its text is text.
"""
from html import escape

from table import write_markdown

WIDTH, LABELS, VALUES = 860, 190, 170
BAR, GAP, TOP = 15, 16, 66

STYLE = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 } .note { fill: #59636e; font-size: 12px }
.paper { fill: #ffffff } .grid { stroke: #d1d9e0 } .whisker { stroke: #1f2328; stroke-width: 1.5 }
.a { fill: #1a7f7a } .b { fill: #c9862b }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 } .paper { fill: #151b23 }
  .grid { stroke: #3d444d } .whisker { stroke: #e6edf3 } .a { fill: #2fa8a1 } .b { fill: #d99a45 }
}
"""


class Bar:
    def __init__(self, series, row, scale=1.0):
        self.series = series
        self.median, self.least, self.most = (row[key] * scale
                                              for key in ("median", "min", "max"))


class Group:
    """Bars that belong together, with a word beside them."""

    def __init__(self, label, bars, beside=""):
        self.label, self.bars, self.beside = label, [bar for bar in bars if bar], beside


def step_of(most):
    """A round number of which four to eight make the axis."""
    step = 10 ** len(str(int(most))) / 100 if most >= 1 else 0.1
    for factor in (1, 2, 2.5, 5, 10, 20, 25, 50, 100):
        if most / (step * factor) <= 7:
            return step * factor
    return most


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


class Plot:
    def __init__(self, title, sentence, unit, series, groups):
        self.title, self.sentence, self.unit = title, sentence, unit
        self.series, self.groups = series, [group for group in groups if group.bars]

    def draw(self):
        most = max(bar.most for group in self.groups for bar in group.bars)
        self.scale = (WIDTH - LABELS - VALUES) / (most * 1.02)
        body, y = [], TOP
        for group in self.groups:
            height = len(group.bars) * BAR
            body.append(self.text(LABELS - 10, y + height / 2 + 4, group.label, "end"))
            for index, bar in enumerate(group.bars):
                body += self.bar(y + index * BAR, bar)
            body.append(self.text(WIDTH - 16, y + height / 2 + 4, group.beside, "end"))
            y += height + GAP
        return self.frame(y, self.grid(y, most) + body)

    def bar(self, y, bar):
        middle, left = y + BAR / 2 - 1, LABELS
        kind = "ab"[self.series.index(bar.series) % 2]
        ends = [left + value * self.scale for value in (bar.median, bar.least, bar.most)]
        lines = [f'<rect class="{kind}" x="{left}" y="{y}" width="{ends[0] - left:.1f}" '
                 f'height="{BAR - 2}"/>']
        if bar.most > bar.least:
            lines.append(f'<path class="whisker" fill="none" d="M{ends[1]:.1f} {middle}H'
                         f'{ends[2]:.1f}M{ends[1]:.1f} {middle - 3}v6M{ends[2]:.1f} '
                         f'{middle - 3}v6"/>')
        lines.append(self.text(max(ends) + 6, y + BAR - 3, number(bar.median), kind="note"))
        return lines

    def grid(self, bottom, most):
        step, value, lines = step_of(most), 0, []
        while value <= most * 1.001:
            x = LABELS + value * self.scale
            lines.append(f'<path class="grid" d="M{x:.1f} {TOP - 6}V{bottom - GAP + 6}"/>')
            lines.append(self.text(x, bottom + 6, f"{value:g}", "middle", "note"))
            value += step
        lines.append(self.text(WIDTH - 16, bottom + 6, self.unit, "end", "note"))
        return lines

    @staticmethod
    def text(x, y, text, anchor="start", kind=""):
        kind = f' class="{kind}"' if kind else ""
        return (f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
                f'{escape(text)}</text>')

    def frame(self, bottom, body):
        lines = [self.text(16, 26, self.title, kind="title")]
        x = LABELS
        for index, name in enumerate(self.series):
            lines.append(f'<rect class="{"ab"[index % 2]}" x="{x}" y="38" width="12" '
                         'height="12"/>')
            lines.append(self.text(x + 18, 49, name))
            x += 40 + 8 * len(name)
        sentence, y = [], bottom + 34
        for line in wrap(self.sentence, 118):
            sentence.append(self.text(16, y, line, kind="note"))
            y += 17
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
                f'width="{WIDTH}" height="{y}" role="img" aria-labelledby="t d">\n'
                f'<title id="t">{escape(self.title)}</title>\n'
                f'<desc id="d">{escape(self.sentence)} {escape(self.spoken())}</desc>\n'
                f'<style>\n{STYLE}</style>\n'
                f'<rect class="paper" width="{WIDTH}" height="{y}" rx="8"/>\n')
        return head + "\n".join(lines + body + sentence) + "\n</svg>\n"

    def spoken(self):
        """All bars in words."""
        return " ".join(f"{group.label}: " + ", ".join(
            f"{bar.series} {number(bar.median)}" for bar in group.bars) + f" {self.unit}."
            for group in self.groups)


def wrap(text, width):
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


class Figures:
    def __init__(self, scenarios):
        self.rows = {(row["scenario"], row["case"], row["side"], row["figure"]): row
                     for scenario in scenarios.values() for row in scenario["rows"]}

    def bar(self, series, scenario, case, side, figure, scale=1.0):
        row = self.rows.get((scenario, case, side, figure))
        return Bar(series, row, scale) if row else None

    def cases(self, scenario):
        return list(dict.fromkeys(key[1] for key in self.rows if key[0] == scenario))

    def ratio(self, scenario, case, figure):
        row = self.rows.get((scenario, case, "ratio", figure))
        return f"{row['median']:.2f} ×" if row else ""


def beside_peer(figures, scenario, figure, scale=1.0):
    return [Group(case, [figures.bar("Postern", scenario, case, "postern", figure, scale),
                         figures.bar("Postfix", scenario, case, "postfix", figure, scale)],
                  figures.ratio(scenario, case, figure))
            for case in figures.cases(scenario)]


def latency_groups(figures):
    return [Group(case.replace("half the peer's rate", "half rate") + ", " + part,
                  [figures.bar(name, "latency", case, side, f"arrival {part}")
                   for name, side in (("Postern", "postern"), ("Postfix", "postfix"))])
            for case in figures.cases("latency") for part in ("p50", "p99")]


def growth_groups(figures):
    return [Group(case, [figures.bar("CPU a message", "growth", case, "postern",
                                     "CPU a message", .001)])
            for case in figures.cases("growth") if "apps" in case or "patterns" in case]


SIDES = ("Postern", "Postfix")


def plots_of(scenarios):
    figures = Figures(scenarios)
    return {
        "throughput": Plot(
            "Messages a second until the last arrival",
            "Durable acceptance over STARTTLS and AUTH, malware scan, DKIM (RSA-2048) and delivery "
            "to 20 domains over 20 connections, beside Postfix with OpenDKIM and clamav-milter on "
            "the same two cores, which generator and destination share. The number on the right "
            "is Postern's to Postfix's.",
            "msg/s", SIDES, beside_peer(figures, "throughput", "rate")),
        "cpu": Plot(
            "CPU time a message",
            "User and system time of all processes of a side, with their milters and scanners, "
            "until nothing more is done for the message. The number on the right is Postern's to "
            "Postfix's.",
            "ms", SIDES, beside_peer(figures, "throughput", "CPU a message", .001)),
        "latency": Plot(
            "End of data to arrival at the destination, 2 kB",
            "One-time-code mail at fixed rates (open loop): alone on an idle system at 25 a "
            "second, and at half of Postfix's best rate.",
            "ms", SIDES, latency_groups(figures)),
        "growth": Plot(
            "What a message costs as the installation grows",
            "CPU time of a 5 kB message with 10 to 10,000 apps configured, and with 3 to 300 "
            "patterns of data loss to look for; flat is the aim.",
            "ms", ("CPU a message",), growth_groups(figures)),
    }


def write_page(scenarios, plots, out):
    print("# The benchmark's figures\n\nWritten by `tests/bench/bench.py --plots docs/bench` from "
          "the last run of `make bench`. Medians of the rounds, then the least and the greatest "
          "round. Where a number of messages is given, the value is of all of them together.", file=out)
    for name, plot in plots.items():
        if plot.groups:
            print(f"\n![{plot.title}]({name}.svg)\n\n{plot.sentence}", file=out)
    machines = ", ".join(sorted({run["machine"] for run in scenarios.values()}))
    print(f"\nOn {machines}.", file=out)
    write_markdown(scenarios, out)


def write_plots(scenarios, folder):
    folder.mkdir(parents=True, exist_ok=True)
    plots = plots_of(scenarios)
    for name, plot in plots.items():
        if plot.groups:
            (folder / f"{name}.svg").write_text(plot.draw())
            print(f"{folder / name}.svg")
    with open(folder / "README.md", "w") as out:
        write_page(scenarios, plots, out)
    print(folder / "README.md")
