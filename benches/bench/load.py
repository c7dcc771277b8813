"""wrk, and what it says."""

import json
import os
import subprocess
from pathlib import Path

from .process import Spoiled, cpu_seconds, forget_peak, memory_kb

SCRIPT = Path(__file__).resolve().parents[1] / "load.lua"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def lua(value):
    """A value as Lua writes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"[{lua(key)}]={lua(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "{" + ",".join(map(lua, value)) + "}"
    if isinstance(value, str):
        return '"' + "".join(c if c.isalnum() else "".join(f"\\{byte:03d}" for byte in c.encode()) for c in value) + '"'
    return str(value).lower() if isinstance(value, bool) else str(value)


def post(path, headers, share=1, **bodies):
    """A kind of request, as load.lua wants it; `bodies` is `body`, or `before`, `made_up` or `bodies`, and `after`."""
    return {"share": share, "path": path, "headers": FORM | headers} | bodies


class Load:
    """Calls of one kind or several, from so many connections, for so many seconds."""

    def __init__(self, name, url, folder, connections, seconds, kinds=None, hashes=False):
        plan = Path(folder) / f"{name}-{connections}.lua"
        plan.write_text("return " + lua({
            "kinds": kinds, "hashes": hashes, "crowded": hashes and connections > 64,
            "skip": seconds / 4 if hashes and len(kinds) > 1 else 0,
        } if kinds else {}) + "\n")
        self.name, self.connections = name, connections
        self.wrk = subprocess.Popen(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", SCRIPT, url, "--", plan],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {"LC_ALL": "C"})

    def result(self):
        """What came of it. An answer that is no success spoils the run; where passwords are hashed, 503 is one too."""
        said = self.wrk.communicate()[0]
        try:
            result = json.loads(said[said.index("{"):])
        except ValueError:
            raise Spoiled(f"{self.name}, {self.connections} connections: {said.strip()}") from None
        if said := faults(result):
            raise Spoiled(f"{self.name}, {self.connections} connections: {said}")
        return result


def faults(result):
    """What spoils a run, in words."""
    numbers = {
        "answers that are no success": result["failed"] or result["refused"] - result["turned_away"],
        "connections that failed": result["socket"], "calls without an answer": result["timeouts"],
        "kind of calls beyond what was prepared": result["exhausted"],
    }
    return ", ".join(f"{number:d} {what}" for what, number in numbers.items() if number)


def measure(pid, database_pid, **load):
    """One run against a server, with what it cost."""
    forget_peak(pid)
    before = cpu_seconds(pid), database_pid and cpu_seconds(database_pid)
    result = Load(**load).result()
    done, seconds = (result["good"], result["good_seconds"]) if load.get("hashes") else (result["requests"], result["seconds"])
    if not done or not seconds:
        raise Spoiled(f"{load['name']}, {load['connections']} connections: nothing was done in {load['seconds']} s")
    spent = lambda now, before: (now - before) / result["seconds"] * seconds / done * 1e6
    return {
        "per_second": done / seconds, "p50_us": result["p50_us"], "p99_us": result["p99_us"],
        "cpu_us": spent(cpu_seconds(pid), before[0]),
        "database_cpu_us": spent(cpu_seconds(database_pid), before[1]) if database_pid else None,
        "memory_kb": memory_kb(pid), "turned_away": result["turned_away"] / result["requests"], "used": result["used"],
    }
