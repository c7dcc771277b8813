"""Every state of every screen, in both languages, by day and by night, on a small phone and on a desk: axe finds nothing wrong,
nothing is wider than the screen, and a picture is kept in target/screenshots."""

import pytest

from service import wait_for

NEW = "four unrelated quiet words"


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "fr-FR"])
def test_f20_every_screen_is_accessible(service, user, visits, locale, scheme, width):
    visit = visits(locale=locale, color_scheme=scheme, viewport={"width": width, "height": 640 if width == 320 else 800})
    page = visit.page

    def audit(state):
        assert page.locator("html").get_attribute("lang") == locale[:2]
        page.locator("h1:visible").wait_for()
        visit.audit(f"{state}-{locale[:2]}-{scheme}-{width}")

    def shown(section):
        page.locator(f"#{section}").wait_for()

    visit.open(f"{service.base}/forgot")
    shown("ask")
    audit("forgot")
    page.locator("#email").fill("ann")
    page.locator("#send").click()
    page.locator("#problem p").wait_for()
    audit("forgot-wrong")
    page.locator("#email").fill(user)
    page.locator("#send").click()
    shown("sent")
    audit("forgot-sent")

    visit.open(f"{service.base}/reset")
    shown("missing")
    audit("reset-missing")
    page.route("**/reset/check", lambda route: route.abort())
    page.goto("about:blank")
    link = service.link(user)
    visit.open(link)
    shown("failed")
    page.locator("#trouble p").wait_for()
    audit("reset-failed")
    page.unroute("**/reset/check")
    held = []
    page.route("**/reset/check", lambda route: held.append(route))
    page.goto("about:blank")
    visit.open(f"{link}&email={user}")
    shown("checking")
    audit("reset-checking")
    wait_for("the request is held", lambda: page.wait_for_timeout(20) or held)
    held[0].continue_()
    shown("choose")
    audit("reset-choose")
    page.locator("#password").fill("short")
    page.locator("#toggle").click()
    page.locator("#send").click()
    page.locator("#problem p").first.wait_for()
    assert page.locator("#problem p").count() == 2
    audit("reset-wrong")
    page.locator("#password").fill(NEW)
    page.locator("#confirmation").fill(NEW)
    page.locator("#send").click()
    shown("done")
    audit("reset-done")
    page.goto("about:blank")
    page.unroute("**/reset/check")
    visit.open(link)
    shown("dead")
    audit("reset-dead")


def test_the_other_language_is_english(service, visits):
    page = visits(locale="de-DE").open(f"{service.base}/forgot")
    assert page.locator("html").get_attribute("lang") == "en"
