//! Why a line of a file makes no user.

use crate::domain::UnusableHash;

/// Why a line makes no user. The texts name what is wrong and never repeat what the line says: it holds hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Longer than any user needs.
    #[error("it is longer than 64 KiB")]
    TooLong,
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// U+0000, which PostgreSQL cannot store (bar P05).
    #[error("it holds U+0000")]
    Nul,
    /// JSONL: not a JSON object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// JSON that has a key twice.
    #[error("an object in it has a key twice")]
    RepeatedKey,
    /// CSV: not well-formed.
    #[error("it is not well-formed CSV (is a quote not closed?)")]
    Quotes,
    /// CSV: how many columns there are, and how many there ought to be.
    #[error("it has {0} columns, the first line has {1}")]
    Columns(usize, usize),
    /// There is no address.
    #[error("`email` is missing")]
    NoEmail,
    /// The address is malformed.
    #[error("`email` is not a valid e-mail address")]
    Email,
    /// The hash cannot be taken over.
    #[error("{0}")]
    Hash(UnusableHash),
    /// A hash, or a password, where the apps would see it.
    #[error("a password or a password hash stands outside of `password_hash`")]
    Misplaced,
    /// A value is of another type or form.
    #[error("`{0}` is not {1}")]
    Form(&'static str, &'static str),
    /// The file has the address, or the id, twice.
    #[error("its address or its id stands in an earlier line already")]
    Duplicate,
    /// There is such a user, and not as the line says.
    #[error("there is a user with this address already, with other data")]
    Exists,
    /// There is such a user, and it has another id; ids never change.
    #[error("there is a user with this address already, under another id")]
    OtherId,
    /// The id is taken.
    #[error("another user has this id")]
    IdTaken,
    /// The database does not take it, whatever the cause.
    #[error("the database does not take it")]
    Rejected,
}

impl Refused {
    /// The word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotUtf8 => "not_utf8",
            Self::Nul => "nul",
            Self::NotAnObject => "not_an_object",
            Self::RepeatedKey => "repeated_key",
            Self::Quotes => "quotes",
            Self::Columns(..) => "columns",
            Self::NoEmail => "no_email",
            Self::Email => "malformed_email",
            Self::Hash(reason) => reason.name(),
            Self::Misplaced => "misplaced_hash",
            Self::Form(..) => "malformed_value",
            Self::Duplicate => "duplicate",
            Self::Exists => "exists",
            Self::OtherId => "other_id",
            Self::IdTaken => "id_taken",
            Self::Rejected => "rejected",
        }
    }
}
