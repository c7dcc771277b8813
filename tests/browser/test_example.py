"""`examples/app.py`: the page of code that shows what an app has to do does it."""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import time

import pytest

from service import ROOT, free_port, wait_for

NEW = "four unrelated quiet words"
REMEMBERED = 1.1  # seconds: longer than the service trusts what it has read when another process writes


@contextlib.contextmanager
def example(unforget, port, client):
    """The example, running; gives back where it is."""
    own = {"OAUTH_ISSUER": unforget, "PORT": str(port), "OAUTH_CLIENT_ID": client["client_id"],
           "OAUTH_CLIENT_SECRET": client["client_secret"], "PATH": os.environ["PATH"]}
    process = subprocess.Popen([sys.executable, ROOT / "examples/app.py"], env=own, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        said = process.communicate(timeout=20)[0]
    assert "uf_" not in said and "Traceback" not in said, "the example keeps its secrets to itself"


@pytest.fixture(scope="module")
def app(service):
    """The example as an operator would register and start it."""
    port = free_port()
    url = f"http://localhost:{port}/reset?token={{token}}&email={{email}}"
    client = service.command("client", "add", "Example", "--scope", "password:remind password:reset", "--reset-url", url)
    with example(service.base, port, client) as place:
        yield place


@pytest.fixture
def page(browser):
    context = browser.new_context(locale="en-GB")
    yield context.new_page()
    context.close()


def forgot(page, app, address, said="If there is such an account, a mail is on its way."):
    wait_for("the example listens", lambda: listens(page, f"{app}/forgot"))
    page.get_by_label("Email address").fill(address)
    page.get_by_role("button", name="Send me a link").click()
    page.get_by_role("heading", name=said).wait_for()


def listens(page, url):
    try:
        return page.goto(url).ok
    except Exception:  # noqa: BLE001: the browser's way to say that nobody listens yet
        return False


def reset(page, password, confirmation=None):
    page.get_by_label("New password").fill(password)
    page.get_by_label("The same again").fill(password if confirmation is None else confirmation)
    page.get_by_role("button", name="Set new password").click()


def test_the_example_app_replaces_a_forgotten_password(service, user, app, page):
    forgot(page, app, user)
    letter = wait_for("the mail comes", lambda: service.letters(user))[0]
    link = re.search(r"\S*uf_rt_\S+", letter)[0]
    assert link.startswith(f"{app}/reset?token=uf_rt_")
    # Its screen may be looked at as often as one likes.
    for _ in range(3):
        page.goto(link)
        page.get_by_role("heading", name="Choose a new password").wait_for()
    assert page.get_by_label("Account").input_value() == user
    reset(page, NEW, "something else")
    page.get_by_role("heading", name="The password is wrong. mismatch").wait_for()
    reset(page, NEW)
    page.get_by_role("heading", name="Your new password is set. Please sign in.").wait_for()
    assert service.password_changed(user)
    page.goto(link)
    page.get_by_role("heading", name="The reset token is invalid.").wait_for()
    assert page.get_by_role("textbox").count() == 0


def test_the_example_app_keeps_its_token_and_gets_a_new_one_when_it_has_ended(service, user, app, page):
    asked = lambda: len([line for line in service.wire.heads("") if line.startswith("POST /oauth/token")])  # noqa: E731
    forgot(page, app, user)
    before = asked()
    forgot(page, app, user)
    assert asked() == before, "one token serves many calls"
    with sqlite3.connect(f"{service.folder.name}/unforget.db", timeout=20) as database:
        database.execute("DELETE FROM access_tokens")
    time.sleep(REMEMBERED)
    forgot(page, app, user)
    assert asked() == before + 1
    assert wait_for("every mail has come", lambda: len(service.letters(user)) == 3)


def test_the_example_app_says_so_when_the_service_is_away(page):
    client = {"client_id": "uf_cl_x", "client_secret": "uf_cs_x"}
    with example(f"http://127.0.0.1:{free_port()}", free_port(), client) as app:
        forgot(page, app, "ann@example.com", said="This does not work just now. Please try again in a moment.")
