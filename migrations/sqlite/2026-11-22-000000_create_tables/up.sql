-- Ids are 16 bytes (UUID), digests 32 bytes (SHA-256), instants microseconds since 1970 in UTC.

CREATE TABLE clients (
    id             TEXT    NOT NULL PRIMARY KEY,
    name           TEXT    NOT NULL,
    scopes         TEXT    NOT NULL,
    reset_url      TEXT,
    locale         TEXT,
    token_lifetime BIGINT,                        -- seconds
    created_at     BIGINT  NOT NULL,
    disabled_at    BIGINT
);

CREATE TABLE client_secrets (
    id         BLOB   NOT NULL PRIMARY KEY,
    client_id  TEXT   NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    digest     BLOB   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
-- Authentication looks up both at once. The same secret may serve two clients, so the digest alone is not unique.
CREATE UNIQUE INDEX client_secrets_client_id_digest ON client_secrets (client_id, digest);

CREATE TABLE users (
    id                  BLOB   NOT NULL PRIMARY KEY,
    email               TEXT   NOT NULL,
    email_key           TEXT   NOT NULL UNIQUE,
    password_hash       TEXT,
    locale              TEXT,
    profile             TEXT   NOT NULL,           -- a JSON object
    created_at          BIGINT NOT NULL,
    password_changed_at BIGINT,
    disabled_at         BIGINT
) WITHOUT ROWID;

CREATE TABLE access_tokens (
    digest     BLOB   NOT NULL PRIMARY KEY,
    client_id  TEXT   NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    subject    BLOB   REFERENCES users (id) ON DELETE CASCADE,
    scopes     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
-- One index serves the purge (client by client) and the removal of a client.
CREATE INDEX access_tokens_client_id_expires_at ON access_tokens (client_id, expires_at);
CREATE INDEX access_tokens_subject ON access_tokens (subject) WHERE subject IS NOT NULL;

CREATE TABLE mails (
    id          BLOB   NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL,
    address_key TEXT,                              -- of the address that was asked for: known or not
    user_id     BLOB   REFERENCES users (id) ON DELETE CASCADE,
    client_id   TEXT,                              -- may be gone when the mail is sent
    locale      TEXT,
    state       TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    due_at      BIGINT,                            -- while queued: the next try, or the end of the lease of a running one
    lease       BLOB,                              -- who is trying
    attempts    BIGINT NOT NULL,
    failure     TEXT,
    finished_at BIGINT
) WITHOUT ROWID;
CREATE INDEX mails_due_at ON mails (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX mails_address_key_created_at ON mails (address_key, created_at) WHERE address_key IS NOT NULL;
CREATE INDEX mails_user_id ON mails (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX mails_finished_at ON mails (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE reset_tokens (
    digest       BLOB   NOT NULL PRIMARY KEY,
    user_id      BLOB   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    mail_id      BLOB   NOT NULL REFERENCES mails (id) ON DELETE CASCADE,
    requested_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    used_at      BIGINT
) WITHOUT ROWID;
CREATE INDEX reset_tokens_user_id ON reset_tokens (user_id);
CREATE INDEX reset_tokens_mail_id ON reset_tokens (mail_id);
CREATE INDEX reset_tokens_expires_at ON reset_tokens (expires_at);
