"""Starts the service on each database and lets sqlmap loose on every field of every call that its description knows.

Every call is written down as a request whose fields are marked with `*`, and sqlmap goes through a file of them. It passes when sqlmap
finds nothing, has reached every call, and the service has answered no 5xx. `--self-test` puts a server with a hole in its place.
"""

import contextlib
import http.server
import json
import os
import pathlib
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
import uuid

SHORT = ["--level", "1", "--risk", "1", "--technique", "BE"]
SCOPES = "password:remind password:reset password:change password:verify sessions:create users:read users:write users:resetPassword users:disclose clients:write tokens:introspect"
ORDINARY = {"email": "ann@example.com", "locale": "fr", "grant_type": "client_credentials", "scope": "password:remind", "client_name": "Quotes"}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(method, url, token=None, body=None, form=None):
    request = urllib.request.Request(url, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    if form is not None:
        request.data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


@contextlib.contextmanager
def service(program, database_url, home):
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UNFORGET_") and name != "DATABASE_URL"}
    environment |= {
        "DATABASE_URL": database_url,
        "UNFORGET_LISTEN": f"127.0.0.1:{port}",
        "UNFORGET_PUBLIC_URL": base,
        "UNFORGET_LIMITS__ENABLED": "false",
        "UNFORGET_MAIL__URL": f"file:{home}/mail",
        "UNFORGET_PASSWORD__BCRYPT_COST": "10",
        "UNFORGET_RESET__COOLDOWN": "24h",
    }

    def run(*arguments):
        done = subprocess.run([program, *arguments, "--json"], env=environment, cwd=home, capture_output=True, check=True)
        return json.loads(done.stdout)

    client = run("client", "add", "sqlmap", "--scope", SCOPES)
    run("user", "add", "ann@example.com")
    with open(f"{home}/log", "wb") as log:
        server = subprocess.Popen([program, "serve"], env=environment, cwd=home, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    ask("GET", f"{base}/health/ready")
                    break
                except OSError:
                    assert server.poll() is None and time.monotonic() < deadline, pathlib.Path(home, "log").read_text()
                    time.sleep(0.05)
            form = {"grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": client["client_secret"]}
            yield base, ask("POST", f"{base}/oauth/token", form=form)["access_token"], form
            assert server.poll() is None, "the service has died"
        finally:
            server.terminate()
            server.wait()


def resolve(document, value):
    while "$ref" in value:
        found = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name.replace("~1", "/").replace("~0", "~")]
        value = found
    return value


def properties(document, schema):
    """The names of an object's fields, with the schema of each."""
    schema = resolve(document, schema)
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= properties(document, part)
    return found


def sample(document, schema, name):
    """A value with a mark where sqlmap is to put its own."""
    schema = resolve(document, schema)
    inner = properties(document, schema)
    if inner:
        return {field: sample(document, each, field) for field, each in inner.items()}
    if schema.get("type") in ("object", ["object", "null"]):
        return {"plan": "gold*"}
    if "assword" in name:
        return "a good secret*"
    return f"{ORDINARY.get(name, 'x')}*"


def requests(document, base, token, client, headers):
    """Every call, as sqlmap reads it from a file."""
    host = base.removeprefix("http://")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            target = re.sub(r"{\w+}", f"{uuid.UUID(int=7)}*", path)
            query = [p for p in map(lambda p: resolve(document, p), operation.get("parameters", [])) if p["in"] == "query"]
            if query:
                target += "?" + "&".join(f"{p['name']}={ORDINARY.get(p['name'], 'x')}*" for p in query)
            content = resolve(document, operation.get("requestBody", {})).get("content", {})
            kind = next((kind for kind in ("application/json", "application/x-www-form-urlencoded") if kind in content), None)
            body = ""
            if kind:
                fields = sample(document, content[kind]["schema"], "")
                if path == "/oauth/token":  # behind the first door, too
                    fields |= {"client_id": client["client_id"] + "*", "client_secret": client["client_secret"] + "*"}
                body = json.dumps(fields) if kind.endswith("json") else "&".join(f"{name}={value}" for name, value in fields.items())
            if "*" not in target + body:
                continue
            head = [f"{method.upper()} {target} HTTP/1.1", f"Host: {host}"]
            if headers:
                head += ["Accept-Language: fr*", "X-Request-Id: a*", "X-Forwarded-For: 127.0.0.1*"]
            if path != "/oauth/token":
                head.append(f"Authorization: Bearer {token}")
            if kind:
                head.append(f"Content-Type: {kind}")
            yield f"{method.upper()} {path}", "\r\n".join([*head, "", body])


def attack(sqlmap, name, dbms, request, options, home):
    """Lets sqlmap loose on one request; returns what it says, and whether it found something."""
    file = pathlib.Path(home, "request.txt")
    file.write_bytes(request.encode())
    command = [sys.executable, sqlmap, "-r", file, "--batch", "--flush-session", "--disable-coloring", "--dbms", dbms]
    command += ["--output-dir", f"{home}/sqlmap", "--skip-waf", "--ignore-code", "*", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home)
    said = done.stdout + done.stderr
    found = "identified the following injection point" in said or "is vulnerable" in said
    reached = "all tested parameters do not appear to be injectable" in said or "skipping" in said or found
    return said, found, reached


def databases(home):
    yield "SQLite", "SQLite", f"sqlite://{home}/unforget.db"
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        print("== PostgreSQL: skipped, TEST_DATABASE_URL names no server")
        return
    name = f"unforget_sqlmap_{uuid.uuid4().hex[:12]}"
    psql = ["psql", "-qX", "-d", server, "-c"]
    subprocess.run([*psql, f"CREATE DATABASE {name} TEMPLATE template0"], check=True)
    try:
        yield "PostgreSQL", "PostgreSQL", re.sub(r"^(\w+://[^/?]*)/[^?]*", rf"\1/{name}", server)
    finally:
        subprocess.run([*psql, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"], check=True)


class Hole(http.server.BaseHTTPRequestHandler):
    """A server with a hole, that sqlmap must find."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        rows = sqlite3.connect(":memory:")
        rows.executescript("CREATE TABLE users (email TEXT); INSERT INTO users VALUES ('ann@example.com');")
        try:
            found = rows.execute(f"SELECT 1 FROM users WHERE email = '{body['email']}'").fetchall()
            answer = b'{"status":"reminder_sent"}' if found else b'{"status":"wrong_user","error":"The email address does not match a user."}'
        except sqlite3.Error as error:
            answer = json.dumps({"error": str(error)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def self_test(sqlmap, home):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hole)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    body = json.dumps({"email": "ann@example.com*"})
    request = f"POST /x HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nContent-Type: application/json\r\n\r\n{body}"
    said, found, _ = attack(sqlmap, "the hole", "SQLite", request, SHORT, home)
    server.shutdown()
    assert found, said
    print("== sqlmap finds the hole that is put in front of it")


def main():
    sqlmap, program = (os.path.abspath(path) for path in sys.argv[1:3])
    options = sys.argv[3:]
    failures = attacked = 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        self_test(sqlmap, home)
        if options == ["--self-test"]:
            return
        for name, dbms, url in databases(home):
            begun = time.monotonic()
            with service(program, url, home) as (base, token, client):
                document = ask("GET", f"{base}/openapi.json")
                calls = list(requests(document, base, token, client, headers=bool(options)))
                if not options:  # those whose texts get furthest
                    calls = [call for call in calls if call[0] in FIRST]
                    assert len(calls) == len(FIRST), [call[0] for call in calls]
                for call, request in calls:
                    said, found, reached = attack(sqlmap, call, dbms, request, options or SHORT, home)
                    attacked += 1
                    if found or not reached:
                        failures += 1
                        print(f"== {name}, {call}: {'an injection' if found else 'not reached'}\n{said}")
                    elif options:
                        print(f"   {name}, {call}: clean", flush=True)
            log = pathlib.Path(home, "log").read_text().splitlines()
            bad = [line for line in log if re.search(r'"status":5\d\d', line) or "panicked" in line]
            if bad:
                failures += 1
                print(f"== {name}: failures of ours\n" + "\n".join(bad[:20]))
            print(f"== {name}: {len(calls)} calls, {time.monotonic() - begun:.0f} s")
    words = f"{failures} failed, " if failures else ""
    print(f"{words}{attacked - failures} passed in {time.monotonic() - started:.2f}s")
    sys.exit(1 if failures else 0)


FIRST = ["POST /oauth/token", "POST /v1/password/remind", "POST /v1/password/reset", "GET /v1/users", "GET /v1/users/{id}"]

if __name__ == "__main__":
    main()
