"""Where it was measured: without this no number means anything."""

import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from .process import Spoiled, run

BUSY = 0.3  # the load above which a machine is not quiet


def first_line(*words):
    try:
        return run(*words).strip().splitlines()[0]
    except (Spoiled, FileNotFoundError, IndexError):
        return None


def found(pattern, path):
    match = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    return match and match.group(1).strip()


def file_system(folder):
    """The kind of file system that a folder is on."""
    return first_line("stat", "--file-system", "--format", "%T", folder) or "unknown"


def sync_ms(folder):
    """How long the disk takes to make 64 KB durable, in the middle of fifty times."""
    with tempfile.TemporaryFile(dir=folder) as file:
        taken = []
        for _ in range(50):
            file.seek(0)
            file.write(os.urandom(65536))
            file.flush()
            started = time.monotonic()
            os.fdatasync(file.fileno())
            taken.append((time.monotonic() - started) * 1000)
    return round(statistics.median(taken), 3)


def describe(program, folder, postgres_url):
    """The machine and the versions."""
    sync = sync_ms(folder)
    memory = int(found(r"^MemTotal:\s+(\d+) kB", "/proc/meminfo") or 0)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": (first_line("git", "rev-parse", "--short=12", "HEAD") or "unknown")
        + (" with changes" if first_line("git", "status", "--porcelain", "--untracked-files=no") else ""),
        "processor": found(r"^model name\s*:\s*(.*)$", "/proc/cpuinfo") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1024 / 1024, 1),
        "system": (found(r'^PRETTY_NAME="(.*)"$', "/etc/os-release") or "Linux") + ", Linux " + platform.release(),
        "versions": [line for line in (
            first_line(program, "--version"), first_line("rustc", "--version"), wrk_version(),
            postgres_url and "PostgreSQL " + (first_line("psql", postgres_url, "-Atc", "show server_version") or "?"),
        ) if line],
        "disk": f"{folder} ({file_system(folder)}, a sync takes {sync} ms)",
        "sync_ms": sync,
        "load_before": round(os.getloadavg()[0], 2),
    }


def wrk_version():
    said = subprocess.run(["wrk", "-v"], text=True, capture_output=True)  # ends with 1 and says it all the same
    return " ".join((said.stdout + said.stderr).split()[:2])


def warnings(about):
    """Why these numbers may be worth little."""
    if about["load_before"] > BUSY:
        yield f"The machine was busy: its load was {about['load_before']} before the start."
    if "tmpfs" in about["disk"]:
        yield f"The database was in memory and not on a disk: {about['disk']}. What is said about durable writes does not hold."
    if about.get("sync_ms", 0) > 1.3:
        most = round(64_000 / about["sync_ms"], -2)
        yield f"A sync takes {about['sync_ms']} ms here, so 64 callers who wait for their commits get at most {most:,.0f} answers a second together."
    if about["cores"] > 2:
        yield f"The targets are for two cores; here are {about['cores']}, and wrk has one thread."
