"""The report as a picture: ratios with their targets, and throughput by connections. SVG that follows the reader's light or dark."""

from math import log
from statistics import median
from xml.sax.saxutils import escape

from .report import NAMES, ratio, select
from .works import HEADLINE, QUICK, STORM_RATIO, TARGETS, WORKS, hash_share

WIDTH, LEFT, RIGHT = 860, 190, 40
BAR, GAP, GROUP = 15, 4, 14
STYLE = """
  svg { --paper: #ffffff; --ink: #1f2328; --faint: #59636e; --rule: #d8dee4; --sqlite: #0969da; --postgres: #8250df; --mark: #bc4c00;
        --bare: #59636e; --token: #0969da; --check: #1a7f37; --remind: #bf3989; --introspect: #9a6700; --mixture: #8250df; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --faint: #9198a1; --rule: #30363d; --sqlite: #4493f8; --postgres: #ab7df8; --mark: #f0883e;
          --bare: #9198a1; --token: #4493f8; --check: #3fb950; --remind: #db61a2; --introspect: #d29922; --mixture: #ab7df8; }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; fill: var(--ink); }
  .title { font-size: 16px; font-weight: 600; }
  .faint { fill: var(--faint); font-size: 12px; }
  .rule { stroke: var(--rule); stroke-width: 1; }
  .mark { stroke: var(--mark); stroke-width: 3; }
  .spread { stroke: var(--ink); stroke-width: 1.5; opacity: 0.7; }
"""


class Picture:
    """Pieces of SVG, from above to below."""

    def __init__(self):
        self.pieces, self.y = [], 0

    def text(self, x, y, words, kind="", anchor="start"):
        self.pieces.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, kind):
        self.pieces.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def box(self, x, y, width, height, colour):
        self.pieces.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height}" rx="2" fill="var(--{colour})"/>')

    def whole(self):
        said = "Throughput of Unforget as ratios to a bare server, and by connections"
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.y:.0f}" width="{WIDTH}" height="{self.y:.0f}" role="img" '
                f'aria-label="{said}">\n<style>{STYLE}</style>\n<rect width="100%" height="100%" rx="6" fill="var(--paper)"/>\n'
                + "\n".join(self.pieces) + "\n</svg>\n")


def groups(results):
    """What has bars: (name, {database: ratios}, {database: target})."""
    for work in WORKS:
        ratios = {database: [ratio(run) for run in runs] for database in NAMES
                  if (runs := select(results, work=work, database=database, connections=HEADLINE))}
        if ratios:
            to = " / limit of both" if work == "mixture" else " / bcrypt" if hash_share(work) else ""
            yield work + to, ratios, {database: TARGETS.get((work, database)) for database in ratios}
    storms = {database: [storm["per_second"] / storm["bare"] for storm in results["storms"] if storm["database"] == database]
              for database in {storm["database"] for storm in results["storms"]}}
    if storms:
        yield "token in a storm of verify", storms, dict.fromkeys(storms, STORM_RATIO)


def bars(picture, results):
    """A bar for each work and database at the connections of the targets."""
    of_bars = list(groups(results))
    if not of_bars:
        return
    most = max(1.05, *(max(values) for _, ratios, _ in of_bars for values in ratios.values()))
    wide = WIDTH - LEFT - RIGHT - 60
    at = lambda value: LEFT + wide * value / most
    picture.text(24, picture.y + 32, f"Ratio to a bare actix-web at {HEADLINE} connections", "title")
    picture.text(24, picture.y + 51, "what hashes passwords: ratio to bcrypt alone, on the same cores", "faint")
    x = 440
    for database, name in NAMES.items():
        picture.box(x, picture.y + 40, 12, 12, database)
        picture.text(x + 18, picture.y + 51, name, "faint")
        x += 40 + 7 * len(name)
    picture.line(x + 4, picture.y + 39, x + 4, picture.y + 53, "mark")
    picture.text(x + 12, picture.y + 51, "target", "faint")
    picture.line(x + 64, picture.y + 46, x + 84, picture.y + 46, "spread")
    picture.text(x + 90, picture.y + 51, "least to greatest", "faint")
    top = picture.y = picture.y + 70
    marks = []
    for name, ratios, wanted in of_bars:
        tall = len(ratios) * (BAR + GAP) - GAP
        picture.text(LEFT - 12, picture.y + tall / 2 + 5, name, anchor="end")
        for database in NAMES:
            if database not in ratios:
                continue
            values, y = ratios[database], picture.y
            picture.box(LEFT, y, at(median(values)) - LEFT, BAR, database)
            end = at(median(values))
            if len(values) > 1:
                marks.append((at(min(values)), y + BAR / 2, at(max(values)), y + BAR / 2, "spread"))
                end = max(end, at(max(values)))
            if wanted.get(database):
                marks.append((at(wanted[database]), y - 2, at(wanted[database]), y + BAR + 2, "mark"))
                end = max(end, at(wanted[database])) if at(wanted[database]) - end < 40 else end
            picture.text(end + 8, y + BAR - 3, f"{median(values):.2f}", "faint")
            picture.y += BAR + GAP
        picture.y += GROUP
    for step in range(0, int(most * 5) + 1):
        picture.pieces.insert(0, f'<line x1="{at(step / 5):.1f}" y1="{top - 6}" x2="{at(step / 5):.1f}" y2="{picture.y}" class="rule"/>')
        picture.text(at(step / 5), picture.y + 16, f"{step / 5:.1f}", "faint", "middle")
    for mark in marks:
        picture.line(*mark)
    picture.y += 30


def lines(picture, results):
    """Throughput by connections, on scales on which twice as much is always as far."""
    connections = sorted({run["connections"] for run in results["runs"]})
    works = [work for work in ("bare", *QUICK, "mixture") if select(results, work=work)]
    values = [run["per_second"] for run in results["runs"] if run["work"] in works]
    if len(connections) < 2:
        return
    low, high = 10 ** int(log(min(values), 10)), 10 ** (int(log(max(values), 10)) + 1)
    databases = [database for database in NAMES if select(results, database=database)]
    wide, tall = (WIDTH - 90) / len(databases) - 110, 260
    picture.text(24, picture.y + 32, "Requests a second by connections", "title")
    for column, database in enumerate(databases):
        left, top = 88 + column * (wide + 112), picture.y + 74
        x = lambda count: left + wide * log(count / connections[0]) / log(connections[-1] / connections[0])
        y = lambda rate: top + tall * (1 - log(rate / low) / log(high / low))
        picture.text(left, top - 14, NAMES[database])
        rate = low
        while rate <= high:
            picture.line(left, y(rate), left + wide, y(rate), "rule")
            picture.text(left - 8, y(rate) + 4, f"{rate:,}", "faint", "end")
            rate *= 10
        for count in connections:
            picture.text(x(count), top + tall + 18, str(count), "faint", "middle")
        ends = []
        for work in works:
            points = [(x(count), y(median(run["per_second"] for run in runs))) for count in connections
                      if (runs := select(results, work=work, database=None if work == "bare" else database, connections=count))]
            if points:
                dashed = ' stroke-dasharray="5 4"' if work == "bare" else ""
                picture.pieces.append(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}" fill="none" '
                                      f'stroke="var(--{work})" stroke-width="2"{dashed}/>')
                picture.pieces += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="var(--{work})"/>' for a, b in points]
                ends.append([points[-1][1], points[-1][0], work])
        ends.sort()
        for above, below in zip(ends, ends[1:]):
            below[0] = max(below[0], above[0] + 15)  # names do not stand on each other
        for height, end, work in ends:
            picture.pieces.append(f'<text x="{end + 9:.1f}" y="{height + 4:.1f}" style="fill: var(--{work}); font-size: 12px">{work}</text>')
    picture.y += 74 + tall + 40


def draw(results):
    """The whole picture."""
    picture = Picture()
    bars(picture, results)
    lines(picture, results)
    about = results["about"]
    picture.text(24, picture.y + 6, f"{about['date']} · {about['processor']}, {about['cores']} cores · commit {about['commit']}", "faint")
    picture.y += 24
    return picture.whole()
