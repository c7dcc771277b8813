"""Fills a database that `unforget migrate` made, faster than the service could: SQL makes the rows where they are to be.

What the calls will name (secrets of clients, some access tokens, some links) is made here, in the service's own form; of the rest only
the digests matter, and they are random.
"""

import base64
import hashlib
import secrets
import sqlite3
import subprocess
import time
import uuid
import zlib
from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SCOPES = "password:remind password:reset password:verify users:read tokens:introspect"
NAMED = 20_000  # tokens and links whose texts are known
EXPIRED = 200_000  # rows for the purge: access tokens, and entries of the audit
PASSWORD = "a good password"
FIRST = 10_000_000  # addresses are as long as each other, and in order
DAY = 86_400


@dataclass
class Size:
    """How much there is of everything, from the number of users: most installations have as many live tokens, and fewer mails and audit entries."""

    users: int

    @property
    def clients(self):
        return max(10, self.users // 100)

    @property
    def mails(self):
        return self.users // 10

    @property
    def links(self):
        return max(1, self.users // 100)


def base62(number, width):
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return digits


def token(prefix):
    text = prefix + base62(secrets.randbits(256), 43)
    return text + base62(zlib.crc32(text.encode()), 6)


def digest(text):
    return hashlib.sha256(text.encode()).digest()


def client_id(number):
    return f"grow-{number}"


def uuid7(seconds, number):
    return uuid.UUID(int=int(seconds * 1000) << 80 | 7 << 76 | 2 << 62 | number)


class Made:
    """What calls can name."""

    def __init__(self, size):
        self.basic = []
        self.secrets = []
        for number in range(size.clients):
            secret = token("uf_cs_")
            self.secrets.append(digest(secret))
            pair = f"{client_id(number)}:{secret}"
            self.basic.append(base64.b64encode(pair.encode()).decode())
        self.tokens = [token("uf_at_") for _ in range(min(NAMED, size.users))]
        self.links = [token("uf_rt_") for _ in range(min(NAMED, size.links))]


class Sqlite:
    """Through Python's own driver, without waiting for the disk: a crash here costs another run. `alone`: nobody else has the file."""

    def __init__(self, path, alone=True):
        self.db = sqlite3.connect(path, isolation_level=None, timeout=60)
        for pragma in ("synchronous = OFF", "cache_size = -500000", "temp_store = FILE"):
            self.db.execute(f"PRAGMA {pragma}")
        if alone:
            self.db.execute("PRAGMA journal_mode = OFF").fetchone()
        self.db.create_function("uid", 2, self.id, deterministic=True)
        self.random = "randomblob(32)"

    @staticmethod
    def at(seconds):
        return int(seconds * 1_000_000)

    @staticmethod
    def id(seconds, number):
        return uuid7(seconds, number).bytes

    @staticmethod
    def instant(seconds):
        return f"CAST(({seconds}) * 1000000 AS INTEGER)"

    @staticmethod
    def uid(seconds, number):
        return f"uid({seconds}, {number})"

    def series(self, count):
        return f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT {count}) SELECT n FROM s)"

    def run(self, sql):
        self.db.executescript(f"BEGIN; {sql}; COMMIT")

    def rows(self, table, columns, rows):
        marks = ", ".join("?" * len(columns))
        self.db.execute("BEGIN")
        self.db.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
        self.db.execute("COMMIT")

    def one(self, sql):
        return self.db.execute(sql).fetchone()[0]

    def without_indexes(self, table):
        found = self.db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?", (table,)
        ).fetchall()
        for name, _ in found:
            self.db.execute(f"DROP INDEX {name}")
        return [sql for _, sql in found]

    def finish(self):
        self.db.execute("ANALYZE")
        self.db.execute("PRAGMA journal_mode = WAL").fetchone()
        self.db.close()


class Postgres:
    """Through psql: statements in a pipe, rows by COPY."""

    def __init__(self, url):
        self.url = url
        self.random = "uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())"

    @staticmethod
    def at(seconds):
        return time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(seconds))

    @staticmethod
    def id(seconds, number):
        return str(uuid7(seconds, number))

    @staticmethod
    def instant(seconds):
        return f"to_timestamp({seconds})"

    @staticmethod
    def uid(seconds, number):
        return f"(lpad(to_hex((({seconds}) * 1000.0)::bigint), 12, '0') || '70008000' || lpad(to_hex({number}), 12, '0'))::uuid"

    def run(self, sql):
        self.psql(sql)

    def psql(self, text, *options):
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, self.url]
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"bench-growth: psql: {done.stderr}")
        return done.stdout

    def series(self, count):
        return f"(SELECT generate_series(1::bigint, {count}) AS n) AS s"

    def rows(self, table, columns, rows):
        def text(value):
            if value is None:
                return r"\N"
            return r"\\x" + value.hex() if isinstance(value, bytes) else str(value)

        lines = "\n".join("\t".join(map(text, row)) for row in rows)
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", f"COPY {table} ({', '.join(columns)}) FROM STDIN", self.url]
        subprocess.run(command, input=lines, text=True, check=True)

    def one(self, sql):
        return self.psql(sql, "-At").strip()

    def without_indexes(self, table):
        found = self.psql(
            "SELECT indexname || '|' || indexdef FROM pg_indexes WHERE schemaname = current_schema() "
            f"AND tablename = '{table}' AND indexname !~ '_p?key$'", "-At"
        ).splitlines()
        made = []
        for line in found:
            name, definition = line.split("|", 1)
            self.run(f"DROP INDEX {name}")
            made.append(definition)
        return made

    def finish(self):
        self.run("VACUUM ANALYZE")
        self.run("CHECKPOINT")


def load(db, size, made):
    """One table after the other, each in the order of its key and with its indexes made at the end."""
    now = int(time.time())
    joined, lives = now - 30 * DAY, (db.at(now), db.at(now + 7200))
    app = f"'grow-' || (n % {size.clients})"
    apps = range(size.clients)
    db.rows(
        "clients",
        ["id", "name", "scopes", "reset_url", "created_at"],
        [(client_id(n), f"App {n}", SCOPES, "https://app.example/{token}", db.at(joined)) for n in apps],
    )
    db.rows(
        "client_secrets",
        ["id", "client_id", "digest", "created_at"],
        [(db.id(joined, n), client_id(n), made.secrets[n], db.at(joined)) for n in apps],
    )
    address, hash_of_all = f"'u' || ({FIRST} + n) || '@example.com'", db.one("SELECT password_hash FROM users")
    fill(
        db,
        "users",
        "id, email, email_key, password_hash, profile, created_at",
        f"{db.uid(joined, 'n')}, {address}, {address}, '{hash_of_all}', '{{}}', {db.instant(joined)}",
        size.users,
    )
    known = [(digest(text), client_id(n % size.clients), SCOPES, *lives) for n, text in enumerate(made.tokens)]
    columns = ["digest", "client_id", "scopes", "created_at", "expires_at"]
    indexes = db.without_indexes("access_tokens")
    tokens(db, size, f"{now} - n % 1800", f"{now} + 7200 + n % 1800", size.users)
    db.rows("access_tokens", columns, known)
    for index in indexes:
        db.run(index)
    asked = f"{now - 6 * DAY} + n * {5 * DAY}.0 / {size.mails}"
    fill(
        db,
        "mails",
        "id, kind, address_key, client_id, state, created_at, expires_at, attempts, finished_at",
        f"{db.uid(asked, 'n')}, 'reset', {address}, {app}, 'sent', {db.instant(asked)}, {db.instant(asked + ' + 3600')}, 1, {db.instant(asked)}",
        size.mails,
    )
    fill(
        db,
        "reset_tokens",
        "digest, user_id, mail_id, requested_at, expires_at",
        f"{db.random}, {db.uid(joined, 'n')}, {db.uid(asked, 'n')}, {db.instant(now)}, {db.instant(now + 7200)}",
        size.links,
    )
    owner, mail = db.id(joined, 1), db.id(now - 6 * DAY + 5.0 * DAY / size.mails, 1)
    db.rows(
        "reset_tokens",
        ["digest", "user_id", "mail_id", "requested_at", "expires_at"],
        [(digest(link), owner, mail, *lives) for link in made.links],
    )
    entries(db, size, now - 10 * DAY, size.mails)
    db.finish()


def load_ended(db, size):
    """What a purge deletes, among all the rest."""
    now = int(time.time())
    tokens(db, size, now - DAY, f"{now - 3600} - n % 1800", EXPIRED)
    entries(db, size, now - 400 * DAY, EXPIRED)


def tokens(db, size, begin, end, count):
    issued = f"{db.random} AS digest, 'grow-' || (n % {size.clients}), '{SCOPES}', {db.instant(begin)}, {db.instant(end)}"
    columns = "digest, client_id, scopes, created_at, expires_at"
    db.run(f"INSERT INTO access_tokens ({columns}) SELECT {issued} FROM {db.series(count)} ORDER BY 1")


def entries(db, size, start, count):
    columns = "id, at, act, client_id, request_id, address"
    entry = f"{db.uid(start, 'n')}, {db.instant(start)}, 'token.issue', 'grow-' || (n % {size.clients}), 'r' || n, '192.0.2.1'"
    db.run(f"INSERT INTO audit ({columns}) SELECT {entry} FROM {db.series(count)}")


def fill(db, table, columns, values, count):
    indexes = db.without_indexes(table)
    db.run(f"INSERT INTO {table} ({columns}) SELECT {values} FROM {db.series(count)}")
    for index in indexes:
        db.run(index)
