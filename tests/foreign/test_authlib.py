"""authlib: its session sends HTTP Basic as it stands, and gets new tokens by itself."""

import time

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc.jwk import ECKey

from conftest import CLIENTS


def session(service, client, **options):
    return OAuth2Session(client["client_id"], client["client_secret"], token_endpoint=service.base + "/oauth/token",
                         grant_type="client_credentials", **options)


def remind(service, session, address):
    answer = session.post(service.base + "/v1/password/remind", json={"email": address})
    assert (answer.status_code, answer.json()["status"]) == (200, "reminder_sent"), answer.text


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("kind", CLIENTS)
def test_o04_o06_authlib_gets_a_token_and_calls_the_api(service, clients, kind, method, address):
    app = session(service, clients[kind], scope="password:remind", token_endpoint_auth_method=method)
    token = app.fetch_token()
    assert (token["token_type"], token["scope"], token["expires_in"]) == ("Bearer", "password:remind", 3600)
    remind(service, app, address)


def test_authlib_gets_a_new_token_by_itself_when_the_old_one_is_about_to_end(service, address):
    app = session(service, service.client("password:remind", "--token-lifetime", "30s"))  # it renews a minute before the end
    first = app.fetch_token()["access_token"]
    remind(service, app, address)
    assert app.token["access_token"] != first


def test_x01_x02_authlib_looks_a_token_up_and_ends_it(service, address):
    app = session(service, service.client())
    token = app.fetch_token()["access_token"]
    assert app.introspect_token(service.base + "/oauth/introspect", token).json()["active"] is True
    assert app.revoke_token(service.base + "/oauth/revoke", token).status_code == 200
    assert app.introspect_token(service.base + "/oauth/introspect", token).json() == {"active": False}
    assert app.post(service.base + "/v1/password/remind", json={"email": address}).status_code == 401


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_o08_authlib_understands_that_a_secret_is_wrong(service, method):
    app = session(service, service.client() | {"client_secret": "wrong"}, token_endpoint_auth_method=method)
    with pytest.raises(OAuthError) as refused:
        app.fetch_token()
    assert (refused.value.error, refused.value.description) == ("invalid_client", "client authentication failed")


def test_o11_authlib_understands_that_a_scope_is_too_much(service):
    with pytest.raises(OAuthError) as refused:
        session(service, service.client("password:remind"), scope="users:write").fetch_token()
    assert refused.value.error == "invalid_scope"


def with_key(service):
    key = ECKey.generate_key("P-256")
    registered = service.client_with_keys([key.as_dict(private=False)])
    return session(service, registered | {"client_secret": key}, token_endpoint_auth_method="private_key_jwt")


def test_x06_authlib_authenticates_by_a_key(service, address):
    app = with_key(service)
    for _ in range(2):
        issuer = service.base  # It is the audience, whatever the parameter is called.
        app.register_client_auth_method(PrivateKeyJWT(issuer, alg="ES256", claims={"exp": int(time.time()) + 60}))
        app.fetch_token()
        remind(service, app, address)


def test_x06_an_assertion_that_lives_for_an_hour_is_refused(service):
    app = with_key(service)
    app.register_client_auth_method(PrivateKeyJWT(service.base, alg="ES256"))
    with pytest.raises(OAuthError, match="invalid_client"):
        app.fetch_token()


def test_x04_authlib_accepts_the_metadata_but_for_its_having_no_response_types(service):
    metadata = AuthorizationServerMetadata(requests.get(service.base + "/.well-known/oauth-authorization-server", timeout=10).json())
    with pytest.raises(ValueError, match="response_types_supported"):
        metadata.validate_response_types_supported()
