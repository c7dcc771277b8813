//! One SMTP session, step by step, so that it is known how far it came when it fails.

use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::lookup_host;

use super::clear::LineByLine;
use super::connect::connect;
use super::wire::Wire;

/// How long a server may take over our QUIT.
const PARTING: Duration = Duration::from_secs(5);

/// What was waited for, or done, last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The connection itself; with `smtps`, its handshake and greeting too.
    Connection,
    Greeting,
    StartTls,
    Login,
    /// From here on the server's answers are about the mail.
    Sender,
    Recipient,
    Data,
    /// The mail is handed over: from here on the server may have it.
    Message,
}

impl Step {
    /// What an operator knows it by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connection => "connecting",
            Self::Greeting => "greeting",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Sender => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Message => "end of the mail",
        }
    }

    /// What a reply code was the answer to.
    pub(super) fn answered(self) -> String {
        match self {
            Self::Connection | Self::Greeting => "on connecting".to_owned(),
            Self::Message => "to the mail itself".to_owned(),
            step => format!("to {}", step.name()),
        }
    }
}

/// Why a session did not get on.
#[derive(Debug)]
pub(super) enum Failure {
    /// lettre says so.
    Smtp(Error),
    /// There is no connection.
    Network(std::io::Error),
    /// The mail needs what the server does not offer.
    NotOffered(&'static str),
    /// A reply that has no meaning at this step.
    OutOfPlace,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

/// What protects a session, as lettre takes it.
#[derive(Clone)]
pub(super) enum Protection {
    None,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

/// A session that may carry mails, one after the other.
pub(super) struct Session(AsyncSmtpConnection);

impl Session {
    /// Connects and logs in. Required TLS means that nothing, no login and no address, is said without it (bar E13). Of several
    /// addresses of the server, one that does not answer is given up after `patience`.
    pub(super) async fn open(
        server: (&str, u16),
        patience: Duration,
        protection: &Protection,
        credentials: Option<&Credentials>,
        step: &mut Step,
    ) -> Result<Self, Failure> {
        let name = ClientId::default();
        let addresses = lookup_host(server).await.map_err(Failure::Network)?;
        let addresses: Vec<_> = addresses.collect();
        let mut session = match protection {
            Protection::Tls(tls) => {
                let tls = Some(tls.clone());
                let patience = (addresses.len() > 1).then_some(patience);
                let to = addresses.as_slice();
                AsyncSmtpConnection::connect_tokio1(to, patience, &name, tls, None).await?
            }
            Protection::None | Protection::StartTls(_) => {
                let socket = connect(&addresses, patience).await;
                let socket = socket.map_err(Failure::Network)?;
                *step = Step::Greeting;
                let lines = Box::new(LineByLine::new(socket));
                AsyncSmtpConnection::connect_with_transport(lines, &name).await?
            }
        };
        if let Protection::StartTls(tls) = protection {
            *step = Step::StartTls;
            if !session.can_starttls() {
                return Err(Failure::NotOffered("STARTTLS"));
            }
            session.starttls(tls.clone(), &name).await?;
        }
        if let Some(credentials) = credentials {
            *step = Step::Login;
            let welcome = session.auth(DEFAULT_MECHANISMS, credentials).await?;
            done(&welcome)?;
        }
        Ok(Self(session))
    }

    /// Whether the server still answers.
    pub(super) async fn is_alive(&mut self, within: Duration) -> bool {
        let asked = tokio::time::timeout(within, self.0.test_connected()).await;
        asked.unwrap_or(false)
    }

    /// Hands over one mail (RFC 5321 section 3.3).
    pub(super) async fn hand_over(
        &mut self,
        envelope: &Envelope,
        mail: &[u8],
        step: &mut Step,
    ) -> Result<(), Failure> {
        *step = Step::Sender;
        let parameters = self.parameters(envelope, mail)?;
        let from = Mail::new(envelope.from().cloned(), parameters);
        done(&self.0.command(from).await?)?;
        *step = Step::Recipient;
        for to in envelope.to() {
            done(&self.0.command(Rcpt::new(to.clone(), Vec::new())).await?)?;
        }
        *step = Step::Data;
        if !self.0.command(Data).await?.has_code(354) {
            return Err(Failure::OutOfPlace);
        }
        *step = Step::Message;
        done(&self.0.command(Wire(mail)).await?)
    }

    /// What MAIL has to announce (RFC 6531 section 3.4, RFC 6152 section 3), or what the server lacks for it (bar E14).
    fn parameters(&self, envelope: &Envelope, mail: &[u8]) -> Result<Vec<MailParameter>, Failure> {
        let offers = |extension| self.0.server_info().supports_feature(extension);
        let mut parameters = Vec::new();
        let mut addresses = envelope.from().into_iter().chain(envelope.to());
        if !addresses.all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
            if !offers(Extension::SmtpUtfEight) {
                return Err(Failure::NotOffered("SMTPUTF8"));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !mail.is_ascii() {
            if !offers(Extension::EightBitMime) {
                return Err(Failure::NotOffered("8BITMIME"));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    /// Says good-bye beside whatever comes next: what became of a mail is known, and nobody waits for a polite server.
    pub(super) fn leave(mut self) {
        tokio::spawn(async move {
            let _silent = tokio::time::timeout(PARTING, self.0.abort()).await;
        });
    }
}

/// Of the positive replies only 2yz says that something was done: 3yz asks for more (RFC 5321 section 4.2.1).
fn done(reply: &Response) -> Result<(), Failure> {
    match reply.code().severity {
        Severity::PositiveCompletion => Ok(()),
        _ => Err(Failure::OutOfPlace),
    }
}
