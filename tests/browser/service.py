"""The real program with a fresh SQLite database and mails in a folder, and the wire between it and the browser."""

import email.policy
import json
import os
import re
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("UNFORGET", ROOT / "target/debug/unforget"))
PATIENCE = 20
OLD_PASSWORD = "the old secret of one of our users"


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


class Wire(socketserver.ThreadingTCPServer):
    """Passes bytes on to the service, and keeps what went to it: what a proxy on the way, and its log, would have seen."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, port):
        self.target, self.sent = ("127.0.0.1", port), bytearray()
        super().__init__(("127.0.0.1", 0), Passing)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def heads(self, name):
        """The request lines (for the name "") or the header fields of this name that went by."""
        # A request line follows the body before it without a line break.
        pattern = rb"(?:GET|POST|HEAD) \S+ HTTP/1\.1\r" if not name else rb"(?mi)^" + name.encode() + rb":.*$"
        return [line.decode("latin-1").strip() for line in re.findall(pattern, bytes(self.sent))]


class Passing(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            service = socket.create_connection(self.server.target)
        except ConnectionRefusedError:
            return  # It is not up yet, or not any more.
        with service:
            back = threading.Thread(target=self.copy, args=(service, self.request, None), daemon=True)
            back.start()
            self.copy(self.request, service, self.server.sent)
            back.join(PATIENCE)

    @staticmethod
    def copy(source, sink, record):
        try:
            while data := source.recv(65536):
                if record is not None:
                    record += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # One of the two has gone away; the other will notice.


class Service:
    """`unforget serve`, seen through a wire. `base` is where the browser and the links in mails go."""

    def __init__(self, page=True, **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="unforget-browser-")
        self.mails = Path(self.folder.name) / "mail"
        port = free_port()
        self.wire = Wire(port)
        self.base = f"http://127.0.0.1:{self.wire.server_address[1]}"
        own = {name: value for name, value in os.environ.items() if not name.startswith(("UNFORGET_", "DATABASE_URL"))}
        self.environment = own | {
            "UNFORGET_LISTEN": f"127.0.0.1:{port}",
            "UNFORGET_PUBLIC_URL": self.base,
            "UNFORGET_DATABASE_URL": f"sqlite://{self.folder.name}/unforget.db",
            "UNFORGET_MAIL__URL": f"file:{self.mails}",
            "UNFORGET_RESET__COOLDOWN": "0s",
            "UNFORGET_PASSWORD__BCRYPT_COST": "10",
            "UNFORGET_LIMITS__ENABLED": "false",
        } | settings
        if page:
            client = self.command("client", "add", "Quotes", "--scope", "password:remind password:reset")
            self.environment["UNFORGET_PAGE__CLIENT"] = client["client_id"]
        self.process = subprocess.Popen([PROGRAM, "serve"], env=self.environment, cwd=self.folder.name,
                                        stdout=subprocess.DEVNULL, stderr=open(Path(self.folder.name) / "log", "w"))
        try:
            wait_for("the service is ready", self.is_ready)
        except BaseException:
            self.process.kill()
            raise

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.base + "/health/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            assert self.process.poll() is None, (Path(self.folder.name) / "log").read_text()
            return False

    def command(self, *words, **options):
        """What a command prints as JSON."""
        done = subprocess.run([PROGRAM, *words, "--json"], env=self.environment, cwd=self.folder.name, check=True,
                              text=True, capture_output=True, **options)
        return json.loads(done.stdout)

    def user(self, address):
        self.command("user", "add", address, "--password-stdin", input=OLD_PASSWORD)
        return address

    def letters(self, address):
        """The texts of the mails to an address, oldest first."""
        found = []
        for path in self.mails.glob("*.eml"):
            letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if letter["To"] == address:
                found.append((path.stat().st_mtime_ns, letter.get_body(("plain",)).get_content()))
        return [text for _, text in sorted(found)]

    def link(self, address, client=None):
        """Asks for a mail as an app does, and gives back the link in it."""
        client = client or self.command("client", "add", "App", "--scope", "password:remind password:reset")
        grant = {"grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": client["client_secret"]}
        token = self.post("/oauth/token", grant)["access_token"]
        before = len(self.letters(address))
        self.post("/v1/password/remind", {"email": address}, token)
        letters = wait_for("a mail comes", lambda: self.letters(address)[before:])
        return re.search(r"\S*uf_rt_\S+", letters[0])[0]

    def post(self, path, fields, token=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(self.base + path, urlencode(fields).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def password_changed(self, address):
        return self.command("user", "show", address).get("password_changed_at")

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.wire.shutdown()
        self.wire.server_close()
        self.folder.cleanup()
