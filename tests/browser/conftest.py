"""A real Chromium before the real service. Every test ends with what must hold on every page: no other origin, no cookie, nothing
that the policy had to stop, and the link's secret in no request line and no Referer."""

import contextlib
import itertools
import os
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from service import PATIENCE, ROOT, Service

SCREENSHOTS = ROOT / "target/screenshots"
# WCAG 2.2, levels A and AA.
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
# What the browser's own policy stops is told to the page; kept where a test can read it.
LISTEN = """addEventListener("securitypolicyviolation", (event) => console.error("CSP: " + event.violatedDirective + " " + event.blockedURI))"""
numbers = itertools.count(1)


@pytest.fixture(scope="session")
def browser():
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert program, "chromium is missing: scripts/test installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def service():
    service = Service()
    yield service
    service.stop()


@pytest.fixture
def serve():
    """Starts services with settings of their own, and stops them however the test ends."""
    with contextlib.ExitStack() as running:
        def start(**settings):
            service = Service(**settings)
            running.callback(service.stop)
            return service
        yield start


@pytest.fixture
def user(service):
    return service.user(f"user{next(numbers)}@example.com")


class Visit:
    """One person's browser, and all that it did."""

    def __init__(self, browser, service, **options):
        self.service = service
        self.context = browser.new_context(**({"locale": "en-GB", "viewport": {"width": 1280, "height": 800}} | options))
        self.context.set_default_timeout(PATIENCE * 1000)
        self.context.add_init_script(LISTEN)
        self.requests, self.complaints = [], []
        self.context.on("request", lambda request: self.requests.append(request.url.split("#")[0]))
        self.page = self.context.new_page()
        self.page.on("console", self.note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def note(self, message):
        # An answer of 400 or 429 is part of the conversation; the browser writes each of them down as an error.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def open(self, url):
        self.page.goto(url)
        return self.page

    def shown(self):
        """The heading of the one section that is shown."""
        return self.page.locator("h1:visible").inner_text()

    def audit(self, name):
        """Asserts that axe finds nothing, and keeps a picture."""
        page = self.page
        found = Axe().run(page, options=RULES).response
        assert found["violations"] == [], [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
        assert len(found["passes"]) > 5, "axe has looked at nothing"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name}: wider than the screen"
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def end(self):
        cookies = self.context.cookies()
        self.context.close()
        assert self.complaints == []
        assert cookies == []
        assert {url for url in self.requests if not url.startswith(self.service.base + "/")} == set()
        lines = self.service.wire.heads("")
        assert any(line.startswith(("GET /page/page.css", "GET /docs/")) for line in lines), "the wire has seen nothing"
        assert [line for line in lines if "uf_rt_" in line] == []
        assert self.service.wire.heads("Referer") == self.service.wire.heads("Cookie") == []


@pytest.fixture
def visits(browser, service):
    """Makes visits, and checks them all at the end."""
    made = []

    def make(at=None, **options):
        made.append(Visit(browser, at or service, **options))
        return made[-1]

    yield make
    for visit in made:
        visit.end()


@pytest.fixture
def visit(visits):
    return visits()


def fill(page, password, confirmation=None):
    page.get_by_label("New password").fill(password)
    page.get_by_label("The same password again").fill(password if confirmation is None else confirmation)


def send(page):
    page.get_by_role("button", name="Set new password").click()
