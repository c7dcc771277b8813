"""Clients whose credentials were made elsewhere."""

import hashlib
import sqlite3
import time
import uuid
from datetime import datetime, timezone

import psycopg


def insert(service, rows):
    if service.database:
        now = datetime.now(timezone.utc)
        with psycopg.connect(service.database.url) as connection:
            for statement, values in rows(now, uuid.uuid4()):
                connection.execute(statement.replace("?", "%s"), values)
    else:
        path = service.environment["UNFORGET_DATABASE_URL"].removeprefix("sqlite://")
        with sqlite3.connect(path, timeout=20) as connection:
            for statement, values in rows(time.time_ns() // 1000, uuid.uuid4().bytes):
                connection.execute(statement, values)


def client(service, client_id, secret):
    insert(service, lambda now, id: [
        ("INSERT INTO clients (id, name, scopes, created_at) VALUES (?, ?, ?, ?)",
         (client_id, "An older service", "password:remind password:reset", now)),
        ("INSERT INTO client_secrets (id, client_id, digest, created_at) VALUES (?, ?, ?, ?)",
         (id, client_id, hashlib.sha256(secret.encode()).digest(), now)),
    ])
    return {"client_id": client_id, "client_secret": secret}

