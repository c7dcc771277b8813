"""The libraries of Node: each program in node/ is one of them, and each of its scenarios one test."""

import json
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "node"


@pytest.fixture
def run(node, service):
    def run(library, scenario, *arguments, at=service, **values):
        environment = {name.upper(): json.dumps(value) for name, value in values.items()} | {"OAUTH_ISSUER": at.base}
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
    run(library, "register", token=service.admin_token)


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
def test_x06_keys_of_every_kind_are_registered_and_authenticate_by(run, service, library):
    run(library, "keys", token=service.admin_token)


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
def test_x08_x09_bound_tokens_of_every_kind_of_key_call_the_api_by(run, either, library):
    run(library, "bound", at=either, client=either.client())


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
def test_x06_x08_a_key_authenticates_and_another_one_is_bound_by(run, either, library):
    run(library, "both", at=either, token=either.admin_token)
