//! The OAuth2 endpoints: how they read requests, and their answers. What is decided, is decided in `crate::oauth`.

pub(super) mod authentication;
pub(super) mod client_metadata;
mod error;
mod introspect;
mod metadata;
pub(super) mod parameters;
mod register;
pub(super) mod registration;
mod revoke;
mod token;

pub(super) use error::{Logged, OauthError};
pub(super) use introspect::introspect;
pub(super) use metadata::{
    OPENID_PATH as OPENID_CONFIGURATION, PATH as METADATA, PATH_OF_ISSUER as METADATA_OF_ISSUER,
    issuer_path, metadata, metadata_of_issuer,
};
pub(super) use register::register;
pub(super) use revoke::revoke;
pub(super) use token::token;
