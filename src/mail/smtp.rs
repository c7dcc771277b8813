//! SMTP: sessions that are kept for the next mail, and what a failure means for the mail.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::TlsParameters;

use super::Delivery;
use super::session::{Failure, Protection, Session, Step};
use crate::domain::mail_url::{SmtpSecurity, SmtpServer};

/// Replies that speak of our own login or of the server's TLS, not of the mail: the operator can mend them, so the mail is
/// kept (RFC 4954 section 6).
const OUR_FAULT: [u16; 4] = [530, 534, 535, 538];
/// How long a session is kept without a mail to carry.
const IDLE: Duration = Duration::from_secs(20);

/// The way to one server.
pub(super) struct Smtp {
    host: String,
    port: u16,
    protection: Protection,
    credentials: Option<Credentials>,
    idle: Arc<Idle>,
}

impl Smtp {
    /// Prepares the way; nothing is connected yet.
    pub(super) fn new(server: &SmtpServer) -> Result<Self, Error> {
        let tls = || TlsParameters::new(server.host.clone());
        let login = server.credentials.as_ref();
        Ok(Self {
            host: server.host.clone(),
            port: server.port,
            protection: match server.security {
                SmtpSecurity::Plain => Protection::None,
                SmtpSecurity::StartTls => Protection::StartTls(tls()?),
                SmtpSecurity::Tls => Protection::Tls(tls()?),
            },
            credentials: login.map(|(user, password)| {
                let password: &str = password;
                Credentials::new(user.clone(), password.to_owned())
            }),
            idle: Arc::default(),
        })
    }

    /// Makes one attempt, which is over within `limit` (bar E12).
    pub(super) async fn send(&self, message: &Message, limit: Duration) -> Delivery {
        let mut step = Step::Connection;
        let attempt = self.attempt(message, limit, &mut step);
        match tokio::time::timeout(limit, attempt).await {
            Ok(Ok(())) => Delivery::Sent,
            Ok(Err(failure)) => meaning(step, &failure),
            Err(_) => lost(step, &no_answer(limit)),
        }
    }

    /// Connects, protects the connection and logs in, within `limit`; sends nothing.
    pub(super) async fn examine(&self, limit: Duration) -> Result<(), String> {
        let mut step = Step::Connection;
        let opened = tokio::time::timeout(limit, self.open(limit, &mut step)).await;
        let failed = match opened {
            Ok(Ok(session)) => {
                session.leave();
                return Ok(());
            }
            Ok(Err(failure)) => meaning(step, &failure),
            Err(_) => lost(step, &no_answer(limit)),
        };
        match failed {
            Delivery::Refused { reason, .. } | Delivery::Unknown { reason } => Err(reason),
            Delivery::Sent => Ok(()),
        }
    }

    async fn open(&self, limit: Duration, step: &mut Step) -> Result<Session, Failure> {
        let server = (self.host.as_str(), self.port);
        let (protection, login) = (&self.protection, self.credentials.as_ref());
        Session::open(server, limit / 4, protection, login, step).await
    }

    async fn attempt(
        &self,
        message: &Message,
        limit: Duration,
        step: &mut Step,
    ) -> Result<(), Failure> {
        let mut session = match self.kept(limit / 4).await {
            Some(session) => session,
            None => self.open(limit, step).await?,
        };
        let given = session
            .hand_over(message.envelope(), &message.formatted(), step)
            .await;
        match &given {
            Ok(()) => self.idle.keep(session),
            // It answered, so it can be told good-bye.
            Err(Failure::Smtp(error)) if error.status().is_some() => session.leave(),
            Err(_) => drop(session),
        }
        given
    }

    /// A session of an earlier mail whose server still answers.
    async fn kept(&self, within: Duration) -> Option<Session> {
        while let Some(mut session) = self.idle.take(None) {
            if session.is_alive(within).await {
                return Some(session);
            }
        }
        None
    }
}

/// Sessions without a mail to carry, each under a number of its own.
#[derive(Default)]
struct Idle(Mutex<(u64, Vec<(u64, Session)>)>);

impl Idle {
    /// Keeps a session for a while.
    fn keep(self: &Arc<Self>, session: Session) {
        let number = {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            idle.0 += 1;
            let number = idle.0;
            idle.1.push((number, session));
            number
        };
        let idle = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE).await;
            let unused = idle.upgrade().and_then(|idle| idle.take(Some(number)));
            unused.map(Session::leave)
        });
    }

    /// Takes the session with this number, or the one that was used last.
    fn take(&self, number: Option<u64>) -> Option<Session> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = idle.1.iter();
        let at = kept.rposition(|(kept, _)| number.is_none_or(|number| number == *kept))?;
        Some(idle.1.remove(at).1)
    }
}

/// What a failed attempt means. Reasons name codes and conditions; a server's own words may repeat the address.
fn meaning(step: Step, failure: &Failure) -> Delivery {
    let refused = |for_good, reason| Delivery::Refused { for_good, reason };
    let error = match failure {
        Failure::Smtp(error) => error,
        Failure::Network(error) => return lost(step, &error.to_string()),
        Failure::OutOfPlace => return lost(step, "a reply that is out of place"),
        // Another server may offer STARTTLS tomorrow. What the mail needs, it needs everywhere.
        Failure::NotOffered(what) => {
            return refused(
                step >= Step::Sender,
                format!("cannot be sent: the mail server does not offer {what}"),
            );
        }
    };
    if let Some(code) = error.status() {
        let number = u16::from(code);
        // Before MAIL the server has not heard of the mail, so it is us whom it does not want: the operator can mend that.
        let of_the_mail = step >= Step::Sender && !OUR_FAULT.contains(&number);
        return refused(
            error.is_permanent() && of_the_mail,
            format!(
                "the mail server answered {} {}",
                with_enhanced_code(number, error),
                step.answered()
            ),
        );
    }
    lost(step, &cause(error))
}

fn no_answer(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f32())
}

/// A connection that there is not, or not any more: once the mail was handed over, the server may have it.
fn lost(step: Step, why: &str) -> Delivery {
    let reason = match step {
        Step::Connection => format!("no connection to the mail server: {why}"),
        _ => format!("the mail server failed at {}: {why}", step.name()),
    };
    match step {
        Step::Message => Delivery::Unknown { reason },
        _ => Delivery::Refused {
            for_good: false,
            reason,
        },
    }
}

/// The reply code with its enhanced status code (RFC 3463), such as "550 5.1.1".
fn with_enhanced_code(number: u16, error: &Error) -> String {
    let text = error.to_string();
    let is_enhanced = |word: &&str| {
        let parts: Vec<_> = word.split('.').collect();
        parts.len() == 3
            && parts
                .iter()
                .all(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
    };
    match text.split_whitespace().find(is_enhanced) {
        Some(enhanced) => format!("{number} {enhanced}"),
        None => number.to_string(),
    }
}

/// The innermost reason: what wraps it says the same in more general words.
fn cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
