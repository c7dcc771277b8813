"""The report, in Markdown that reads well as plain text too: it is what is printed."""

from statistics import median

from .works import (HEADLINE, IDLE_MB, LOAD_MB, MAILS, MANY, START_MS, STORM_P99_MS, STORM_RATIO, TARGETS, WHAT, WORKS, hash_share,
                    limit)

NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


PEERS = f"""The same work, {HEADLINE} connections, client credentials with a secret (HTTP Basic); versions as `benches/peers` pins them.

- **node-oidc-provider** with its defaults: one process, its own in-memory store (nothing is durable). Favourable: NODE_ENV=production, a process
  for each core, and a plain Map as store, which never expires anything.
- **django-oauth-toolkit** with its defaults, and those of Django and gunicorn: one worker, the client's secret hashed by PBKDF2, SQLite.
  Favourable: a worker with four threads for each core, no middleware, connections kept, SQLite in WAL mode with synchronous=NORMAL,
  and the secret not hashed at all (`hash_client_secret=False`, the cheapest that is supported). DEBUG is off in both.
"""


def table(head, rows):
    """A table with its columns below each other; all but the first are numbers."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    line = lambda row: "| " + " | ".join(
        cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths))) + " |"
    rule = "|" + "|".join("-" * (width + 2) if column == 0 else "-" * (width + 1) + ":" for column, width in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)]) + "\n"


def several(values, show="{:.2f}"):
    """The median, and from where to where they went when there are several."""
    said = show.format(median(values))
    return said + (f" ({show.format(min(values))} to {show.format(max(values))})" if len(values) > 1 else "")


def ratio(run):
    """To the bare server; where passwords are hashed, to bcrypt alone; of a mixture, to the most that both allow."""
    if run["work"] in ("verify", "reset"):
        return run["per_second"] / run["bcrypt"]
    return run["per_second"] / limit(run["work"], run["bare"], run.get("bcrypt"))


def time(microseconds):
    return f"{microseconds / 1000:.2f} ms" if microseconds < 100_000 else f"{microseconds / 1e6:.2f} s"


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def select(results, **wanted):
    return [run for run in results["runs"] if all(run[name] == value for name, value in wanted.items())]


def of(runs, field):
    return [run[field] for run in runs if run.get(field) is not None]


def verdict(met):
    return "met" if met else "missed"


def targets(results):
    """Each target with what was measured: (what, target, measured, met)."""
    for (work, database), least in TARGETS.items():
        if runs := select(results, work=work, database=database, connections=HEADLINE):
            ratios = [ratio(run) for run in runs]
            to = "bcrypt alone" if hash_share(work) else "bare"
            yield f"{work}, {NAMES[database]}", f"{least} of {to}", several(ratios, "{:.3f}"), median(ratios) >= least
    for database, name in NAMES.items():
        storms = [storm for storm in results["storms"] if storm["database"] == database]
        if storms:
            ratios, p99s = [storm["per_second"] / storm["bare"] for storm in storms], [storm["p99_us"] / 1000 for storm in storms]
            yield f"token in a storm of verify, {name}", f"{STORM_RATIO} of bare", several(ratios, "{:.3f}"), median(ratios) >= STORM_RATIO
            yield f"p99 of that, {name}", f"under {STORM_P99_MS} ms", several(p99s, "{:.1f}") + " ms", median(p99s) < STORM_P99_MS
        mails = [mail["per_second"] for mail in results["mails"] if mail["database"] == database and not mail["slow"]]
        slow = [mail["per_second"] for mail in results["mails"] if mail["database"] == database and mail["slow"]]
        if mails:
            yield f"mails a second, {name}", f"{MAILS}", several(mails, "{:,.0f}"), median(mails) >= MAILS
        if slow:
            yield f"mails a second, one slow session, {name}", f"{MAILS}", several(slow, "{:,.0f}"), median(slow) >= MAILS
        starts = [start for start in results["starts"] if start["database"] == database]
        if starts:
            ready, idle = of(starts, "ready_ms"), [start["idle_kb"] / 1024 for start in starts]
            yield f"start to ready, {name}", f"under {START_MS} ms", several(ready, "{:.0f}") + " ms", median(ready) < START_MS
            yield f"memory when idle, {name}", f"under {IDLE_MB} MB", several(idle, "{:.1f}") + " MB", max(idle) < IDLE_MB
        loaded = [run["memory_kb"] / 1024 for run in select(results, database=database, connections=max(MANY))]
        if loaded:
            yield (f"memory at {max(MANY)} connections, {name}", f"under {LOAD_MB} MB", f"at most {max(loaded):.1f} MB",
                   max(loaded) < LOAD_MB)


def row(name, runs, database):
    """One line of a table: the medians of the rounds."""
    middle = lambda field: median(of(runs, field))
    away = middle("turned_away")
    cells = [name, number(middle("per_second"))]
    if database is None:
        cells.append("1.00")
    else:  # who is turned away waits for no hash, so that a mixture without them is another one
        cells.append("" if away and runs[0]["work"] == "mixture" else several([ratio(run) for run in runs]))
    cells += [time(middle("p50_us")), time(middle("p99_us")), number(middle("cpu_us"))]
    if database == "postgres":
        cells.append(number(middle("database_cpu_us")))
    return cells + [f"{max(of(runs, 'memory_kb')) / 1024:.1f}", f"{away:.1%}" if away else ""]


def details(results, database):
    """A table of all works for each number of connections."""
    head = ["", "a second", "ratio", "p50", "p99", "CPU, us"] + (["its database, us"] if database == "postgres" else [])
    head += ["memory, MB", "503"]
    for connections in sorted({run["connections"] for run in results["runs"] if run["database"] == database}):
        rows = []
        if bare := select(results, work="bare", connections=connections):
            cells = row("bare", bare, None)
            rows.append(cells[:-2] + [""] + cells[-2:] if database == "postgres" else cells)
        for work in WORKS:
            if runs := select(results, work=work, database=database, connections=connections):
                if hashed := of(runs, "bcrypt"):
                    bcrypt = ["bcrypt alone", number(median(hashed)), "1.00"] + [""] * (len(head) - 3)
                    rows += [bcrypt] if bcrypt[0] not in [one[0] for one in rows] else []
                rows.append(row(work, runs, database))
        yield f"{connections} connection{'s' if connections > 1 else ''}:\n\n{table(head, rows)}"


def storms(results):
    """The token endpoint while many verify."""
    rows = []
    for database, name in NAMES.items():
        if these := [storm for storm in results["storms"] if storm["database"] == database]:
            rows.append([name, number(median(of(these, "per_second"))), several([storm["per_second"] / storm["bare"] for storm in these]),
                         time(median(of(these, "p50_us"))), time(median(of(these, "p99_us"))),
                         several([storm["verified"] / storm["bcrypt"] for storm in these])])
    return table(["", "tokens a second", "ratio to bare", "p50", "p99", "verified, ratio to bcrypt alone"], rows) if rows else ""


def mails(results):
    """What was delivered, and by how many sessions."""
    rows = [[NAMES[mail["database"]] + (", one slow session" if mail["slow"] else ""), number(mail["mails"]), f"{mail['seconds']:.2f} s",
             number(mail["per_second"]), mail["sessions"], mail["by_the_slow_one"] if mail["slow"] else ""] for mail in results["mails"]]
    return table(["", "mails", "took", "a second", "sessions", "by the slow one"], rows) if rows else ""


def peers(results):
    rows = []
    for name in dict.fromkeys(run["peer"] for run in results["peers"]):
        for work in ("token", "introspect"):
            if runs := [run for run in results["peers"] if run["peer"] == name and run["work"] == work]:
                ratios = [run["per_second"] / run["bare"] for run in runs]
                rows.append([name, work, number(median(of(runs, "per_second"))), several(ratios, "{:.5f}"), time(median(of(runs, "p50_us"))),
                             time(median(of(runs, "p99_us"))), number(median(of(runs, "cpu_us"))),
                             f"{max(of(runs, 'memory_kb')) / 1024:.0f}"])
    for work in ("token", "introspect"):
        for database, name in NAMES.items():
            if runs := select(results, work=work, database=database, connections=HEADLINE):
                rows.append([f"Unforget, {name}", work, number(median(of(runs, "per_second"))), several([ratio(run) for run in runs], "{:.5f}"),
                             time(median(of(runs, "p50_us"))), time(median(of(runs, "p99_us"))), number(median(of(runs, "cpu_us"))),
                             f"{max(of(runs, 'memory_kb')) / 1024:.0f}"])
    return table(["", "work", "a second", "ratio to bare", "p50", "p99", "CPU, us", "memory, MB"], rows)


def write(results):
    """The whole report."""
    about = results["about"]
    parts = ["# How fast it is, here\n"]
    parts += [f"> **Beware.** {warning}\n" for warning in results["warnings"]]
    parts.append(f"""`scripts/bench`, {about["date"]}, commit {about["commit"]}: {about["processor"]}, {about["cores"]} cores,
{about["memory_gb"]} GB; {about["system"]}; {"; ".join(about["versions"])}. Databases in {about["disk"]}.
Load before the start: {about["load_before"]}. It took {about["took_seconds"] // 60} minutes; a run {about["seconds"]} s, one that waits for bcrypt
{about["hash_seconds"]} s; rounds at {HEADLINE} connections: {about["rounds"]}, at others one.

As shipped but for limits, which are off (the one on waiting mails too), and the logs, which go to /dev/null: SQLite commits with
synchronous=FULL, PostgreSQL as its packager ships it, on the same cores. The load comes from `wrk -t1`, on the same cores too.
Each run stands between two of what it is compared with; ratios are medians of the rounds, in brackets the least and the greatest.
Every answer was a success, or the run would have ended; but where passwords are hashed, more than 66 calls at once are told to
come back a second later (503), and do.
""")
    if rows := [[*cells, verdict(met)] for *cells, met in targets(results)]:
        parts.append("## Targets\n")
        parts.append(table(["", "target", "measured", ""], rows))
        parts.append("![The same as a picture](report.svg)\n")
    for database, name in NAMES.items():
        if tables := list(details(results, database)):
            parts += [f"## {name}\n", *tables]
    for heading, part in (("A storm of verify", storms(results)), ("Mail", mails(results))):
        parts += [f"## {heading}\n", part] if part else []
    if results["peers"]:
        parts += ["## Others\n", PEERS, peers(results)]
    parts.append("## What the words mean\n")
    parts.append("".join(f"- **{work}**: {what}.\n" for work, what in WHAT.items()))
    parts.append("""- **bcrypt alone**: hashes of cost 12 a second on all cores, with nothing else to do. What verify and reset are compared with.
- **ratio**: to the bare server at the same connections; of verify and reset, to bcrypt alone; of the mixture, to the most that
  both would allow: 1 / (1 / bare + share of hashing / bcrypt). Where some were told to come back, the mixture is another one: no ratio.
- **CPU**: of the server's processes (utime + stime), per request; work beside it, such as mails that nobody is to get, is in it.
- **memory**: the most that was resident during the runs (VmHWM), of the server and not of its database.
- **p50, p99** where passwords are hashed: most of it is waiting for a turn. Of the mixture, throughput is counted from a quarter of the
  run on, when every connection has met a hash.
- **storm**: 64 connections verify while 64 others get tokens.
- **mails**: the queue is filled first, then delivered to a mail server on loopback that keeps nothing; with one slow session, its first
  session takes two seconds for each mail, the last of which is not counted. The links for check and reset come out of these mails.
- **start to ready**: from exec to 200 of `/health/ready`, on a database that is up to date.
- **memory when idle**: what is resident two seconds after a start for which the program was read from the disk, as after a boot. Most of it is
  the program itself. The system may map up to 3 MB more of one that was written just now.
""")
    size = f"The program has {about['binary_bytes'] / 1e6:.1f} MB"
    if "build_seconds" in about:
        size += f"; its release build from nothing took {about['build_seconds'] / 60:.1f} minutes"
    parts.append(size + ".\n")
    return "\n".join(parts)
