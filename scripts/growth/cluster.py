"""A PostgreSQL server for the run: by default settings and with all of its safety, for that is what commits cost."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path


class Cluster:
    def __init__(self, folder):
        # Not below the folder: the path of a Unix socket has at most 107 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="ufgrow", dir="/tmp"))
        self.data = Path(folder) / "postgres"
        places = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
        found = shutil.which("initdb")
        if not (places or found):
            raise SystemExit("bench-growth: install the PostgreSQL server (initdb, pg_ctl) first")
        self.binaries = max(places) if places else Path(found).parent
        self.account = {}
        if os.getuid() == 0:  # initdb refuses to be root
            owner = pwd.getpwnam("postgres")
            self.account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}

    def run(self, name, *words):
        command = [self.binaries / name, "-D", self.data, *words]
        subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL, **self.account)

    def __enter__(self):
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir()
        for place in (self.home, self.data):
            shutil.chown(place, self.account.get("user"), self.account.get("group")) if self.account else None
        self.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.home}'"
        self.run("pg_ctl", "-w", "-l", f"{self.home}/log", "-o", options, "start")
        return self

    def __exit__(self, *_):
        self.run("pg_ctl", "-m", "fast", "-w", "stop")
        shutil.rmtree(self.home, ignore_errors=True)

    def database(self, name):
        server = f"postgresql:///postgres?host={self.home}&user=postgres"
        subprocess.run(["psql", "-X", "-q", "-c", f"CREATE DATABASE {name} TEMPLATE template0", server], check=True)
        return f"postgresql:///{name}?host={self.home}&user=postgres"
