"""When something is in the way: the page says what, for how long, and loses nothing."""

import re

import pytest

from conftest import fill, send

NEW = "four unrelated quiet words"
SET = "Your new password is set"


@pytest.mark.parametrize(("answer", "sentence"), [
    (None, "The service cannot be reached. Check your connection and try again."),
    ({"status": 503, "headers": {"Retry-After": "1"}, "json": {"status": "unavailable"}}, "The service is busy. Try again in 1 second."),
    ({"status": 503, "body": "<h1>a proxy's own words"}, "The service is busy. Try again in 30 seconds."),
    ({"status": 429, "headers": {"Retry-After": "700"}, "json": {"status": "too_many_requests"}}, "Too many attempts. Try again in 12 minutes."),
    ({"status": 500, "json": {"status": "internal"}}, "Something went wrong on our side. Try again in a moment."),
    ({"status": 200, "body": "<h1>Welcome to this hotel's network"}, "Something went wrong on our side. Try again in a moment."),
])
def test_a_failure_is_told_and_loses_nothing(service, user, visit, answer, sentence):
    fulfil = lambda route: route.fulfill(**answer) if answer else route.abort()  # noqa: E731
    page = visit.page
    # First the check of the link fails, then the sending.
    page.route("**/reset/check", fulfil)
    visit.open(service.link(user))
    page.get_by_role("heading", name="We could not check your link").wait_for()
    assert page.get_by_role("alert").inner_text() == sentence
    page.unroute("**/reset/check")
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("heading", name="Choose a new password").wait_for()

    page.route("**/reset", fulfil)
    fill(page, NEW)
    send(page)
    page.get_by_role("alert").get_by_text(sentence).wait_for()
    assert page.get_by_role("alert").inner_text().endswith("What you typed is still here.")
    assert page.get_by_label("New password").input_value() == NEW
    page.unroute("**/reset")
    send(page)
    page.get_by_role("heading", name=SET).wait_for()


def test_a_visitor_who_comes_too_often_is_told_how_long_to_wait(serve, visits):
    service = serve(UNFORGET_LIMITS__ENABLED="true", UNFORGET_LIMITS__PAGE_PER_MINUTE="1", UNFORGET_LIMITS__PAGE_BURST="2")
    page = visits(service).open(service.link(service.user("ann@example.com")))
    page.get_by_role("heading", name="Choose a new password").wait_for()
    for sentence in [r"too short", r"^Too many attempts\. Try again in \d+ seconds\.$"]:
        fill(page, "short")
        send(page)
        page.get_by_role("alert").get_by_text(re.compile(sentence)).wait_for()
    # Looking is not counted.
    page.reload()
    page.get_by_role("heading", name="Open the link in your mail").wait_for()
