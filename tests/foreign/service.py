"""The real program with a fresh database, and its command line."""

import json
import os
import re
import secrets
import socket
import subprocess
import tempfile
import time
import urllib.request
from functools import cached_property
from pathlib import Path
from urllib.parse import urlencode

import psycopg

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("UNFORGET", ROOT / "target/debug/unforget"))
PATIENCE = 20


def wait_for(what, condition):
    """Waits until a condition gives something, and gives it back."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"never: {what}")


def free_port():
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


class PostgresDatabase:
    """A database of its own on the server of TEST_DATABASE_URL."""

    def __init__(self):
        self.server = os.environ["TEST_DATABASE_URL"]
        self.name = f"unforget_foreign_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {self.name} TEMPLATE template0")
        self.url = re.sub(r"^(postgres(?:ql)?://[^/?]*)/?[^?]*", rf"\1/{self.name}", self.server)

    def run(self, statement):
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)

    def drop(self):
        self.run(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


class Service:
    """`unforget serve`: no limits, since all callers share one address here."""

    def __init__(self, database, **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="unforget-foreign-")
        self.log, self.mails = Path(self.folder.name) / "log", Path(self.folder.name) / "mail"
        self.database = PostgresDatabase() if database == "postgres" else None
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        own = {name: value for name, value in os.environ.items() if not name.startswith(("UNFORGET_", "DATABASE_URL"))}
        self.environment = own | {
            "UNFORGET_LISTEN": f"127.0.0.1:{port}",
            "UNFORGET_PUBLIC_URL": self.base,
            "UNFORGET_DATABASE_URL": self.database.url if self.database else f"sqlite://{self.folder.name}/unforget.db",
            "UNFORGET_MAIL__URL": f"file:{self.mails}",
            "UNFORGET_PASSWORD__BCRYPT_COST": "10",
            "UNFORGET_LIMITS__ENABLED": "false",
        } | settings
        self.process = subprocess.Popen([PROGRAM, "serve"], env=self.environment, cwd=self.folder.name,
                                        stdout=subprocess.DEVNULL, stderr=self.log.open("w"))
        try:
            wait_for("the service is ready", self.is_ready)
        except BaseException:
            self.stop()
            raise

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.base + "/health/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            assert self.process.poll() is None, self.log.read_text()
            return False

    def command(self, *words, **options):
        """What a command prints as JSON."""
        done = subprocess.run([PROGRAM, *words, "--json"], env=self.environment, cwd=self.folder.name,
                              text=True, capture_output=True, **options)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return json.loads(done.stdout)

    def client(self, scopes="password:remind password:reset", *more):
        """A new app, as an operator registers it."""
        return self.command("client", "add", "An app", "--scope", scopes, *more)

    def known_client(self, client_id, secret):
        """An app that keeps the id and the secret that it has already."""
        words = ["client", "add", "An older service", "--scope", "password:remind password:reset", "--id", client_id, "--secret-stdin"]
        assert self.command(*words, input=secret)["client_id"] == client_id
        return {"client_id": client_id, "client_secret": secret}

    @cached_property
    def admin_token(self):
        """An access token that registers apps (RFC 7591), with the scopes of ordinary ones."""
        admin = self.client("clients:write password:remind password:reset")
        grant = {"grant_type": "client_credentials", "client_id": admin["client_id"], "client_secret": admin["client_secret"]}
        return self.post("/oauth/token", urlencode(grant).encode())["access_token"]

    def client_with_keys(self, keys):
        """A new app that authenticates by one of these public keys, registered over HTTP."""
        metadata = {"client_name": "An app with keys", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys}}
        headers = {"Authorization": f"Bearer {self.admin_token}", "Content-Type": "application/json"}
        return self.post("/oauth/register", json.dumps(metadata).encode(), headers)

    def post(self, path, body, headers={}):
        with urllib.request.urlopen(urllib.request.Request(self.base + path, body, headers), timeout=PATIENCE) as answer:
            return json.load(answer)

    def letters_to(self, address):
        """How many mails have gone to an address."""
        return sum(f"To: {address}" in path.read_text() for path in self.mails.glob("*.eml"))

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        if self.database:
            self.database.drop()
        self.faults = [line for line in self.log.read_text().splitlines() if '"level":"ERROR"' in line]
        self.folder.cleanup()
