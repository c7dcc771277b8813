//! A link that an operator was shown has a row among the mails too: it tells whose it is, and it was never to be sent.

use diesel::prelude::*;

use super::{Ending, insert};
use crate::domain::Instant;
use crate::domain::mail::{Mail, MailState};
use crate::storage::AnyConnection;
use crate::storage::columns::{At, Id};
use crate::storage::error::Result;
use crate::storage::schema::mails;

/// Writes the row of a mail that no worker is to send, in the transaction that makes its link.
pub fn insert_printed(c: &mut AnyConnection, mail: &Mail, now: Instant) -> Result<()> {
    insert(c, mail)?;
    let printed = Ending {
        state: MailState::Printed.name(),
        due_at: None,
        lease: None,
        finished_at: Some(At(now)),
    };
    diesel::update(mails::table.find(Id(mail.id)))
        .set(printed)
        .execute(c)?;
    Ok(())
}
