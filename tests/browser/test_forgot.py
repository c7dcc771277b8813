"""`/forgot`: a visitor asks for a link, and learns nothing about who has an account (bar F01)."""

import re

from conftest import fill, send
from service import wait_for

SENT = "Look into your mailbox"


def ask(page, address):
    page.get_by_label("Email address").fill(address)
    page.get_by_role("button", name="Send me a link").click()


def test_a_forgotten_password_is_replaced_without_any_app(service, user, visit):
    page = visit.open(f"{service.base}/forgot")
    ask(page, f" {user.upper()} ")
    page.get_by_role("heading", name=SENT).wait_for()
    assert page.title() == SENT
    letter = wait_for("the mail comes", lambda: service.letters(user))[0]
    page.goto(re.search(r"\S*uf_rt_\S+", letter)[0])
    page.get_by_role("heading", name="Choose a new password").wait_for()
    fill(page, "four unrelated quiet words")
    send(page)
    page.get_by_role("heading", name="Your new password is set").wait_for()
    assert service.password_changed(user)


def test_f01_a_stranger_sees_the_same_words(service, user, visit):
    seen = []
    for address in [user, "nobody@example.com"]:
        page = visit.open(f"{service.base}/forgot")
        ask(page, address)
        page.get_by_role("heading", name=SENT).wait_for()
        text = page.locator("main").inner_text()
        assert address in text
        seen.append(text.replace(address, "ADDRESS"))
    assert seen[0] == seen[1]


def test_a_malformed_address_is_told_and_can_be_mended(service, user, visit):
    page = visit.open(f"{service.base}/forgot")
    for wrong in ["", "ann", "ann@", "ann@example..com"]:
        ask(page, wrong)
        page.get_by_role("alert").get_by_text("not a complete email address").wait_for()
        assert page.locator("[aria-invalid=true]").get_attribute("id") == "email"
        assert page.evaluate("document.activeElement.id") == "problem"
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type(user)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=SENT).wait_for()


def test_a_french_visitor_gets_a_french_mail(service, user, visits):
    page = visits(locale="fr-CA").open(f"{service.base}/forgot")
    page.get_by_label("Adresse e-mail").fill(user)
    page.get_by_role("button", name="M'envoyer un lien").click()
    page.get_by_role("heading", name="Consultez votre messagerie").wait_for()
    assert "Pour choisir un nouveau mot de passe" in wait_for("the mail comes", lambda: service.letters(user))[0]
