//! The contracts of other systems, described.

use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::path::HttpMethod::Post;

use super::super::contracts::ocariot;
use super::super::error::{ApiError, Problem};
use super::call::{Call, call};
use super::errors::Family;
use super::password::{new_password, refused};
use super::users::id;
use super::{CONTRACTS, Facts};
use crate::domain::Scope;

/// The calls at the paths of others.
pub(super) fn calls(facts: &Facts) -> Vec<Call> {
    vec![ocariot(facts)]
}

fn ocariot(facts: &Facts) -> Call {
    call(
        Post,
        ocariot::PATH,
        "ocariotResetPassword",
        "OCARIoT: set any user's password",
    )
    .tag(CONTRACTS)
    .family(Family::Ocariot)
    .needs(Scope::UsersResetPassword)
    .in_path(id("user_id"))
    .takes(&[new_password("new_password", facts)])
    .success(
        204,
        ResponseBuilder::new().description("The password is set."),
    )
    .refuses([
        ApiError::field("new_password", Problem::Empty),
        ApiError::field("new_password", Problem::WrongType),
        ApiError::field("user_id", Problem::Malformed),
        refused(facts),
        ApiError::UnknownUser,
    ])
}
