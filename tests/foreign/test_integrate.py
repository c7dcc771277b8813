"""docs/integrate.md: every piece of code in it is run as it stands there. The Rust one is compiled into the tests of cargo."""

import os
import re
import subprocess
import sys

import pytest

from service import ROOT, wait_for

PAGE = (ROOT / "docs/integrate.md").read_text()


def pieces(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def settings(service, address):
    """What the page says to have in the environment, and a user who gets the mail."""
    service.command("user", "add", address)
    client = service.client("password:remind")
    return {"UNFORGET_URL": service.base, "OAUTH_CLIENT_ID": client["client_id"], "OAUTH_CLIENT_SECRET": client["client_secret"],
            "EMAIL": address}


def check(service, printed, settings):
    assert "200" in printed and "reminder_sent" in printed
    wait_for("the mail has come", lambda: service.letters_to(settings["EMAIL"]))


def test_the_python_of_the_page_sends_a_mail(service, settings):
    [program] = pieces("python")
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | settings, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    check(service, done.stdout, settings)


def test_the_javascript_of_the_page_sends_a_mail(service, settings, node, tmp_path):
    [program] = pieces("js")
    path = tmp_path / "from-the-page.mjs"
    path.write_text(program)
    check(service, node(path, **settings), settings)


def test_the_shell_of_the_page_sends_a_mail(service, settings):
    [program] = pieces("sh")
    done = subprocess.run(["sh", "-eu", "-c", program], env=os.environ | settings, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    check(service, done.stdout, settings)
