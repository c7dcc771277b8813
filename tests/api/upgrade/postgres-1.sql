-- A database as the first release left it, with something in every table. The secrets are in upgrade.rs. Never change it: such
-- databases are out there.

CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122000000');

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

INSERT INTO clients (id, name, scopes, reset_url, locale, token_lifetime, created_at, disabled_at) VALUES
    ('old-app', 'Old app', 'password:remind password:reset password:verify sessions:create', 'https://old.example/reset?token={token}', 'fr', 600, '2026-11-22 12:04:30.006703+00', NULL),
    ('off-app', 'Switched off', 'password:remind password:reset password:verify sessions:create', NULL, NULL, NULL, '2026-11-22 12:04:30.006703+00', '2026-11-22 12:04:30.006703+00');
INSERT INTO client_secrets (id, client_id, digest, created_at, expires_at) VALUES
    ('01a20324-a8bf-752a-8085-d801ea0c32b3', 'old-app', '\xb74be43d17449eaf410de5fac670c79bc4fa626fb805ec3aed6bbe89720c5f66', '2026-11-22 12:04:30.006703+00', NULL),
    ('01a20324-a8bf-752a-8085-d801ea0c32b4', 'off-app', '\xb74be43d17449eaf410de5fac670c79bc4fa626fb805ec3aed6bbe89720c5f66', '2026-11-22 12:04:30.006703+00', NULL);
INSERT INTO users (id, email, email_key, password_hash, locale, profile, created_at, password_changed_at, disabled_at) VALUES
    ('01a20324-ae5d-7691-8325-22b391d139a3', 'Ann@example.com', 'ann@example.com', '$2b$10$4h6c8VXwtntD.DX3VE6wtOFjpcKflqv/SXzuSdvGyp81LG5EcqjXC', 'fr', '{"plan":"gold"}', '2026-11-22 12:04:30.006703+00', '2026-11-22 12:04:30.006703+00', NULL),
    ('01a20324-b398-708a-96da-e97897f42bdb', 'bob@example.com', 'bob@example.com', '$2b$10$9KdAOvXg.sKzAgoVUlxDGOvl73KrHXbrCIVvpwD.2toM7vSuJ3r4a', NULL, '{}', '2026-11-22 12:04:30.006703+00', '2026-11-22 12:04:30.006703+00', NULL),
    ('01a20324-b409-7b8d-b0a5-03444b1f8b08', 'carl@example.com', 'carl@example.com', NULL, NULL, '{}', '2026-11-22 12:04:30.006703+00', NULL, '2026-11-22 12:04:30.006703+00');
INSERT INTO access_tokens (digest, client_id, subject, scopes, created_at, expires_at) VALUES
    ('\x24e21959aadfd752409fd67c794e4e546374b577e33eca599d6685dcb0ebc80e', 'old-app', NULL, 'password:remind password:reset password:verify sessions:create', '2026-11-22 12:04:30.006703+00', '2100-01-01 00:00:00+00'),
    ('\x6f86bda57e16b49a91b2769506639a8d711443fcb0325173e334842a1f361f4a', 'old-app', '01a20324-ae5d-7691-8325-22b391d139a3', '', '2026-11-22 12:04:30.006703+00', '2100-01-01 00:00:00+00');
INSERT INTO mails (id, kind, address_key, user_id, client_id, locale, state, created_at, expires_at, due_at, lease, attempts, failure, finished_at) VALUES
    ('01a20324-c0b6-7f3f-a655-1a6c03834f06', 'reset', 'ann@example.com', NULL, 'old-app', NULL, 'sent', '2026-11-22 12:04:30.006703+00', '2100-01-01 00:00:00+00', NULL, NULL, 1, NULL, '2026-11-22 12:04:30.006703+00'),
    ('01a20324-c0b6-7f3f-a655-1a6c03834f07', 'reset', 'bob@example.com', NULL, 'old-app', 'fr', 'queued', '2026-11-22 12:04:30.006703+00', '2100-01-01 00:00:00+00', '2026-11-22 12:04:30.006703+00', NULL, 2, 'the mail server answered 451 4.7.1', NULL),
    ('01a20324-c0b6-7f3f-a655-1a6c03834f08', 'password_changed', NULL, '01a20324-ae5d-7691-8325-22b391d139a3', 'old-app', NULL, 'queued', '2026-11-22 12:04:30.006703+00', '2100-01-01 00:00:00+00', '2026-11-22 12:04:30.006703+00', NULL, 0, NULL, NULL),
    ('01a20324-c0b6-7f3f-a655-1a6c03834f09', 'reset', 'nobody@example.com', NULL, 'old-app', NULL, 'skipped', '2026-11-22 12:04:30.006703+00', '2100-01-01 00:00:00+00', NULL, NULL, 0, NULL, '2026-11-22 12:04:30.006703+00');
INSERT INTO reset_tokens (digest, user_id, mail_id, requested_at, expires_at, used_at) VALUES
    ('\xd9a56a1475fc4d91951caeac8fd5d1fbbfcdfc39c93538b51c4336495449f68b', '01a20324-ae5d-7691-8325-22b391d139a3', '01a20324-c0b6-7f3f-a655-1a6c03834f06', '2026-11-22 12:04:30.006703+00', '2100-01-01 00:00:00+00', NULL);
