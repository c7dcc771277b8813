//! SMTP: how the connection is protected, and what a failure means for the mail.

use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::{Error, PoolConfig};
use lettre::{AsyncSmtpTransport, Tokio1Executor};

use super::Delivery;
use crate::domain::mail_url::{SmtpSecurity, SmtpServer};

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Replies that speak of our own login or of the server's TLS, not of the mail: the operator can mend them, so the mail is
/// kept (RFC 4954 section 6).
const OUR_FAULT: [u16; 4] = [530, 534, 535, 538];

/// Prepares a transport. Required TLS means that nothing, no login and no address, is said without it (bar E13).
pub(super) fn transport(server: &SmtpServer, timeout: Duration) -> Result<Transport, Error> {
    let tls = match server.security {
        SmtpSecurity::Plain => Tls::None,
        SmtpSecurity::StartTls => Tls::Required(TlsParameters::new(server.host.clone())?),
        SmtpSecurity::Tls => Tls::Wrapper(TlsParameters::new(server.host.clone())?),
    };
    let idle = PoolConfig::new()
        .max_size(4)
        .idle_timeout(Duration::from_secs(20));
    let mut builder = Transport::builder_dangerous(server.host.clone())
        .port(server.port)
        .tls(tls)
        .timeout(Some(timeout))
        .pool_config(idle);
    if let Some((user, password)) = &server.credentials {
        builder = builder.credentials(Credentials::new(user.clone(), password.to_string()));
    }
    Ok(builder.build())
}

/// What a failed attempt means. Reasons name codes and conditions; a server's own words may repeat the address.
pub(super) fn classify(error: &Error) -> Delivery {
    let refused = |for_good, reason| Delivery::Refused { for_good, reason };
    if let Some(code) = error.status() {
        let number: u16 = code.to_string().parse().unwrap_or_default();
        let for_good = error.is_permanent() && !OUR_FAULT.contains(&number);
        return refused(
            for_good,
            format!(
                "the mail server answered {}",
                with_enhanced_code(number, error)
            ),
        );
    }
    if error.is_tls() {
        return refused(false, format!("TLS failed: {}", cause(error)));
    }
    if error.is_client() {
        // For example an address that needs SMTPUTF8, and a server that does not speak it (bar E14), or no STARTTLS on offer.
        return refused(
            !cause(error).contains("STARTTLS"),
            format!("cannot be sent: {}", cause(error)),
        );
    }
    let text = error.to_string();
    if text.starts_with("Connection error") {
        return refused(
            false,
            format!("no connection to the mail server: {}", cause(error)),
        );
    }
    Delivery::Unknown {
        reason: format!("the connection to the mail server broke: {}", cause(error)),
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

fn cause(error: &Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| "no details".to_owned(), ToString::to_string)
}
