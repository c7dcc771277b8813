//! Pure values and rules. Nothing here does I/O, reads a clock or draws a random number: time and bytes arrive as arguments.

pub mod address_form;
pub mod audit;
pub mod client;
pub mod client_secret;
pub mod collector;
pub mod database_url;
pub mod email;
pub mod guessing;
pub mod json;
pub mod jwk;
pub mod jwks;
pub mod locale;
pub mod mail;
pub mod mail_url;
pub mod password;
pub mod password_hash;
mod postgres_url;
pub mod profile;
pub mod recovery;
pub mod reset_url;
pub mod scope;
pub mod sender;
pub mod token;
pub mod user;

pub use address_form::{AddressForm, AddressKey};
pub use client::{AuthMethod, Client, ClientId};
pub use collector::Collector;
pub use database_url::DatabaseUrl;
pub use email::{EmailAddress, EmailKey};
pub use jwks::JwkSet;
pub use locale::Locale;
pub use mail_url::MailUrl;
pub use password::{Password, PasswordPolicy, Refusal};
pub use password_hash::{PasswordHash, UnusableHash};
pub use reset_url::ResetUrl;
pub use scope::{Scope, Scopes};
pub use sender::Sender;
pub use token::{
    AccessToken, ClientSecret, HashedToken, PlainToken, RegistrationToken, ResetToken,
};
pub use user::User;

/// An instant in UTC, in whole microseconds so that both databases give back what they were given (bar D09).
pub type Instant = chrono::DateTime<chrono::Utc>;
