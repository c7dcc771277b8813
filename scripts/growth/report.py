"""What was measured, as a table and as a curve: time of the processor per call, as a multiple of the smallest database's."""

from math import log10

COLOURS = ["#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#475569"]


def markdown(results, arguments):
    lines = [
        "# How cost grows",
        "",
        "`scripts/bench-growth`: the same calls on databases of several sizes, in turns. As many live access tokens as users, a hundredth "
        f"as many apps, of which at most {arguments.callers:,} call, about as many tokens, links and users; limits off, the rest by default; {arguments.connections} connections, {arguments.seconds} s each, the median of "
        f"{arguments.rounds} rounds. CPU is the service's own; the last column is CPU per call as a multiple of the smallest database's.",
        "",
        "![curve](growth.svg)",
        "",
    ]
    for database, sizes in results.items():
        lines += [f"## {database}", "", *calls({users: found["works"] for users, found in sizes.items()})]
        lines += ["", "| users | start to ready, ms | own memory after the load, MB | purge | token p99 before, ms | beside the purge, ms |", "|---:|---:|---:|---:|---:|---:|"]
        for users, found in sizes.items():
            purge = found["purge"]
            lines.append(
                f"| {users:,} | {found['ready_ms']:.0f} | {found['memory_mb']:.1f} | {purge['rows']:,} rows in {purge['seconds']:.1f} s "
                f"| {purge['before']['p99_ms']:.2f} | {waited(purge['beside'])} |"
            )
        lines.append("")
    return "\n".join(lines)


def calls(sizes):
    """The table of one database: numbers by size and name of the call."""
    lines = ["| call | users | per second | p50 ms | p99 ms | CPU us | growth |", "|---|---:|---:|---:|---:|---:|---:|"]
    smallest = next(iter(sizes.values()))
    for name in smallest:
        for users, works in sizes.items():
            work = works[name]
            growth = work["cpu_us"] / smallest[name]["cpu_us"]
            lines.append(
                f"| {name} | {users:,} | {work['rate']:,.0f} | {work['p50_ms']:.2f} | {work['p99_ms']:.2f} "
                f"| {work['cpu_us']:.0f} | {growth:.2f} |"
            )
    return lines


def waited(found):
    """wrk leaves those out of its percentiles that waited for more than two seconds."""
    return f"{found['p99_ms']:.2f}" + (f", and {found['timeouts']} waited for more than 2000" if found["timeouts"] else "")


def svg(results):
    """One panel for each database; sizes on a logarithmic axis."""
    width, height, left, top = 420, 280, 50, 40
    panels = []
    for number, (database, sizes) in enumerate(results.items()):
        users = list(sizes)
        smallest = sizes[users[0]]["works"]
        span = max(1e-9, log10(users[-1]) - log10(users[0]))
        ratios = {name: [sizes[u]["works"][name]["cpu_us"] / smallest[name]["cpu_us"] for u in users] for name in smallest}
        most = max(1.5, *(ratio for each in ratios.values() for ratio in each))
        across = lambda u: left + (log10(u) - log10(users[0])) / span * (width - left - 110)  # noqa: E731
        down = lambda ratio: top + (height - top - 40) * (1 - ratio / most)  # noqa: E731
        drawn = [f'<text x="{left}" y="24" font-weight="bold">{database}: CPU per call</text>']
        for mark, style in ((0, "#94a3b8"), (1, "#94a3b8"), (1.3, "#f87171")):
            drawn.append(
                f'<line x1="{left}" x2="{width - 110}" y1="{down(mark):.1f}" y2="{down(mark):.1f}" stroke="{style}" stroke-dasharray="4 3"/>'
                f'<text x="{left - 6}" y="{down(mark) + 4:.1f}" text-anchor="end">{mark}</text>'
            )
        for u in users:
            drawn.append(f'<text x="{across(u):.1f}" y="{height - 18}" text-anchor="middle">{u:,}</text>')
        for (name, each), colour in zip(ratios.items(), COLOURS):
            points = " ".join(f"{across(u):.1f},{down(ratio):.1f}" for u, ratio in zip(users, each))
            row = top + 16 * list(ratios).index(name)
            drawn.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
                f'<text x="{width - 100}" y="{row}" fill="{colour}">{name} {each[-1]:.2f}</text>'
            )
        panels.append(f'<g transform="translate({number * width} 0)">' + "".join(drawn) + "</g>")
    total = width * len(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" width="{total}" height="{height}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(panels)}</svg>\n'
    )
