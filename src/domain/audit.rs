//! What the audit remembers: who did what to whom, from where, and whether it was refused (bar L01; ASVS 16.2.1). No secret, no
//! address of a user, nothing that a caller wrote.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::{ClientId, Instant};

macro_rules! acts {
    ($(#[doc = $about:literal] $variant:ident = $name:literal,)+) => {
        /// Something that matters for security.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Act { $(#[doc = $about] $variant,)+ }

        impl Act {
            /// Every act there is.
            pub const ALL: &'static [Act] = &[$(Act::$variant,)+];

            /// Its name in storage and output.
            pub fn name(self) -> &'static str {
                match self { $(Act::$variant => $name,)+ }
            }
        }
    };
}

acts! {
    /// A client asked for an access token.
    TokenIssue = "token.issue",
    /// A client ended an access token.
    TokenRevoke = "token.revoke",
    /// A client asked what a token stands for, and was not let in.
    TokenIntrospect = "token.introspect",
    /// A client was registered.
    ClientAdd = "client.add",
    /// A client's registration was changed.
    ClientChange = "client.change",
    /// A client got a new secret, or one of its secrets was ended.
    ClientRotate = "client.rotate",
    /// A client was switched off.
    ClientDisable = "client.disable",
    /// A client was switched on again.
    ClientEnable = "client.enable",
    /// A client was deleted.
    ClientDelete = "client.delete",
    /// An account was made.
    UserAdd = "user.add",
    /// An account was changed.
    UserChange = "user.change",
    /// An account was switched off.
    UserDisable = "user.disable",
    /// An account was switched on again.
    UserEnable = "user.enable",
    /// An account was deleted.
    UserDelete = "user.delete",
    /// An account was imported.
    UserImport = "user.import",
    /// Every account was read with its password hash.
    UserExport = "user.export",
    /// A reset mail was asked for.
    PasswordRemind = "password.remind",
    /// An operator was shown a link for a user.
    PasswordLink = "password.link",
    /// A reset token was checked, and refused.
    PasswordCheck = "password.check",
    /// A password was set with a reset token.
    PasswordReset = "password.reset",
    /// A password was changed by who knew the old one.
    PasswordChange = "password.change",
    /// A password was verified.
    PasswordVerify = "password.verify",
    /// An administrator set a password.
    PasswordSet = "password.set",
    /// A user was signed in.
    SessionCreate = "session.create",
    /// Everything that lets somebody in without a password or a client secret was ended.
    AccessEnd = "access.end",
}

/// A name that no act has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown act")]
pub struct UnknownAct;

impl FromStr for Act {
    type Err = UnknownAct;

    fn from_str(name: &str) -> Result<Self, UnknownAct> {
        let found = Act::ALL.iter().copied().find(|act| act.name() == name);
        found.ok_or(UnknownAct)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What all ids of entries of this time and later come after.
pub fn first_id(at: Instant) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

/// Where an act came from. An operator at the command line has neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The id of the request, as answered in `X-Request-Id`.
    pub request_id: Option<String>,
    /// The address of the caller, in the form that the operator chose.
    pub address: Option<String>,
}

/// One act, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id: a UUIDv7, so that ids sort by time.
    pub id: Uuid,
    /// When.
    pub at: Instant,
    /// What.
    pub act: Act,
    /// Why it was refused; none when it was done. A word of ours, never the caller's.
    pub refusal: Option<String>,
    /// Who acted; none for an operator at the command line, or a stranger.
    pub client_id: Option<ClientId>,
    /// The client that it was done to.
    pub subject_client: Option<ClientId>,
    /// The user that it was done to, as far as there is one.
    pub subject_user: Option<Uuid>,
    /// From where.
    pub origin: Origin,
}

impl Entry {
    /// An act that was done, as far as it is known by now.
    pub fn new(id: Uuid, at: Instant, act: Act, origin: Origin) -> Self {
        Self {
            id,
            at,
            act,
            refusal: None,
            client_id: None,
            subject_client: None,
            subject_user: None,
            origin,
        }
    }

    /// This client did it.
    pub fn by_client(mut self, id: &ClientId) -> Self {
        self.client_id = Some(id.clone());
        self
    }

    /// It was done to this user.
    pub fn to_user(mut self, id: Uuid) -> Self {
        self.subject_user = Some(id);
        self
    }

    /// It was done to this user, if there is one.
    pub fn to_any_user(mut self, id: Option<Uuid>) -> Self {
        self.subject_user = id;
        self
    }

    /// It was done to this client.
    pub fn to_client(mut self, id: &ClientId) -> Self {
        self.subject_client = Some(id.clone());
        self
    }

    /// It was refused, for this reason: a word of ours.
    pub fn refused(mut self, reason: &str) -> Self {
        self.refusal = Some(reason.to_owned());
        self
    }
}
