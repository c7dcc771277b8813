-- A database as the first release left it, with something in every table. The secrets are in upgrade.rs. Never change it: such
-- databases are out there.

CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122000000');

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

INSERT INTO clients (id, name, scopes, reset_url, locale, token_lifetime, created_at, disabled_at) VALUES
    ('old-app', 'Old app', 'password:remind password:reset password:verify sessions:create', 'https://old.example/reset?token={token}', 'fr', 600, 1795349070006703, NULL),
    ('off-app', 'Switched off', 'password:remind password:reset password:verify sessions:create', NULL, NULL, NULL, 1795349070006703, 1795349070006703);
INSERT INTO client_secrets (id, client_id, digest, created_at, expires_at) VALUES
    (x'01a20324a8bf752a8085d801ea0c32b3', 'old-app', x'b74be43d17449eaf410de5fac670c79bc4fa626fb805ec3aed6bbe89720c5f66', 1795349070006703, NULL),
    (x'01a20324a8bf752a8085d801ea0c32b4', 'off-app', x'b74be43d17449eaf410de5fac670c79bc4fa626fb805ec3aed6bbe89720c5f66', 1795349070006703, NULL);
INSERT INTO users (id, email, email_key, password_hash, locale, profile, created_at, password_changed_at, disabled_at) VALUES
    (x'01a20324ae5d7691832522b391d139a3', 'Ann@example.com', 'ann@example.com', '$2b$10$4h6c8VXwtntD.DX3VE6wtOFjpcKflqv/SXzuSdvGyp81LG5EcqjXC', 'fr', '{"plan":"gold"}', 1795349070006703, 1795349070006703, NULL),
    (x'01a20324b398708a96dae97897f42bdb', 'bob@example.com', 'bob@example.com', '$2b$10$9KdAOvXg.sKzAgoVUlxDGOvl73KrHXbrCIVvpwD.2toM7vSuJ3r4a', NULL, '{}', 1795349070006703, 1795349070006703, NULL),
    (x'01a20324b4097b8db0a503444b1f8b08', 'carl@example.com', 'carl@example.com', NULL, NULL, '{}', 1795349070006703, NULL, 1795349070006703);
INSERT INTO access_tokens (digest, client_id, subject, scopes, created_at, expires_at) VALUES
    (x'24e21959aadfd752409fd67c794e4e546374b577e33eca599d6685dcb0ebc80e', 'old-app', NULL, 'password:remind password:reset password:verify sessions:create', 1795349070006703, 4102444800000000),
    (x'6f86bda57e16b49a91b2769506639a8d711443fcb0325173e334842a1f361f4a', 'old-app', x'01a20324ae5d7691832522b391d139a3', '', 1795349070006703, 4102444800000000);
INSERT INTO mails (id, kind, address_key, user_id, client_id, locale, state, created_at, expires_at, due_at, lease, attempts, failure, finished_at) VALUES
    (x'01a20324c0b67f3fa6551a6c03834f06', 'reset', 'ann@example.com', NULL, 'old-app', NULL, 'sent', 1795349070006703, 4102444800000000, NULL, NULL, 1, NULL, 1795349070006703),
    (x'01a20324c0b67f3fa6551a6c03834f07', 'reset', 'bob@example.com', NULL, 'old-app', 'fr', 'queued', 1795349070006703, 4102444800000000, 1795349070006703, NULL, 2, 'the mail server answered 451 4.7.1', NULL),
    (x'01a20324c0b67f3fa6551a6c03834f08', 'password_changed', NULL, x'01a20324ae5d7691832522b391d139a3', 'old-app', NULL, 'queued', 1795349070006703, 4102444800000000, 1795349070006703, NULL, 0, NULL, NULL),
    (x'01a20324c0b67f3fa6551a6c03834f09', 'reset', 'nobody@example.com', NULL, 'old-app', NULL, 'skipped', 1795349070006703, 4102444800000000, NULL, NULL, 0, NULL, 1795349070006703);
INSERT INTO reset_tokens (digest, user_id, mail_id, requested_at, expires_at, used_at) VALUES
    (x'd9a56a1475fc4d91951caeac8fd5d1fbbfcdfc39c93538b51c4336495449f68b', x'01a20324ae5d7691832522b391d139a3', x'01a20324c0b67f3fa6551a6c03834f06', 1795349070006703, 4102444800000000, NULL);
