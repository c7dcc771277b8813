#!/usr/bin/env python3
"""What an app does with Unforget: a "forgot my password" form and a reset screen of its own, in Python's standard library.

    unforget client add "My app" --scope "password:remind password:reset" \\
                        --reset-url 'http://localhost:3000/reset?token={token}&email={email}'
    OAUTH_CLIENT_ID=uf_cl_... OAUTH_CLIENT_SECRET=uf_cs_... python3 examples/app.py    # then open http://localhost:3000/forgot
"""

import json
import os
import sys
import threading
import time
from base64 import b64encode
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

UNFORGET = os.environ.get("OAUTH_ISSUER", "http://127.0.0.1:8080")
PORT = int(os.environ.get("PORT", "3000"))


def post(path, fields, authorization, language=""):
    """Sends a form; gives back the status code and the JSON of the answer, whether it is a success or an error."""
    headers = {"Authorization": authorization, "Accept-Language": language}
    request = Request(UNFORGET + path, urlencode(fields).encode(), headers)
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as answer:
        return answer.code, json.load(answer)


class AppToken:
    """The app's own token: asked for once, kept while it lives, and asked for anew when it is refused."""

    def __init__(self, client_id, secret):
        self.basic = "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()
        self.lock, self.text, self.ends = threading.Lock(), "", 0.0

    def get(self, refused=None):
        with self.lock:  # of many requests at once, one asks
            if self.text == refused or time.monotonic() >= self.ends:
                status, answer = post("/oauth/token", {"grant_type": "client_credentials"}, self.basic)
                if status != 200:
                    raise OSError(f"no application token: {answer}")
                self.text = answer["access_token"]
                self.ends = time.monotonic() + answer["expires_in"] - 60
            return self.text


app_token = AppToken(os.environ["OAUTH_CLIENT_ID"], os.environ["OAUTH_CLIENT_SECRET"])


def call(path, fields, language):
    """Calls the API. A 401 means that the token has ended earlier than promised: one more try with a new one."""
    try:
        token = app_token.get()
        status, answer = post(path, fields, f"Bearer {token}", language)
        if status == 401:
            status, answer = post(path, fields, f"Bearer {app_token.get(refused=token)}", language)
        return status, answer
    except OSError as error:  # for whoever runs the app; its users can only wait
        print(f"unforget: {error}", file=sys.stderr, flush=True)
        return 503, {"error": "This does not work just now. Please try again in a moment."}


FORGOT = """<form method="post"><p><label>Email address <input name="email" type="email" autocomplete="username" required></label></p>
<button>Send me a link</button></form>"""
RESET = """<form method="post"><input type="hidden" name="token" value="{token}">
<p><label>Account <input name="email" type="email" autocomplete="username" value="{email}" readonly></label></p>
<p><label>New password <input name="password" type="password" autocomplete="new-password" required></label></p>
<p><label>The same again <input name="password_confirmation" type="password" autocomplete="new-password" required></label></p>
<button>Set new password</button></form>"""


class Screens(BaseHTTPRequestHandler):
    def do_GET(self):
        """Looking changes nothing: programs that read mail follow links too. So the link is only checked here."""
        url = urlsplit(self.path)
        link = dict(parse_qsl(url.query))
        if url.path == "/forgot":
            self.show("Forgot your password?", FORGOT)
        elif url.path == "/reset" and "token" in link:
            status, answer = call("/v1/password/check", {"token": link["token"]}, self.language())
            form = RESET.format(token=escape(link["token"]), email=escape(link.get("email", "")))
            self.show("Choose a new password" if status == 200 else answer["error"], form if status == 200 else "")
        else:
            self.show("There is nothing here", code=404)

    def do_POST(self):
        fields = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), keep_blank_values=True))
        if urlsplit(self.path).path == "/forgot":
            # Say the same for every address: who has an account is nobody's business.
            status, answer = call("/v1/password/remind", fields, self.language())
            self.show("If there is such an account, a mail is on its way." if status == 200 else answer["error"], FORGOT)
        else:
            status, answer = call("/v1/password/reset", fields, self.language())
            if status == 200:
                return self.show("Your new password is set. Please sign in.")
            # A refused password does not use the link up: show why, and the form once more.
            reasons = ", ".join(answer.get("reasons", [])).replace("_", " ")
            form = RESET.format(token=escape(fields["token"]), email=escape(fields["email"])) if reasons else ""
            self.show(answer["error"] + " " + reasons, form)

    def language(self):
        return self.headers.get("Accept-Language", "")

    def show(self, title, form="", code=200):
        """The link's token is in this page's address: nobody may keep the page, and no Referer may carry the address on."""
        page = f'<!doctype html><html lang="en"><title>{escape(title)}</title><h1>{escape(title)}</h1>{form}</html>'
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_request(self, *_):
        """Nothing: the path of a reset holds the link's token."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Screens).serve_forever()
