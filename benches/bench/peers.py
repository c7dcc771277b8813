"""Other people's servers, on the token endpoint and on introspection: with their defaults, and set up as well as we know."""

import base64
import filecmp
import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from urllib.parse import urlencode

from .load import measure, post
from .process import Program, Spoiled, free_port, run
from .works import HEADLINE

ID, SECRET = "bench", "a-secret-of-the-bench-that-is-long-enough"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"{ID}:{SECRET}".encode()).decode()}
SECONDS = 4  # at least: some do few calls a second


class Peer:
    """One server in one set-up."""

    def __init__(self, name, token, introspect, words, environment, before=None):
        self.name, self.token, self.introspect = name, token, introspect
        self.words, self.environment, self.before = words, environment, before

    def prepare(self):
        if self.before:
            run(*self.before, env=self.all_of_environment())

    def serve(self, port, log):
        words = [str(word).replace("{port}", str(port)) for word in self.words]
        return Program(self.name, words, log=log, env=self.all_of_environment())

    def all_of_environment(self):
        return {name: value for name, value in os.environ.items() if not name.startswith("UNFORGET_")} | self.environment


def installed(root, say):
    """The folders of what they need, filled from their registries when they are not what is pinned."""
    peers, venv, modules = root / "benches/peers", root / "target/venv/peers", root / "target/peers-node"
    same = lambda name, place: (place / name).exists() and filecmp.cmp(peers / name, place / name, shallow=False)
    if not same("requirements.txt", venv):
        say("installing what benches/peers/requirements.txt lists into target/venv/peers")
        shutil.rmtree(venv, ignore_errors=True)
        run(sys.executable, "-m", "venv", venv)
        run(venv / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r",
            peers / "requirements.txt")
        shutil.copy(peers / "requirements.txt", venv)
    if not shutil.which("npm"):
        raise Spoiled("--peers needs Node 20 or later, with npm")
    if not (modules / "node_modules").exists() or not same("package-lock.json", modules):
        say("installing what benches/peers/package-lock.json lists into target/peers-node")
        shutil.rmtree(modules, ignore_errors=True)
        modules.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(peers / name, modules)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=modules)
    shutil.copy(peers / "oidc-provider.mjs", modules)  # it looks for packages where it is
    return peers, venv / "bin", modules


def all_of(root, folder, say):
    """Every server, in both set-ups."""
    peers, python, modules = installed(root, say)
    cores = len(os.sched_getaffinity(0))
    node = ["node", modules / "oidc-provider.mjs", "{port}", ID, SECRET]
    gunicorn = [python / "gunicorn", "--chdir", peers, "--bind", "127.0.0.1:{port}", "--timeout", "120", "--log-level", "error"]
    for favourable in (False, True):
        how = "favourable" if favourable else "defaults"
        yield Peer(f"node-oidc-provider, {how}", "/token", "/token/introspection", node + (["cluster"] if favourable else []),
                   {"NODE_ENV": "production"} if favourable else {})
        environment = {"TOOLKIT_DATABASE": f"{folder}/{how}.sqlite3", "TOOLKIT_FAVOURABLE": str(int(favourable)),
                       "PYTHONDONTWRITEBYTECODE": "1"}
        many = ["--worker-class", "gthread", "--workers", cores, "--threads", 4] if favourable else []
        yield Peer(f"django-oauth-toolkit, {how}", "/o/token/", "/o/introspect/", [*gunicorn, *many, "toolkit:application"],
                   environment, [python / "python", peers / "toolkit.py", ID, SECRET])


def call(url, **fields):
    request = urllib.request.Request(url, urlencode(fields).encode(), BASIC)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Spoiled(f"{url}: {error.code} {error.read().decode()[:200]}") from None


def measure_all(options, root, folder, bare, say):
    """Their runs, each between two of the bare server, and each on a server that was just started: what one has left over is not
    the next one's."""
    runs = []
    for peer in all_of(root, folder, say):
        say(f"{peer.name}, {HEADLINE} connections")
        peer.prepare()
        for number in range(options.rounds):
            for work in ("token", "introspect"):
                before = bare.measure(HEADLINE, options.seconds)["per_second"]
                measured = measure_one(peer, work, folder, max(SECONDS, options.seconds))
                after = bare.measure(HEADLINE, options.seconds)["per_second"]
                runs.append({"peer": peer.name, "work": work, "round": number, "bare": (before + after) / 2} | measured)
    return runs


def measure_one(peer, work, folder, seconds):
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with peer.serve(port, folder / "peer.log") as server:
        server.wait_for_port(port)
        live = call(base + peer.token, grant_type="client_credentials")["access_token"]
        if not all(call(base + peer.introspect, token=live)["active"] for _ in range(8)):
            raise Spoiled(f"{peer.name} does not know its own token")
        form = "grant_type=client_credentials" if work == "token" else f"token={live}"
        return measure(server.process.pid, None, name=work, url=base, folder=folder, connections=HEADLINE, seconds=seconds,
                       kinds=[post(getattr(peer, work), BASIC, body=form)])
