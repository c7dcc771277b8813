-- Several secrets of one client, told apart by people.
ALTER TABLE client_secrets ADD COLUMN label TEXT;
ALTER TABLE client_secrets ADD COLUMN not_before BIGINT;    -- until then it does not work
ALTER TABLE client_secrets ADD COLUMN last_used_at BIGINT;  -- to the minute

-- How a client authenticates, what it must prove, and who registered it.
ALTER TABLE clients ADD COLUMN auth_method TEXT NOT NULL DEFAULT 'client_secret_basic';
ALTER TABLE clients ADD COLUMN jwks TEXT;                   -- its public keys, a JWK Set (RFC 7517)
ALTER TABLE clients ADD COLUMN require_dpop BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE clients ADD COLUMN registration_digest BLOB;    -- of the registration access token (RFC 7592)
ALTER TABLE clients ADD COLUMN registered_by TEXT;          -- the client that registered it; none: an operator
-- Tokens that were issued before do not work any more: it was switched off, or (its own tokens) lost a scope.
ALTER TABLE clients ADD COLUMN tokens_from BIGINT;
ALTER TABLE clients ADD COLUMN scopes_from BIGINT;

-- The thumbprint of the key that a token is bound to (RFC 9449).
ALTER TABLE access_tokens ADD COLUMN jkt BLOB;

-- Ids of signed messages that were used: each works once, until it would have ended anyway.
CREATE TABLE jtis (
    digest     BLOB   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX jtis_expires_at ON jtis (expires_at);

-- Keys of this installation that all of its nodes share.
CREATE TABLE own_keys (
    name TEXT NOT NULL PRIMARY KEY,
    key  BLOB NOT NULL
) WITHOUT ROWID;

-- What was done and refused, by whom and to whom. Rows outlive those they name. The id begins with the time.
CREATE TABLE audit (
    id             BLOB   NOT NULL PRIMARY KEY,
    at             BIGINT NOT NULL,
    act            TEXT   NOT NULL,
    refusal        TEXT,                           -- none: it was done
    client_id      TEXT,                           -- who acted; none: an operator at the command line
    subject_client TEXT,                           -- the client that it was done to
    subject_user   BLOB,                           -- the user that it was done to
    request_id     TEXT,
    address        TEXT                            -- of the caller, in the configured form
) WITHOUT ROWID;
CREATE INDEX audit_subject_user ON audit (subject_user, id) WHERE subject_user IS NOT NULL;
