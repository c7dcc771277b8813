-- What the purge and the removal of a client look for is found without looking at all that stays, however much that is.

-- Mails are kept for as long as it depends on how they ended.
DROP INDEX mails_finished_at;
CREATE INDEX mails_state_finished_at ON mails (state, finished_at) WHERE finished_at IS NOT NULL;

-- Few secrets have an end, and few clients were registered by another one: these two cost nearly nothing.
CREATE INDEX client_secrets_expires_at ON client_secrets (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX clients_registered_by ON clients (registered_by) WHERE registered_by IS NOT NULL;
