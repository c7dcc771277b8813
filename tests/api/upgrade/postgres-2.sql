-- What the second migration made of the first database, and something in what is new.

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261123000000');

-- How often a password was guessed wrong in a row, by address key: whether or not anybody has the address.
CREATE TABLE guesses (
    address_key TEXT        NOT NULL PRIMARY KEY,
    failures    BIGINT      NOT NULL,
    last_at     TIMESTAMPTZ NOT NULL,
    free_at     TIMESTAMPTZ NOT NULL               -- until then nobody may guess
);
CREATE INDEX guesses_last_at ON guesses (last_at);

-- An administrator chose the password: the user should choose another one.
ALTER TABLE users ADD COLUMN password_must_change BOOLEAN NOT NULL DEFAULT FALSE;

-- For mails to an address that the user does not have any more.
ALTER TABLE mails ADD COLUMN recipient TEXT;

INSERT INTO guesses (address_key, failures, last_at, free_at) VALUES
    ('eve@example.com', 12, '2026-11-22 12:04:30.006703+00', '2026-11-22 12:04:30.006703+00'),
    ('bob@example.com', 3, '2026-11-22 12:04:30.006703+00', '2026-11-22 12:04:30.006703+00');
INSERT INTO mails (id, kind, user_id, client_id, locale, state, created_at, expires_at, due_at, attempts, recipient) VALUES
    ('01a20324-c0b6-7f3f-a655-1a6c03834f0a', 'email_changed', '01a20324-b398-708a-96da-e97897f42bdb', 'old-app', NULL, 'queued', '2026-11-22 12:04:30.006703+00', '2100-01-01 00:00:00+00', '2026-11-22 12:04:30.006703+00', 0, 'old-bob@example.com');
UPDATE users SET password_must_change = TRUE WHERE email_key = 'ann@example.com';
