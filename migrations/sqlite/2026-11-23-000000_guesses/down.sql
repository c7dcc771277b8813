DELETE FROM mails WHERE kind = 'email_changed';
ALTER TABLE mails DROP COLUMN recipient;
ALTER TABLE users DROP COLUMN password_must_change;
DROP TABLE guesses;
