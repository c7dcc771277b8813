"""docs/integrate.md: every piece of code in it is run as it stands there, by somebody who has what the page says to have. The Rust
one is compiled into the tests of cargo."""

import os
import re
import subprocess
import sys

import pytest

from service import PROGRAM, ROOT, wait_for

PAGE = (ROOT / "docs/integrate.md").read_text()


def pieces(heading, language):
    """The code in one language under a heading."""
    _, text = PAGE.split(f"\n## {heading}\n")
    return re.findall(rf"^```{language}\n(.*?)^```$", text.split("\n## ")[0], re.MULTILINE | re.DOTALL)


class Integrator:
    """Somebody in a folder of their own, with the variables of the page."""

    def __init__(self, service, node, folder, address):
        self.service, self.node, self.folder, self.address = service, node, folder, address
        service.command("user", "add", address)
        path = f"{PROGRAM.parent}:{os.environ['PATH']}"
        self.environment = service.environment | {"PATH": path, "OAUTH_ISSUER": service.base, "EMAIL": address}

    def registers(self, **client):
        self.environment |= {f"OAUTH_{name.upper()}": value for name, value in client.items() if name.startswith("client_")}

    def runs(self, language, code):
        if language == "js":
            program = self.folder / "from-the-page.mjs"
            program.write_text(code)
            return self.node(program, folder=self.folder, **self.environment)
        words = {"python": [sys.executable, "-c", code], "sh": ["sh", "-eu", "-c", code]}[language]
        done = subprocess.run(words, env=self.environment, cwd=self.folder, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sends_a_mail_by(self, language, code):
        printed = self.runs(language, code)
        assert "200" in printed and "reminder_sent" in printed
        wait_for("the mail has come", lambda: self.service.letters_to(self.address))


@pytest.fixture
def integrator(service, node, tmp_path, address):
    return Integrator(service, node, tmp_path, address)


@pytest.mark.parametrize("heading,language", [("Python", "python"), ("Node", "js"), ("A shell", "sh")])
def test_the_code_of_the_page_sends_a_mail(integrator, service, heading, language):
    integrator.registers(**service.client("password:remind"))
    [code] = pieces(heading, language)
    integrator.sends_a_mail_by(language, code)


@pytest.mark.parametrize("language", ["python", "js"])
def test_x06_the_page_makes_a_key_registers_it_and_signs_with_it(integrator, language):
    make, call = pieces("Without a secret", language)
    integrator.runs(language, make)
    [register] = pieces("Without a secret", "sh")
    printed = integrator.runs("sh", register)
    integrator.registers(client_id=re.search(r"^client_id +(\S+)$", printed, re.MULTILINE)[1])
    integrator.sends_a_mail_by(language, call)


@pytest.mark.parametrize("language", ["python", "js"])
def test_x08_the_page_uses_bound_tokens(integrator, service, language):
    integrator.registers(**service.client("password:remind", "--require-dpop"))
    [code] = pieces("Tokens that nobody else can use", language)
    integrator.sends_a_mail_by(language, code)


def test_every_piece_of_the_page_is_run():
    run = [piece for heading, language in [("Python", "python"), ("Node", "js"), ("A shell", "sh"), ("Rust", "rust"),
                                           ("Without a secret", "(?:python|js|sh)"), ("Tokens that nobody else can use", "(?:python|js)")]
           for piece in pieces(heading, language)]
    assert len(run) == PAGE.count("\n```") / 2 == 11
