DROP INDEX clients_registered_by;
DROP INDEX client_secrets_expires_at;
DROP INDEX mails_state_finished_at;
CREATE INDEX mails_finished_at ON mails (finished_at) WHERE finished_at IS NOT NULL;
