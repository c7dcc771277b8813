"""django-oauth-toolkit for `scripts/bench --peers`: one client, the client credentials grant, introspection.

    python toolkit.py ID SECRET     makes the database and the client
    gunicorn toolkit:application    serves it

`TOOLKIT_DATABASE` names the SQLite file. By default all is as Django and the toolkit have it. With `TOOLKIT_FAVOURABLE=1` the client's
secret is not hashed, no middleware runs, and SQLite is in WAL mode with synchronous=NORMAL."""

import os
import sys

from django.conf import settings

FAVOURABLE = os.environ.get("TOOLKIT_FAVOURABLE") == "1"
PRAGMAS = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}
OF_A_NEW_PROJECT = [
    "django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

settings.configure(
    SECRET_KEY="of a database that lives for a minute, and no longer than that", DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=[] if FAVOURABLE else OF_A_NEW_PROJECT, USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {
        "ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["TOOLKIT_DATABASE"],
        "CONN_MAX_AGE": None if FAVOURABLE else 0, "OPTIONS": {"timeout": 30} | (PRAGMAS if FAVOURABLE else {}),
    }},
    OAUTH2_PROVIDER={"SCOPES": {"read": "Reading", "introspection": "Introspection"}},
)

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]

if __name__ == "__main__":
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    Application.objects.create(name="Bench", client_id=sys.argv[1], client_secret=sys.argv[2], hash_client_secret=not FAVOURABLE,
                               client_type="confidential", authorization_grant_type="client-credentials")
else:
    application = get_wsgi_application()
