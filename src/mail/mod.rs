//! Sending mail: over SMTP, or into a folder. The only folder that knows lettre; it knows nothing of the database.

mod clear;
mod connect;
pub mod letter;
mod session;
mod smtp;
mod wire;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use crate::domain::{EmailAddress, MailUrl, Sender};
use crate::telemetry;
use letter::Letter;
use smtp::Smtp;

/// The way out for mail.
pub struct Mailer {
    transport: Transport,
    from: Mailbox,
    timeout: Duration,
}

enum Transport {
    Smtp(Smtp),
    Folder(PathBuf),
}

/// What became of one attempt to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The server took it.
    Sent,
    /// It certainly did not go out. Trying again later is of use unless `for_good` (RFC 5321 section 4.2.1: 5yz).
    Refused {
        /// Whether another try would be refused as well.
        for_good: bool,
        /// Why, without addresses.
        reason: String,
    },
    /// The connection was lost, or time ran out, when it may have been taken already.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// The sender is not one that mail can come from, or the server's settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MailerError(String);

impl Mailer {
    /// Prepares the way out; nothing is connected yet. `timeout` bounds every attempt to send.
    pub fn new(url: &MailUrl, from: &Sender, timeout: Duration) -> Result<Self, MailerError> {
        Ok(Self {
            transport: match url {
                MailUrl::Folder(path) => Transport::Folder(path.clone()),
                MailUrl::Smtp(server) => {
                    Transport::Smtp(Smtp::new(server).map_err(|e| MailerError(e.to_string()))?)
                }
            },
            from: Mailbox::new(from.name.clone(), address(&from.address)?),
            timeout,
        })
    }

    /// How long one attempt may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether mail goes into a folder, and nobody gets any.
    pub fn is_folder(&self) -> bool {
        matches!(self.transport, Transport::Folder(_))
    }

    /// Whether the way out is open: connects, protects the connection and logs in, or makes a file in the folder, or in
    /// the one that it would be made in, and takes it away again. Sends nothing.
    pub async fn examine(&self) -> Result<(), String> {
        match &self.transport {
            Transport::Smtp(smtp) => smtp.examine(self.timeout).await,
            Transport::Folder(folder) => {
                let folder = folder.clone();
                let written = telemetry::blocking(move || {
                    // Of a relative path, the last folder has no name.
                    let there = |at: &&Path| at.as_os_str().is_empty() || at.exists();
                    let nearest = folder.ancestors().find(there);
                    let probe = nearest.unwrap_or(&folder).join(".doctor");
                    write_private(&probe, b"").and_then(|()| std::fs::remove_file(&probe))
                });
                let written = written.await.map_err(std::io::Error::other).flatten();
                written.map_err(|error| format!("the mail folder: {error}"))
            }
        }
    }

    /// Makes one attempt to send a letter, within the time limit (bar E12).
    pub async fn send(&self, letter: &Letter) -> Delivery {
        let refused = |reason: &str| Delivery::Refused {
            for_good: true,
            reason: reason.to_owned(),
        };
        let Ok(message) = self.message(letter) else {
            return refused("the address cannot be used in a mail");
        };
        match &self.transport {
            Transport::Smtp(smtp) => smtp.send(&message, self.timeout).await,
            Transport::Folder(folder) => {
                let path = folder.join(format!("{}.eml", letter.id));
                let bytes = message.formatted();
                let written = telemetry::blocking(move || write_private(&path, &bytes)).await;
                match written.map_err(std::io::Error::other).flatten() {
                    Ok(()) => Delivery::Sent,
                    Err(error) => Delivery::Refused {
                        for_good: false,
                        reason: format!("the mail folder: {error}"),
                    },
                }
            }
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, MailerError> {
        let odd = |error: &dyn std::fmt::Display| MailerError(error.to_string());
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted"); // RFC 3834 section 5, bar E04
        Message::builder()
            .message_id(Some(format!(
                "<{}@{}>",
                letter.id,
                self.from.email.domain()
            )))
            .date(letter.at.into())
            .from(self.from.clone())
            .to(Mailbox::new(None, address(&letter.to)?))
            .subject(letter.subject.clone())
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(
                letter.text.clone(),
                letter.html.clone(),
            ))
            .map_err(|e| odd(&e))
    }
}

fn address(address: &EmailAddress) -> Result<Address, MailerError> {
    address
        .to_text()
        .parse()
        .map_err(|error: lettre::address::AddressError| MailerError(error.to_string()))
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let draft = path.with_extension("part");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}
