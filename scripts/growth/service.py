"""The program under test: started on a database, asked whether it is ready, watched from outside, and called with wrk."""

import http.client
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

SCRIPT = """
wrk.method = "%(method)s"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
local function lines(path)
    local all = {}
    if path ~= "" then for line in io.lines(path) do all[#all + 1] = line end end
    return all
end
local who, what = lines("%(who)s"), lines("%(what)s")
math.randomseed(%(seed)d)
local n = 0
function request()
    n = n + 1
    wrk.headers["Authorization"] = who[math.random(#who)]
    local text = #what > 0 and what[math.random(#what)] or ""
    return wrk.format(nil, (("%(path)s"):gsub("@", text)), nil, (("%(body)s"):gsub("@", text):gsub("#", "%(seed)d." .. n)))
end
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Service:
    def __init__(self, program, url, folder):
        self.folder = Path(folder)
        self.port = free_port()
        self.program = program
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("UNFORGET_") and name != "DATABASE_URL"},
            "UNFORGET_DATABASE_URL": url,
            "UNFORGET_LISTEN": f"127.0.0.1:{self.port}",
            "UNFORGET_MAIL__URL": f"file:{self.folder}/mail",
            "UNFORGET_MAIL__MAX_QUEUED": "100000000",
            "UNFORGET_LIMITS__ENABLED": "false",
            "UNFORGET_PASSWORD__BCRYPT_COST": "10",
        }
        self.process = None

    def run(self, *words, text=None):
        done = subprocess.run([self.program, *words], env=self.environment, input=text, text=True, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"bench-growth: unforget {' '.join(words)}: {done.stderr}")
        return done.stdout

    def start(self):
        """Starts it and says after how many milliseconds it was ready."""
        began = time.monotonic()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([self.program, "serve"], env=self.environment, stdout=log, stderr=log)
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == 200:
                    return (time.monotonic() - began) * 1000
            except OSError:
                pass
            if self.process.poll() is not None:
                raise SystemExit(f"bench-growth: the service ended; see {self.folder}/log")
            time.sleep(0.001)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.process = None

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self):
        """What is the process's own. Pages of files that it maps are the system's, and given back when they are wanted."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) / 1024

    def load(self, work, seconds, connections):
        """Starts wrk. `finish` waits for it."""
        script = self.folder / f"{work['name']}.lua"
        script.write_text(SCRIPT % {"method": "POST", "what": "", "body": "", "seed": random.randrange(2**31), **work})
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{self.port}"]
        before = self.cpu_seconds()
        return work["name"], before, subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def finish(self, load):
        name, before, wrk = load
        out = wrk.communicate()[0]
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
        if wrk.returncode or "Non-2xx" in out or (errors and any(int(count) for count in errors.groups()[:3])):
            raise SystemExit(f"bench-growth: {name}: {out}")
        requests = int(re.search(r"(\d+) requests in", out)[1])
        return {
            "timeouts": int(errors[4]) if errors else 0,  # waited for more than two seconds
            "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
            "cpu_us": (self.cpu_seconds() - before) / max(1, requests) * 1e6,
            "p50_ms": milliseconds(re.search(r"50%\s+([\d.]+)(us|ms|s)", out)),
            "p99_ms": milliseconds(re.search(r"99%\s+([\d.]+)(us|ms|s)", out)),
            "max_ms": milliseconds(re.search(r"Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)", out)),
        }


def milliseconds(found):
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]
