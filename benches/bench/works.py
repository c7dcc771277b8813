"""What is measured, and what it is held to."""

PASSWORD = "a good password"
MANY = (1, 16, 64, 256)
HEADLINE = 64  # the connections of the targets

# The mixture of a normal day, in hundredths of the requests.
SHARES = {"token": 60, "introspect": 10, "check": 10, "verify": 10, "remind": 8, "reset": 2}
# These wait for bcrypt, and so does the mixture.
HASHING = ("verify", "reset")
QUICK = ("token", "check", "remind", "introspect")
WORKS = (*QUICK, *HASHING, "mixture")

WHAT = {
    "bare": "actix-web alone: `GET` of a constant",
    "token": "`POST /oauth/token`, client credentials with a secret (HTTP Basic)",
    "check": "`POST /v1/password/check` of a live reset token, with a live access token",
    "remind": "`POST /v1/password/remind` for made-up addresses, each once: accepted and durable; the worker works them off meanwhile",
    "introspect": "`POST /oauth/introspect` of the client's own live token, the client showing its secret (HTTP Basic), as resource servers usually do",
    "verify": "`POST /v1/password/verify` with right passwords, of many users in turn",
    "reset": "`POST /v1/password/reset`, each with a live token of its own",
    "mixture": "a normal day: " + ", ".join(f"{share} % {work}" for work, share in SHARES.items()),
}

# The least ratio at 64 connections: to the bare server, for what hashes to bcrypt alone.
TARGETS = {
    ("token", "sqlite"): 0.55, ("check", "sqlite"): 0.6, ("remind", "sqlite"): 0.5, ("introspect", "sqlite"): 0.5,
    ("token", "postgres"): 0.12, ("check", "postgres"): 0.5,
    ("verify", "sqlite"): 0.95, ("verify", "postgres"): 0.95, ("reset", "sqlite"): 0.95, ("reset", "postgres"): 0.95,
}
STORM_RATIO, STORM_P99_MS = 0.2, 25  # of the token endpoint, while 64 connections verify
MAILS = 500  # a second
IDLE_MB, LOAD_MB, START_MS = 20, 64, 100


def hash_share(work):
    """How much of a work's requests wait for bcrypt."""
    if work == "mixture":
        return sum(SHARES[hashing] for hashing in HASHING) / sum(SHARES.values())
    return 1.0 if work in HASHING else 0.0


def limit(work, bare, bcrypt):
    """The most that these cores could do: every request costs a bare one, and those that hash a hash beside it."""
    return 1 / (1 / bare + hash_share(work) / bcrypt) if hash_share(work) else bare
