//! Whom our mails come from.

use super::EmailAddress;

/// A sender: an address, and the name that mail programs show.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The name.
    pub name: Option<String>,
    /// The address; bounces go there too.
    pub address: EmailAddress,
}

/// Not a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address, or a name with an address in < >")]
pub struct MalformedSender;

impl std::str::FromStr for Sender {
    type Err = MalformedSender;

    fn from_str(text: &str) -> Result<Self, MalformedSender> {
        let (name, address) = match text.split_once('<') {
            Some((name, rest)) => (
                name.trim().trim_matches('"'),
                rest.strip_suffix('>').ok_or(MalformedSender)?,
            ),
            None => ("", text),
        };
        if name.contains(|c: char| c.is_control()) {
            return Err(MalformedSender);
        }
        Ok(Self {
            name: (!name.is_empty()).then(|| name.to_owned()),
            address: EmailAddress::parse(address).map_err(|_| MalformedSender)?,
        })
    }
}

impl std::fmt::Display for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address.to_text()),
            None => f.write_str(&self.address.to_text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_read() {
        let shown = |text: &str| text.parse::<Sender>().map(|s| s.to_string());
        assert_eq!(
            shown("Unforget <no-reply@localhost>").as_deref(),
            Ok("Unforget <no-reply@localhost>")
        );
        assert_eq!(
            shown("no-reply@example.com").as_deref(),
            Ok("no-reply@example.com")
        );
        for bad in [
            "",
            "Unforget",
            "Unforget <x>",
            "A <a@b.c",
            "A\r\nBcc: x@y.z <a@b.c>",
        ] {
            assert_eq!(shown(bad), Err(MalformedSender), "{bad}");
        }
    }
}
