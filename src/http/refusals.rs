//! What the refusals of flows and of the layers below become: the one translation to HTTP. Faults of ours are logged here, once.

use super::error::{ApiError, Problem};
use crate::flows::ProveError;
use crate::flows::admin_set::AdminSetError;
use crate::flows::change::ChangeError;
use crate::flows::reset::ResetError;
use crate::flows::users::{AddUserError, ChangeUserError};
use crate::hasher::HashError;
use crate::oauth::guard::Denied;
use crate::storage::StorageError;

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        if error.is_passing() {
            tracing::warn!(%error, "storage");
            Self::Unavailable
        } else {
            tracing::error!(%error, "storage");
            Self::Internal
        }
    }
}

impl From<HashError> for ApiError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Unavailable,
            HashError::Unjudged(_) => {
                tracing::error!(%error, "judging a password");
                Self::Unavailable
            }
            HashError::Failed(error) => {
                tracing::error!(%error, "hashing");
                Self::Internal
            }
        }
    }
}

impl From<ProveError> for ApiError {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::WrongCredentials(_) => Self::WrongCredentials,
            ProveError::TooMany(wait) => Self::TooMany(wait),
            ProveError::Stale => Self::Unavailable, // twice in a row: somebody is at it
            ProveError::Hash(error) => error.into(),
            ProveError::Storage(error) => error.into(),
        }
    }
}

impl ApiError {
    /// What a refused reset means, where passwords have at least `min_length` characters.
    pub(super) fn of_reset(error: ResetError, min_length: usize) -> Self {
        match error {
            ResetError::WrongPassword(reasons) => Self::WrongPassword(reasons, min_length),
            ResetError::WrongToken => Self::WrongToken,
            ResetError::WrongUser => Self::WrongUser,
            ResetError::Hash(error) => error.into(),
            ResetError::Storage(error) => error.into(),
        }
    }

    /// What a refused change means.
    pub(super) fn of_change(error: ChangeError, min_length: usize) -> Self {
        match error {
            ChangeError::WrongPassword(reasons) => Self::WrongPassword(reasons, min_length),
            ChangeError::Unproven(error) => error.into(),
        }
    }

    /// What a refused password of an administrator's choice means.
    pub(super) fn of_admin_set(error: AdminSetError, min_length: usize) -> Self {
        match error {
            AdminSetError::WrongPassword(reasons) => Self::WrongPassword(reasons, min_length),
            AdminSetError::UnknownUser => Self::UnknownUser,
            AdminSetError::Hash(error) => error.into(),
            AdminSetError::Storage(error) => error.into(),
        }
    }

    /// What a new user that is refused means.
    pub(super) fn of_add_user(error: AddUserError, min_length: usize) -> Self {
        match error {
            AddUserError::WrongPassword(reasons) => Self::WrongPassword(reasons, min_length),
            AddUserError::Exists => Self::UserExists,
            AddUserError::Hash(error) => error.into(),
            AddUserError::Storage(error) => error.into(),
        }
    }
}

impl From<ChangeUserError> for ApiError {
    fn from(error: ChangeUserError) -> Self {
        match error {
            ChangeUserError::Unknown => Self::UnknownUser,
            ChangeUserError::Exists => Self::UserExists,
            ChangeUserError::ProfileTooLarge => Self::field("profile", Problem::Malformed),
            ChangeUserError::Storage(error) => error.into(),
        }
    }
}
