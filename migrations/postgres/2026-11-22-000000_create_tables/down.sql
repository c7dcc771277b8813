DROP TABLE reset_tokens;
DROP TABLE mails;
DROP TABLE access_tokens;
DROP TABLE users;
DROP TABLE client_secrets;
DROP TABLE clients;
