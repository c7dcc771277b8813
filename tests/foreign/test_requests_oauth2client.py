"""requests-oauth2client: everything from the metadata, keys instead of secrets (RFC 7523), bound tokens (RFC 9449)."""

import pytest
import requests
from jwskate import Jwk
from requests_oauth2client import (ApiClient, ClientSecretBasic, ClientSecretPost, DPoPKey, InvalidClient, InvalidScope, OAuth2Client,
                                   OAuth2ClientCredentialsAuth, PrivateKeyJwt)

from conftest import CLIENTS

METADATA = "/.well-known/oauth-authorization-server"
METHODS = {"basic": ClientSecretBasic, "post": ClientSecretPost}


def discovered(service, auth):
    return OAuth2Client.from_discovery_endpoint(service.base + METADATA, auth=auth, testing=True)  # testing: plain http


def secret(client, method="basic"):
    return METHODS[method](client["client_id"], client["client_secret"])


def remind(service, auth, address):
    answer = ApiClient(service.base, auth=auth).post("/v1/password/remind", json={"email": address})
    assert answer.json()["status"] == "reminder_sent"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", CLIENTS)
def test_o04_o06_requests_oauth2client_gets_a_token_and_calls_the_api(service, clients, kind, method, address):
    client = discovered(service, secret(clients[kind], method))
    remind(service, OAuth2ClientCredentialsAuth(client, scope="password:remind"), address)


def test_x01_x02_requests_oauth2client_looks_a_token_up_and_ends_it(service, address):
    registered = service.client()
    client = discovered(service, secret(registered))
    token = client.client_credentials(scope="password:remind")
    seen = client.introspect_token(token)
    assert (seen["active"], seen["scope"], seen["client_id"]) == (True, "password:remind", registered["client_id"])
    assert client.revoke_access_token(token) is True
    assert client.introspect_token(token) == {"active": False}
    with pytest.raises(requests.HTTPError, match="401"):
        remind(service, token, address)


def test_o08_o11_requests_oauth2client_understands_refusals(service):
    registered = service.client("password:remind")
    with pytest.raises(InvalidScope):
        discovered(service, secret(registered)).client_credentials(scope="users:write")
    with pytest.raises(InvalidClient):
        discovered(service, secret(registered | {"client_secret": "wrong"})).client_credentials()


def with_key(service, alg):
    """A client that has registered this key, and its way of authenticating. The audience is the issuer (bar X06)."""
    key = Jwk.generate_for_alg(alg).with_kid_thumbprint()
    registered = service.client_with_keys([dict(key.public_jwk())])
    return PrivateKeyJwt(registered["client_id"], key, aud=service.base)


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "RS256", "PS256"])
def test_x06_requests_oauth2client_authenticates_by_a_key(service, alg, address):
    client = discovered(service, with_key(service, alg))
    token = client.client_credentials(scope="password:remind")
    remind(service, token, address)
    assert client.introspect_token(token)["active"] is True
    assert client.revoke_access_token(token) is True
    assert client.introspect_token(token) == {"active": False}


def test_x06_a_key_that_is_not_registered_is_refused(service):
    method, other = with_key(service, "ES256"), with_key(service, "ES256")
    stranger = PrivateKeyJwt(method.client_id, other.private_jwk, aud=service.base)
    with pytest.raises(InvalidClient):
        discovered(service, stranger).client_credentials()


def test_x06_the_audience_is_the_issuer_and_nothing_else(service):
    # What the library takes when it is not told: the address of the token endpoint. docs/integrate.md says what to tell it.
    method = with_key(service, "ES256")
    with pytest.raises(InvalidClient):
        discovered(service, PrivateKeyJwt(method.client_id, method.private_jwk)).client_credentials()


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "RS256", "PS256"])
def test_x08_requests_oauth2client_calls_the_api_with_a_bound_token(either, alg, address):
    client = discovered(either, secret(either.client()))
    token = client.client_credentials(scope="password:remind", dpop=True, dpop_alg=alg)
    assert token.token_type == "DPoP"
    remind(either, token, address)
    seen = client.introspect_token(token)
    assert seen["token_type"] == "DPoP"
    assert seen["cnf"]["jkt"] == token.dpop_key.private_key.thumbprint()


def test_x06_x08_requests_oauth2client_binds_a_token_that_it_got_by_a_key(either, address):
    token = discovered(either, with_key(either, "ES256")).client_credentials(scope="password:remind", dpop=True)
    remind(either, token, address)


def test_x09_a_bound_token_is_no_bearer_token(either, address):
    token = discovered(either, secret(either.client())).client_credentials(dpop=True)
    answer = requests.post(either.base + "/v1/password/remind", json={"email": address},
                           headers={"Authorization": f"Bearer {token.access_token}"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("DPoP ")


def test_x09_a_service_that_wants_nonces_says_so_and_the_library_obeys(strict):
    url, registered = strict.base + "/oauth/token", strict.client()
    proof = str(DPoPKey.generate().proof(htm="POST", htu=url))
    credentials = (registered["client_id"], registered["client_secret"])
    answer = requests.post(url, {"grant_type": "client_credentials"}, auth=credentials, headers={"DPoP": proof})
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    assert answer.headers["DPoP-Nonce"]
    assert discovered(strict, secret(registered)).client_credentials(dpop=True).dpop_key.as_nonce
