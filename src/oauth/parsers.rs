//! The parsers of this layer by name, for whoever attacks them without a socket: the fuzz targets (tests/fuzz). The service itself
//! never comes by here.

use super::assertion::{has_fitting_header, judge};
use super::dpop::{self, Presented};
use super::jose::Signed;
use crate::domain::Instant;

/// A client assertion, as far as can be known without its client: or the part that is wrong.
pub fn assertion(text: &str, issuer: &str, now: Instant) -> Result<(), &'static str> {
    let signed = Signed::read(text).ok_or("form")?;
    if !has_fitting_header(&signed) {
        return Err("header");
    }
    judge(&signed, issuer, now).map(|_| ())
}

/// A proof of possession; says whether its own key has signed it.
pub fn proof(text: &str, presented: &Presented<'_>) -> bool {
    dpop::read(text, presented).is_some_and(|(signed, jwk, _)| signed.is_signed_by(&jwk.key))
}
