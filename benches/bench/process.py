"""Programs that are started, waited for, looked at and stopped."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 60


class Spoiled(Exception):
    """The run is worth nothing: something that was to succeed did not."""


def free_port():
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


def wait_for(what, condition, pause=0.02):
    """Waits until a condition gives something, and gives it back."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(pause)
    raise Spoiled(f"never: {what}")


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def run(*words, **options):
    """What a command prints."""
    done = subprocess.run([str(word) for word in words], text=True, capture_output=True, **options)
    if done.returncode:
        raise Spoiled(f"{' '.join(map(str, words[:4]))} ..: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Program:
    """A server that runs until it is left, with all that it has started."""

    def __init__(self, name, words, log=None, **options):
        self.name, self.at_once = name, False
        self.output = open(log, "ab") if log else subprocess.DEVNULL
        self.process = subprocess.Popen([str(word) for word in words], stderr=self.output, start_new_session=True,
                                        **({"stdout": self.output} | options))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        words = ((signal.SIGKILL, 5),) if self.at_once else ((signal.SIGTERM, 15), (signal.SIGKILL, 5))
        for word, patience in words:
            try:
                os.killpg(self.process.pid, word)
                self.process.wait(patience)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
            break
        if self.output is not subprocess.DEVNULL:
            self.output.close()

    def is_alive(self):
        if self.process.poll() is not None:
            raise Spoiled(f"{self.name} ended with {self.process.returncode}")
        return True

    def wait_for_port(self, port):
        wait_for(f"{self.name} listens", lambda: self.is_alive() and listens(port), 0.005)
        return self


def family(pid):
    """A process and all that descend from it."""
    children = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def cpu_seconds(pid):
    """The processor time of a process and all that it has started, ended ones included."""
    ticks = 0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))  # utime, stime, and those of children that were waited for
    return ticks / TICK


def forget_peak(pid):
    """From now on `peak_kb` is of what comes (proc(5), clear_refs)."""
    for one in family(pid):
        try:
            Path(f"/proc/{one}/clear_refs").write_text("5")
        except OSError:
            pass


def forget_file(path):
    """Has the system read a file anew that nobody has open. Of one that was written lately it maps more at a time than of one that
    programs have read, so a new program would seem to take more memory than one that was started after a boot."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory_kb(pid, field="VmHWM"):
    """The most memory that was resident, or with `VmRSS` what is now, children included."""
    sizes = 0
    for one in family(pid):
        try:
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
        except OSError:
            continue
        sizes += sum(int(line.split()[1]) for line in lines if line.startswith(field + ":"))
    return sizes
