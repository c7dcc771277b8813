"""Unforget as it is shipped, without limits, and with users, a client and links to work with."""

import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

from .load import post
from .process import Program, Spoiled, free_port, run, wait_for
from .works import PASSWORD, SHARES

# What differs from the defaults; addresses and places apart.
SETTINGS = {"UNFORGET_LIMITS__ENABLED": "false", "UNFORGET_MAIL__MAX_QUEUED": "100000000"}
SCOPES = "password:remind password:reset password:verify"
# A piece of the answer that each work must get.
PROOF = {"token": '"access_token"', "check": '"token_valid"', "remind": '"reminder_sent"', "introspect": '"active":true',
         "verify": '"password_verified"'}


class Service:
    """One database, and how the program is called on it."""

    def __init__(self, program, folder, database, url=None):
        self.program, self.folder, self.database = Path(program), Path(folder), database
        self.folder.mkdir(parents=True)
        self.made_up = 0
        own = {name: value for name, value in os.environ.items() if not name.startswith(("UNFORGET_", "DATABASE_URL"))}
        self.environment = own | SETTINGS | {
            "UNFORGET_DATABASE_URL": url or f"sqlite://{self.folder}/unforget.db",
            "UNFORGET_MAIL__URL": f"file:{self.folder}/mail",
        }

    def command(self, *words, **options):
        return run(self.program, *words, env=self.environment, cwd=self.folder, **options)

    def furnish(self, users):
        """Fills the database: users who all have one password, whose hash the program has made, and a client."""
        self.command("migrate")
        self.command("user", "add", "somebody@example.com", "--password-stdin", input=PASSWORD)
        self.command("user", "export", self.folder / "one.jsonl")
        hashed = json.loads((self.folder / "one.jsonl").read_text().splitlines()[0])["password_hash"]
        lines = "".join(f"{email},{hashed}\n" for email in map(self.email, range(users)))
        (self.folder / "users.csv").write_text("email,password_hash\n" + lines)
        self.command("user", "import", self.folder / "users.csv")
        words = ["client", "add", "Bench", "--scope", SCOPES, "--reset-url", "https://app.example.com/{token}", "--json"]
        client = json.loads(self.command(*words))
        pair = f"{client['client_id']}:{client['client_secret']}"
        self.basic = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        self.users = users
        # Wrong ones and those that run count against an address: so each call is about another one.
        (self.folder / "verify").write_text("".join(f"{self.email(n)}\n" for n in range(users)))

    @staticmethod
    def email(number):
        return f"user{number:06d}@example.com"

    def serve(self, **settings):
        """Starts the program; `ready_ms` later it is."""
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        own = {"UNFORGET_LISTEN": f"127.0.0.1:{port}", "UNFORGET_PUBLIC_URL": self.base}
        started = time.monotonic()
        server = Program("unforget", [self.program, "serve"], env=self.environment | own | settings, cwd=self.folder)
        try:
            wait_for("unforget is ready", lambda: server.is_alive() and self.is_ready(), 0.001)
        except BaseException:
            server.__exit__()
            raise
        server.ready_ms = (time.monotonic() - started) * 1000
        return server

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.base + "/health/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def call(self, path, headers, **fields):
        """What a call answers, if that is a success."""
        request = urllib.request.Request(self.base + path, urlencode(fields).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise Spoiled(f"{path}: {error.code} {error.read().decode()}") from None

    def sign_in(self):
        """Gets the access token that all calls of the API are made with."""
        self.token = json.loads(self.call("/oauth/token", self.basic, grant_type="client_credentials"))["access_token"]
        self.bearer = {"Authorization": f"Bearer {self.token}"}

    def remind(self, first, last):
        """Asks for links for these users, eight at a time."""
        ask = lambda number: self.call("/v1/password/remind", self.bearer, email=self.email(number))
        with ThreadPoolExecutor(8) as pool:
            for answer in pool.map(ask, range(first, last)):
                if PROOF["remind"] not in answer:
                    raise Spoiled(f"remind: {answer}")

    def take_links(self, file):
        """Reads the links' tokens that came by mail: one is looked at again and again, the others are used up one by one."""
        pairs = [line.split() for line in file.read_text().splitlines()]
        if not pairs:
            raise Spoiled("no link has come by mail")
        self.live, self.links = pairs[0][1], [urlencode({"email": email.strip("<>"), "token": token}) for email, token in pairs[1:]]

    def prove(self, work):
        """Makes one call of a work and looks whether the answer is what it should be: load.lua sees only the status."""
        fields = {
            "token": ("/oauth/token", self.basic, {"grant_type": "client_credentials"}),
            "check": ("/v1/password/check", self.bearer, {"token": self.live}),
            "remind": ("/v1/password/remind", self.bearer, {"email": f"proof{time.monotonic_ns()}@example.com"}),
            "introspect": ("/oauth/introspect", self.basic, {"token": self.token}),
            "verify": ("/v1/password/verify", self.bearer, {"email": self.email(0), "password": PASSWORD}),
        }
        for one in (SHARES if work == "mixture" else [work]):
            if one in fields:
                path, headers, form = fields[one]
                answer = self.call(path, headers, **form)
                if PROOF[one] not in answer:
                    raise Spoiled(f"{one}: {answer}")

    def kinds(self, work):
        """The requests of a work, for `Load`."""
        if work == "mixture":
            return [self.kind(one, share) for one, share in SHARES.items()]
        return [self.kind(work, 1)]

    def kind(self, work, share):
        if work == "token":
            return post("/oauth/token", self.basic, share, body="grant_type=client_credentials")
        if work == "check":
            return post("/v1/password/check", self.bearer, share, body=f"token={self.live}")
        if work == "introspect":
            return post("/oauth/introspect", self.basic, share, body=f"token={self.token}")
        if work == "remind":
            self.made_up += 1
            run_of_it = f"u{self.made_up}.{time.time_ns()}."
            return post("/v1/password/remind", self.bearer, share, before="email=", made_up=run_of_it, after="@example.com")
        password = urlencode({"password": PASSWORD})
        if work == "verify":
            return post("/v1/password/verify", self.bearer, share, before="email=", bodies=str(self.folder / "verify"),
                        after="&" + password, again=True)
        (self.folder / "reset").write_text("".join(f"{link}\n" for link in self.links))
        return post("/v1/password/reset", self.bearer, share, before="", bodies=str(self.folder / "reset"), after="&" + password)

    def used_up(self, number):
        """That many links are used up, or may be."""
        self.links = self.links[number:]
