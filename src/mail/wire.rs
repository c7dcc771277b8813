//! A mail as it stands on the wire after DATA: every dot that begins a line is doubled, and a dot of its own ends it (RFC 5321
//! section 4.5.2).

use std::fmt::{Display, Formatter, Result};

/// The octets of a mail, to be given to lettre like a command: in one piece. As `message` it would write the end apart from the rest,
/// which makes two packets of every mail, and lets a system that gathers small writes wait for the server's between them.
pub(super) struct Wire<'a>(pub(super) &'a [u8]);

impl Display for Wire<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mail = String::from_utf8_lossy(self.0); // made of strings: nothing gets lost
        let mut lines = mail.split("\r\n.");
        f.write_str(if mail.starts_with('.') { "." } else { "" })?;
        f.write_str(lines.next().unwrap_or_default())?;
        for line in lines {
            f.write_str("\r\n..")?;
            f.write_str(line)?;
        }
        f.write_str(if mail.ends_with("\r\n") { "" } else { "\r\n" })?;
        f.write_str(".\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e03_dots_that_begin_a_line_are_doubled_and_one_ends_the_mail() {
        for (mail, wire) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"),
            (".a\r\n..b\r\n", "..a\r\n...b\r\n.\r\n"),
            ("a\r\n.\r\n.\r\n", "a\r\n..\r\n..\r\n.\r\n"),
            ("a.\r\n\r\n.", "a.\r\n\r\n..\r\n.\r\n"),
            ("a\n.b\r.c\r\n", "a\n.b\r.c\r\n.\r\n"), // no line of SMTP begins at a lone LF or CR
        ] {
            assert_eq!(Wire(mail.as_bytes()).to_string(), wire, "{mail:?}");
        }
    }
}
