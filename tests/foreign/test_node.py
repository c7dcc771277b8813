"""The libraries of Node: each program in node/ is one of them, and each of its scenarios one test."""

import json
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "node"
ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256"]


@pytest.fixture
def run(node):
    def run(library, scenario, *arguments, **values):
        environment = {name.upper(): json.dumps(value) for name, value in values.items()}
        assert node(PROGRAMS / f"{library}.mjs", scenario, *arguments, **environment).endswith("done\n")
    return run


@pytest.mark.parametrize("library,method", [
    ("openid-client", "basic"), ("openid-client", "post"),
    ("oauth4webapi", "basic"), ("oauth4webapi", "post"),
    ("simple-oauth2", "strict"), ("simple-oauth2", "loose"), ("simple-oauth2", "post"),
    ("badgateway", "basic"), ("badgateway", "raw"), ("badgateway", "post"),
])
def test_o04_o06_every_client_gets_a_token_and_calls_the_api_by(run, clients, library, method):
    run(library, "call", method, clients=clients)


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi", "simple-oauth2", "badgateway"])
def test_x01_x02_a_token_is_looked_up_and_ended_by(run, service, library):
    run(library, "end", client=service.client())


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi", "simple-oauth2", "badgateway"])
def test_o08_o11_refusals_are_understood_by(run, service, library):
    run(library, "refused", client=service.client("password:remind"))


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
def test_x11_clients_are_registered_by(run, service, library):
    run(library, "register", token=service.admin_token("password:remind"))


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
def test_x06_a_key_authenticates(run, node, service, library, alg):
    keys = json.loads(node(PROGRAMS / "key.mjs", alg))
    run(library, "key", alg, client=service.client_with_keys([keys["public"]]), key=keys["private"])


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
def test_x08_x09_a_bound_token_calls_the_api(run, service, library, alg):
    run(library, "bound", alg, client=service.client())
