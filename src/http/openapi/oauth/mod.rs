//! The OAuth2 family, described.

mod metadata;
mod registration;
mod token;

use super::call::Call;
use super::{Facts, OAUTH};

/// The OAuth2 endpoints.
pub(super) fn calls(facts: &Facts) -> Vec<Call> {
    let mut calls = vec![
        token::token(),
        token::introspect(),
        token::revoke(),
        registration::register(),
    ];
    calls.extend(registration::registration());
    calls.extend(metadata::calls(facts));
    calls
}
