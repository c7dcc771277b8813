//! The queue of mails, as values.

use chrono::TimeDelta;
use uuid::Uuid;

use super::{ClientId, EmailAddress, Instant, Locale};

/// A mail that is owed. Who gets it is found out at the moment of sending, and so is the secret in it: nothing of either
/// is in the queue (bar F04, F09), but for the address that a user had when something changed.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Also the left half of its Message-ID, the same on every retry (bar E05).
    pub id: Uuid,
    /// What it says.
    pub kind: MailKind,
    /// On whose behalf it is sent.
    pub client_id: Option<ClientId>,
    /// The language that the call wished for.
    pub locale: Option<Locale>,
    /// When it was queued.
    pub created_at: Instant,
    /// After this it is not sent any more: the link would be dead (bar E09).
    pub expires_at: Instant,
    /// How often sending was tried.
    pub attempts: i64,
}

/// What a mail says, and whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailKind {
    /// "Here is your link": for whoever owns this address key, if anybody does.
    Reset {
        /// The key of the address that was asked for.
        address_key: String,
    },
    /// "Your password was changed" (bar F21).
    PasswordChanged {
        /// The user whose password it was.
        user_id: Uuid,
        /// The address that the user had then: a new one may be somebody else's. Older mails do not say it.
        recipient: Option<EmailAddress>,
    },
    /// "This is not your address any more" (bar F21).
    EmailChanged {
        /// The user whose address it was.
        user_id: Uuid,
        /// The address: the user's own record has the new one already.
        recipient: EmailAddress,
    },
}

/// Where a mail is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// Waiting for its turn, or for its next try.
    Queued,
    /// A server took it.
    Sent,
    /// It will not be sent; an operator can see why.
    Failed,
    /// There was nobody to send it to.
    Skipped,
    /// It was never to be sent: an operator was shown its link.
    Printed,
}

impl MailState {
    /// The word in the database and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Printed => "printed",
        }
    }
}

/// Until when a notice is tried: long enough for a weekend without a mail server.
pub const NOTICE_LIFETIME: TimeDelta = TimeDelta::days(3);

/// How long to wait after the given number of failed attempts (1 is the first), before jitter: from seconds, for a server
/// that restarts, to a quarter of an hour, for one that greylists (RFC 5321 section 4.5.4.1, bar E09).
pub fn retry_delay(attempts: i64) -> TimeDelta {
    const SECONDS: [i64; 6] = [5, 20, 60, 180, 420, 900];
    let at = usize::try_from(attempts - 1).unwrap_or_default();
    TimeDelta::seconds(SECONDS[at.min(SECONDS.len() - 1)])
}
