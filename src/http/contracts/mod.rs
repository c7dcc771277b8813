//! The public contracts that we speak besides our own, each at its own paths and over the same flows. What a handler refuses is an
//! `ApiError` in all of them; here it is said in the words of the contract that was called.

pub(super) mod ocariot;

use actix_web::{HttpRequest, HttpResponse};

use super::error::ApiError;
use super::language;

/// Whose words an answer is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Our own, which is also that of the Teen Quotes contract.
    Native,
    /// The OCARIoT contract.
    Ocariot,
}

impl Dialect {
    /// By the path alone: also for what no handler was reached for.
    pub(super) fn of(path: &str) -> Self {
        if ocariot::has(path) {
            Self::Ocariot
        } else {
            Self::Native
        }
    }

    /// An error in these words, for the caller of `request`.
    pub(super) fn render(
        self,
        error: &ApiError,
        request: &HttpRequest,
        request_id: &str,
    ) -> HttpResponse {
        match self {
            Self::Native => error.render(language::of(request.headers()), Some(request_id)),
            Self::Ocariot => ocariot::render(error),
        }
    }
}
