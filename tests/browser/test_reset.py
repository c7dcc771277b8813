"""`/reset`: the mailed link sets a new password, once (bar F20, P15, F17)."""

import re

import pytest

from conftest import fill, send
from service import wait_for

NEW = "four unrelated quiet words"
SET = "Your new password is set"
DEAD = "This link no longer works"


def test_f20_the_mailed_link_sets_a_new_password_once(service, user, visit):
    link = service.link(user)
    token = link.split("token=")[1]
    assert link == f"{service.base}/reset#token={token}"
    page = visit.open(link)
    page.get_by_role("heading", name="Choose a new password").wait_for()
    assert re.fullmatch(r"Your link works once, until (\w+day )?\d{1,2}:\d\d\.", page.locator("#until").inner_text())
    assert page.url == f"{service.base}/reset"
    assert page.evaluate("history.length") <= 2, "the secret is not in the history"
    fill(page, NEW)
    send(page)
    page.get_by_role("heading", name=SET).wait_for()

    assert page.title() == SET
    assert page.locator("input").count() == 0, "what was typed is gone"
    assert token not in page.content() and NEW not in page.content()
    assert service.password_changed(user)
    assert "was changed" in wait_for("the notice comes", lambda: service.letters(user)[1:])[0]
    # The secret did travel, in bodies only: the test would see it in a request line.
    assert token.encode() in service.wire.sent

    # Once: the same link, in a new window and in this one.
    page.goto("about:blank")
    visit.open(link)
    page.get_by_role("heading", name=DEAD).wait_for()
    assert page.get_by_role("link", name="Ask for a new link").get_attribute("href") == "forgot"


def test_a_dead_link_says_so_and_leads_to_a_new_one(service, user, visit):
    link = service.link(user)
    service.command("user", "disable", user)
    page = visit.open(link)
    page.get_by_role("heading", name=DEAD).wait_for()
    assert page.title() == DEAD
    page.get_by_role("link", name="Ask for a new link").click()
    page.get_by_role("heading", name="Forgot your password?").wait_for()


def test_without_forgot_a_dead_link_leads_back_to_the_app(serve, visits):
    service = serve(page=False)
    visit = visits(service)
    page = visit.open(f"{service.base}/reset#token=uf_rt_x")
    page.get_by_role("heading", name=DEAD).wait_for()
    assert page.get_by_role("link").count() == 0
    assert page.get_by_text("go back to the app").is_visible()


def test_a_link_that_dies_while_its_reader_types_says_so(service, user, visits):
    link = service.link(user)
    first, second = visits(), visits()
    pages = [first.open(link), second.open(link)]
    for page in pages:
        page.get_by_role("heading", name="Choose a new password").wait_for()
        fill(page, NEW)
        send(page)
    pages[0].get_by_role("heading", name=SET).wait_for()
    pages[1].get_by_role("heading", name=DEAD).wait_for()
    assert pages[1].locator("input").count() == 0


def test_the_page_without_a_link_and_after_a_reload_asks_for_the_mail(service, user, visit):
    page = visit.open(f"{service.base}/reset")
    page.get_by_role("heading", name="Open the link in your mail").wait_for()
    # A second link, opened in the same tab, changes the fragment only.
    link = service.link(user)
    page.goto(link)
    page.get_by_role("heading", name="Choose a new password").wait_for()
    page.reload()
    page.get_by_role("heading", name="Open the link in your mail").wait_for()
    page.goto(link)
    page.get_by_role("heading", name="Choose a new password").wait_for()


@pytest.mark.parametrize(("password", "confirmation", "sentences", "wrong"), [
    ("short", None, ["too short: it needs at least 6 characters"], ["password"]),
    ("short", "shorter", ["needs at least 6 characters", "The two passwords are not the same"], ["password", "confirmation"]),
    (NEW, NEW + "!", ["The two passwords are not the same"], ["confirmation"]),
    ("x" * 1025, None, ["too long: it may have at most 1024 characters"], ["password"]),
    ("x" * 20000, None, ["too long: it may have at most 1024 characters"], ["password"]),
    ("", None, ["too short"], ["password"]),
])
def test_the_rule_that_failed_is_shown_and_the_link_lives_on(service, user, visit, password, confirmation, sentences, wrong):
    page = visit.open(service.link(user))
    fill(page, password, confirmation)
    send(page)
    problem = page.get_by_role("alert").and_(page.locator(":focus"))
    problem.wait_for()
    for sentence in sentences:
        assert sentence in problem.inner_text()
    assert problem.locator("p").count() == len(sentences)
    assert [each.get_attribute("id") for each in page.locator("[aria-invalid=true]").all()] == wrong
    assert page.get_by_label("New password").input_value() == password, "nothing is lost"

    fill(page, NEW)
    send(page)
    page.get_by_role("heading", name=SET).wait_for()


def test_strict_rules_are_told_in_sentences_too(serve, visits):
    service = serve(UNFORGET_PASSWORD__POLICY="nist")
    page = visits(service).open(service.link(service.user("annette@example.com")))
    page.get_by_text("At least 15 characters").wait_for()
    assert page.get_by_label("New password").get_attribute("passwordrules") == "minlength: 15; maxlength: 1024;"
    for password, sentence in [
        ("passwordpassword", "one of those that others guess first"),
        ("Annette rides green kites", "contains a part of your address or the name of the service"),
        ("too short", "it needs at least 15 characters"),
    ]:
        fill(page, password)
        send(page)
        page.get_by_role("alert").get_by_text(sentence).wait_for()
    fill(page, "nine green kites ride uphill")
    send(page)
    page.get_by_role("heading", name=SET).wait_for()


def test_p15_password_managers_paste_and_the_show_toggle_work(service, user, visit):
    page = visit.open(service.link(user) + f"&email={user}")
    page.get_by_role("heading", name="Choose a new password").wait_for()
    fields = [page.get_by_label("New password"), page.get_by_label("The same password again")]
    for field in fields:
        assert (field.get_attribute("type"), field.get_attribute("autocomplete")) == ("password", "new-password")
        assert field.get_attribute("maxlength") is None
    account = page.get_by_label("Account")
    assert (account.input_value(), account.get_attribute("autocomplete")) == (user, "username")
    assert not account.is_editable()

    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(f"navigator.clipboard.writeText('{NEW}')")
    for field in fields:
        field.focus()
        page.keyboard.press("Control+V")
        assert field.input_value() == NEW

    toggle = page.get_by_role("button", name="Show passwords")
    for pressed, kind in [("true", "text"), ("false", "password"), ("true", "text")]:
        toggle.click()
        assert toggle.get_attribute("aria-pressed") == pressed
        assert [field.get_attribute("type") for field in fields] == [kind, kind]
    # Shown passwords are hidden again before they are sent, or browsers would remember them as ordinary text.
    page.route("**/reset", lambda route: route.abort())
    send(page)
    page.get_by_role("alert").get_by_text("cannot be reached").wait_for()
    assert [field.get_attribute("type") for field in fields] == ["password", "password"]
    page.unroute("**/reset")
    send(page)
    page.get_by_role("heading", name=SET).wait_for()


@pytest.mark.parametrize("stated", ["", "&email=", "&email=nobody", "&email=a b@example.com", "&email=" + "x" * 255 + "@example.com"])
def test_without_a_usable_address_in_the_link_there_is_no_account_field(service, user, visit, stated):
    page = visit.open(service.link(user) + stated)
    page.get_by_role("heading", name="Choose a new password").wait_for()
    assert page.locator("input").count() == 2


def test_all_of_it_works_with_the_keyboard_alone(service, user, visit):
    page = visit.open(service.link(user))
    page.get_by_role("heading", name="Choose a new password").wait_for()
    focused = lambda: page.evaluate("document.activeElement.id")  # noqa: E731
    keys = page.keyboard
    keys.press("Tab")
    assert focused() == "password"
    keys.type("short")
    keys.press("Enter")
    page.get_by_role("alert").get_by_text("too short").wait_for()
    assert focused() == "problem"
    order = []
    for _ in range(4):
        keys.press("Tab")
        order.append(focused())
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "the focus can be seen"
    assert order == ["password", "confirmation", "toggle", "send"]
    keys.press("Shift+Tab")
    keys.press("Space")
    assert page.locator("#toggle").get_attribute("aria-pressed") == "true"
    for field in ["confirmation", "password"]:
        keys.press("Shift+Tab")
        assert focused() == field
        keys.press("Control+A")
        keys.type(NEW)
    keys.press("Enter")
    page.get_by_role("heading", name=SET).wait_for()


def test_two_clicks_send_once(service, user, visit):
    page = visit.open(service.link(user))
    held = []
    page.route("**/reset", lambda route: held.append(route))
    fill(page, NEW)
    send(page)
    button = page.get_by_role("button", name="Set new password")
    assert button.get_attribute("aria-disabled") == "true"
    button.click(force=True)
    page.get_by_label("New password").press("Enter")
    wait_for("the request is held", lambda: page.wait_for_timeout(20) or held)
    held[0].continue_()
    page.get_by_role("heading", name=SET).wait_for()
    assert len(held) == 1


def test_a_browser_without_javascript_is_told(service, visits):
    visit = visits(java_script_enabled=False)
    for path in ["/reset", "/forgot"]:
        page = visit.open(service.base + path)
        assert page.locator("noscript p").is_visible()
        assert page.locator("form:visible").count() == 0


def test_f17_a_program_that_follows_links_and_presses_buttons_uses_nothing_up(service, user, visits):
    link = service.link(user)
    scanner = visits()
    page = scanner.open(link)
    page.get_by_role("heading", name="Choose a new password").wait_for()
    for button in page.get_by_role("button").all():
        button.click()
    page.get_by_role("alert").get_by_text("too short").wait_for()
    page = visits().open(link)
    fill(page, NEW)
    send(page)
    page.get_by_role("heading", name=SET).wait_for()


def test_the_page_works_below_a_path_of_a_reverse_proxy(service, user, visit):
    # What a proxy does that keeps the service at /accounts/ of another site.
    below = f"{service.base}/accounts/"
    page = visit.page
    page.route(below + "**", lambda route: route.continue_(url=route.request.url.replace("/accounts/", "/")))
    page.route(re.compile(re.escape(service.base) + "/(?!accounts/)"), lambda route: route.abort())
    link = service.link(user).replace(f"{service.base}/", below)
    visit.open(link)
    fill(page, NEW)
    send(page)
    page.get_by_role("heading", name=SET).wait_for()
    page.goto("about:blank")
    visit.open(link)
    page.get_by_role("link", name="Ask for a new link").click()
    page.get_by_role("heading", name="Forgot your password?").wait_for()
    assert page.url == below + "forgot"
