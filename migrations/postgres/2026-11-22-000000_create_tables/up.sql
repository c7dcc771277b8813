-- The same tables as for SQLite, with PostgreSQL's own types for ids, digests and instants.

CREATE TABLE clients (
    id             TEXT        NOT NULL PRIMARY KEY,
    name           TEXT        NOT NULL,
    scopes         TEXT        NOT NULL,
    reset_url      TEXT,
    locale         TEXT,
    token_lifetime BIGINT,                        -- seconds
    created_at     TIMESTAMPTZ NOT NULL,
    disabled_at    TIMESTAMPTZ
);

CREATE TABLE client_secrets (
    id         UUID        NOT NULL PRIMARY KEY,
    client_id  TEXT        NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    digest     BYTEA       NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ
);
-- Authentication looks up both at once. The same secret may serve two clients, so the digest alone is not unique.
CREATE UNIQUE INDEX client_secrets_client_id_digest ON client_secrets (client_id, digest);

CREATE TABLE users (
    id                  UUID        NOT NULL PRIMARY KEY,
    email               TEXT        NOT NULL,
    email_key           TEXT        NOT NULL UNIQUE,
    password_hash       TEXT,
    locale              TEXT,
    profile             TEXT        NOT NULL,           -- a JSON object
    created_at          TIMESTAMPTZ NOT NULL,
    password_changed_at TIMESTAMPTZ,
    disabled_at         TIMESTAMPTZ
);

CREATE TABLE access_tokens (
    digest     BYTEA       NOT NULL PRIMARY KEY,
    client_id  TEXT        NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    subject    UUID        REFERENCES users (id) ON DELETE CASCADE,
    scopes     TEXT        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
-- One index serves the purge (client by client) and the removal of a client.
CREATE INDEX access_tokens_client_id_expires_at ON access_tokens (client_id, expires_at);
CREATE INDEX access_tokens_subject ON access_tokens (subject) WHERE subject IS NOT NULL;

CREATE TABLE mails (
    id          UUID        NOT NULL PRIMARY KEY,
    kind        TEXT        NOT NULL,
    address_key TEXT,                              -- of the address that was asked for: known or not
    user_id     UUID        REFERENCES users (id) ON DELETE CASCADE,
    client_id   TEXT,                              -- may be gone when the mail is sent
    locale      TEXT,
    state       TEXT        NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    due_at      TIMESTAMPTZ,                       -- while queued: the next try, or the end of the lease of a running one
    lease       UUID,                              -- who is trying
    attempts    BIGINT      NOT NULL,
    failure     TEXT,
    finished_at TIMESTAMPTZ
);
CREATE INDEX mails_due_at ON mails (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX mails_address_key_created_at ON mails (address_key, created_at) WHERE address_key IS NOT NULL;
CREATE INDEX mails_user_id ON mails (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX mails_finished_at ON mails (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE reset_tokens (
    digest       BYTEA       NOT NULL PRIMARY KEY,
    user_id      UUID        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    mail_id      UUID        NOT NULL REFERENCES mails (id) ON DELETE CASCADE,
    requested_at TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL,
    used_at      TIMESTAMPTZ
);
CREATE INDEX reset_tokens_user_id ON reset_tokens (user_id);
CREATE INDEX reset_tokens_mail_id ON reset_tokens (mail_id);
CREATE INDEX reset_tokens_expires_at ON reset_tokens (expires_at);
