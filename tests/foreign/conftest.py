"""Each test runs against the real service, on SQLite and, where there is a server, on PostgreSQL. What they all do is the same:
get a token, and call the API with it."""

import itertools
import os
import shutil
import subprocess

import pytest

from service import ROOT, Service

DATABASES = ["sqlite"] + (["postgres"] if os.environ.get("TEST_DATABASE_URL") else [])
# Where scripts/test-foreign has put the libraries: Node finds them from where a program stands.
NODE_FOLDER = ROOT / "target/foreign-node"
# Credentials that somebody else's system made. As it stands, the first has no form encoding, the second reads as another secret when
# it is decoded, and in the third "%c~" cannot be decoded at all (bar O04).
LEGACY = {
    "an id with a dash": ("svc-a_1", "s-e_c.r~t*!"),
    "a secret that decodes": ("svc-b", "a+b%20c/d~e*f!"),
    "a secret that does not": ("svc.c", "a+b%c~d*e!f/g"),
}
CLIENTS = ["made here", *LEGACY]
numbers = itertools.count(1)


@pytest.fixture(scope="session", params=DATABASES)
def database(request):
    return request.param


@pytest.fixture(scope="session")
def service(database):
    yield from running(Service(database))


@pytest.fixture(scope="session")
def strict(database):
    """A service that takes no proof of a key without a nonce of its own (RFC 9449 section 8)."""
    yield from running(Service(database, UNFORGET_DPOP__REQUIRE_NONCE="true"))


@pytest.fixture(params=["service", "strict"])
def either(request, database):
    return request.getfixturevalue(request.param)


def running(service):
    yield service
    service.stop()
    assert service.faults == []


@pytest.fixture(scope="session")
def clients(service):
    """One client of each kind."""
    brought = {name: service.known_client(*credentials) for name, credentials in LEGACY.items()}
    return {"made here": service.client()} | brought


@pytest.fixture
def address():
    """One that was never asked for."""
    return f"user{next(numbers)}@example.com"


@pytest.fixture
def node(service, tmp_path):
    """Runs a program with Node and gives back what it prints."""

    def run(program, *arguments, folder=tmp_path, **environment):
        # Never two at once in one process, so that one folder serves them all.
        for source in [*(ROOT / "tests/foreign/node").glob("*.mjs"), program]:
            shutil.copy(source, NODE_FOLDER)
        environment = service.environment | {"OAUTH_ISSUER": service.base, "NODE_NO_WARNINGS": "1"} | environment
        done = subprocess.run(["node", NODE_FOLDER / program.name, *arguments], env=environment, cwd=folder, text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
