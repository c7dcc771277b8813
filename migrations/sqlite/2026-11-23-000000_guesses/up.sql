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
