"""The description of the API, for people: Swagger UI runs under the policy of its page and asks nobody else for anything."""

import json
import urllib.request

from playwright.sync_api import expect

from service import PATIENCE


def test_every_call_is_shown_and_one_is_tried(service, visit):
    with urllib.request.urlopen(service.base + "/openapi.json") as answer:
        paths = json.load(answer)["paths"]
    described = {operation["operationId"] for path in paths.values() for operation in path.values()}

    page = visit.open(f"{service.base}/docs")
    calls = page.locator(".opblock")
    expect(calls).to_have_count(len(described), timeout=PATIENCE * 1000)
    assert {call.get_attribute("id").rsplit("-", 1)[1] for call in calls.all()} == described
    for name in ["issueToken", "remind", "live"]:
        call = page.locator(f"[id$='-{name}']")
        call.locator(".opblock-summary-control").click()
        call.locator(".responses-table").first.wait_for()

    live = page.locator("[id$='-live']")
    live.get_by_role("button", name="Try it out").click()
    live.get_by_role("button", name="Execute").click()
    live.locator(".live-responses-table").get_by_text("alive").first.wait_for()
    assert f"{service.base}/health/live" in visit.requests
