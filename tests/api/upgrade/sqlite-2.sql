-- What the second migration made of the first database, and something in what is new.

INSERT INTO __diesel_schema_migrations (version) VALUES ('20261123000000');

-- How often a password was guessed wrong in a row, by address key: whether or not anybody has the address.
CREATE TABLE guesses (
    address_key TEXT   NOT NULL PRIMARY KEY,
    failures    BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    free_at     BIGINT NOT NULL                    -- until then nobody may guess
) WITHOUT ROWID;
CREATE INDEX guesses_last_at ON guesses (last_at);

-- An administrator chose the password: the user should choose another one.
ALTER TABLE users ADD COLUMN password_must_change BOOLEAN NOT NULL DEFAULT FALSE;

-- For mails to an address that the user does not have any more.
ALTER TABLE mails ADD COLUMN recipient TEXT;

INSERT INTO guesses (address_key, failures, last_at, free_at) VALUES
    ('eve@example.com', 12, 1795349070006703, 1795349070006703),
    ('bob@example.com', 3, 1795349070006703, 1795349070006703);
INSERT INTO mails (id, kind, user_id, client_id, locale, state, created_at, expires_at, due_at, attempts, recipient) VALUES
    (x'01a20324c0b67f3fa6551a6c03834f0a', 'email_changed', x'01a20324b398708a96dae97897f42bdb', 'old-app', NULL, 'queued', 1795349070006703, 4102444800000000, 1795349070006703, 0, 'old-bob@example.com');
UPDATE users SET password_must_change = TRUE WHERE email_key = 'ann@example.com';
