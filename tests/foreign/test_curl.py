"""curl, as in a shell script."""

import json
import subprocess

import pytest

from conftest import CLIENTS


def curl(url, *arguments):
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", *arguments, url], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("method", ["basic", "post"])
@pytest.mark.parametrize("kind", CLIENTS)
def test_o04_o06_curl_gets_a_token_and_calls_the_api(service, clients, kind, method, address):
    client_id, secret = clients[kind]["client_id"], clients[kind]["client_secret"]
    credentials = {
        "basic": ["-u", f"{client_id}:{secret}"],
        "post": ["--data-urlencode", f"client_id={client_id}", "--data-urlencode", f"client_secret={secret}"],
    }[method]
    token = curl(service.base + "/oauth/token", *credentials, "-d", "grant_type=client_credentials")["access_token"]
    answer = curl(service.base + "/v1/password/remind", "--oauth2-bearer", token, "--json", json.dumps({"email": address}))
    assert answer["status"] == "reminder_sent"
