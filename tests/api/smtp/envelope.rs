//! What MAIL and RCPT say, as the SMTP sink reads it.

/// Who MAIL said the message is from.
pub(super) struct Sender {
    pub(super) address: String,
    pub(super) utf8: bool,
    /// An attempt is counted at its first RCPT only.
    pub(super) counted: bool,
}

/// The address between the brackets, and the parameters after them.
pub(super) fn path(rest: &str) -> Option<(&str, &str)> {
    let (_, open) = rest.split_once('<')?;
    open.rsplit_once('>')
}
