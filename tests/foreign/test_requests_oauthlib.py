"""requests-oauthlib: Basic as it stands, or the secret in the body."""

import pytest
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, InvalidScopeError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from conftest import CLIENTS


@pytest.fixture(autouse=True)
def plain_http(monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def session(service, client, method="basic", scope=None):
    """A session that has its token."""
    made = OAuth2Session(client=BackendApplicationClient(client_id=client["client_id"], scope=scope))
    if method == "basic":
        made.fetch_token(service.base + "/oauth/token", auth=HTTPBasicAuth(client["client_id"], client["client_secret"]))
    else:
        made.fetch_token(service.base + "/oauth/token", client_secret=client["client_secret"], include_client_id=True)
    return made


@pytest.mark.parametrize("method", ["basic", "post"])
@pytest.mark.parametrize("kind", CLIENTS)
def test_o04_o06_requests_oauthlib_gets_a_token_and_calls_the_api(service, clients, kind, method, address):
    app = session(service, clients[kind], method, ["password:reset", "password:remind"])
    answer = app.post(service.base + "/v1/password/remind", data={"email": address})
    assert (answer.status_code, answer.json()["status"]) == (200, "reminder_sent"), answer.text


def test_o16_requests_oauthlib_is_content_with_all_scopes_when_it_asked_for_none(service):
    # It raises a warning as an error when what it got is not what it asked for.
    assert set(session(service, service.client()).token["scope"]) == {"password:remind", "password:reset"}


@pytest.mark.parametrize("method", ["basic", "post"])
def test_o08_requests_oauthlib_understands_that_a_secret_is_wrong(service, method):
    with pytest.raises(InvalidClientError):
        session(service, service.client() | {"client_secret": "wrong"}, method)


def test_o11_requests_oauthlib_understands_that_a_scope_is_too_much(service):
    with pytest.raises(InvalidScopeError):
        session(service, service.client("password:remind"), scope=["users:write"])
