//! Request bodies: JSON or form, at most 16 KiB, read into fields that cannot be wrong. Errors name the field, never its
//! value.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::error::ApiError;
use super::json::{self, Strict};
use crate::domain::{EmailAddress, Locale, Password, PlainToken, ResetToken};
use crate::oauth::guard::Denied;

/// The largest body that is read (bar H05).
const LIMIT: usize = 16 * 1024;
/// How long a body may take to arrive (bar H08): actix watches the head only.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a handler takes from a request's body.
pub(super) trait FromFields: Sized {
    /// Reads the fields, or names the one that is wrong.
    fn from_fields(fields: &Fields) -> Result<Self, ApiError>;
}

/// A body that was read into `T`.
pub(super) struct Body<T>(pub(super) T);

impl<T: FromFields + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let format = Format::of(&request)?;
            let bytes = read(&request, payload).await?;
            let fields = Fields::parse(format, &bytes)?;
            let body = T::from_fields(&fields)?;
            fields.require_unique_names()?;
            Ok(Self(body))
        })
    }
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Form,
}

impl Format {
    /// By the content type; compressed bodies are refused (bar H02, H07).
    pub(super) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let unsupported = ApiError::UnsupportedMediaType;
        if request.headers().contains_key(CONTENT_ENCODING)
            || request.headers().get_all(CONTENT_TYPE).count() > 1
        {
            return Err(unsupported);
        }
        let text = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let mut parts = text.split(';').map(str::trim);
        let format = match parts
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "application/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            _ => return Err(unsupported),
        };
        let other_charset = |p: &str| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            name.eq_ignore_ascii_case("charset")
                && !value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        };
        if parts.any(other_charset) {
            Err(unsupported)
        } else {
            Ok(format)
        }
    }
}

/// Reads a body up to the limit, within the time limit.
pub(super) async fn read(
    request: &HttpRequest,
    mut payload: Payload,
) -> Result<web::Bytes, ApiError> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LIMIT as u64) {
        return Err(ApiError::TooLarge);
    }
    let whole = async {
        let mut body = web::BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| ApiError::InvalidRequest(None))?;
            if body.len() + chunk.len() > LIMIT {
                return Err(ApiError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(PATIENCE, whole)
        .await
        .map_err(|_| ApiError::Timeout)?
}

/// The fields of a body, each name once. Unknown ones are ignored, repeated ones are not (bar F05, H06).
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    fn parse(format: Format, bytes: &[u8]) -> Result<Self, ApiError> {
        let fields = match format {
            Format::Json => {
                serde_json::from_slice::<Self>(bytes).map_err(|_| ApiError::InvalidRequest(None))?
            }
            Format::Form => Self(
                form(bytes)?
                    .into_iter()
                    .map(|(name, value)| (name, Value::String(value)))
                    .collect(),
            ),
        };
        // A token in the form beside the one in the header (RFC 6750 section 2, bar B04).
        if format == Format::Form && fields.0.iter().any(|(name, _)| name == "access_token") {
            return Err(ApiError::Denied(Denied::InvalidRequest));
        }
        Ok(fields)
    }

    /// Refuses a repeated name that nobody asked for. One that is asked for was refused by name.
    fn require_unique_names(&self) -> Result<(), ApiError> {
        let mut seen = HashSet::new();
        let unique = self.0.iter().all(|(name, _)| seen.insert(name));
        unique.then_some(()).ok_or(ApiError::InvalidRequest(None))
    }

    /// The text of a field that must be there.
    fn text(&self, name: &'static str) -> Result<&str, ApiError> {
        self.optional_text(name)?
            .ok_or(ApiError::InvalidRequest(Some(name)))
    }

    /// The text of a field that may be there. JSON's null is as good as absence.
    fn optional_text(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        let mut found = self.0.iter().filter(|(field, _)| field == name);
        match (found.next(), found.next()) {
            (None | Some((_, Value::Null)), None) => Ok(None),
            (Some((_, Value::String(text))), None) => Ok(Some(text)),
            _ => Err(ApiError::InvalidRequest(Some(name))),
        }
    }

    /// An address; a malformed one is an address of nobody.
    pub(super) fn email(&self, name: &'static str) -> Result<EmailAddress, ApiError> {
        EmailAddress::parse(self.text(name)?).map_err(|_| ApiError::WrongUser)
    }

    /// A language tag.
    pub(super) fn locale(&self, name: &'static str) -> Result<Option<Locale>, ApiError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| ApiError::InvalidRequest(Some(name)))
        };
        self.optional_text(name)?
            .filter(|text| !text.is_empty())
            .map(parse)
            .transpose()
    }

    /// A reset token; none when the text cannot be one.
    pub(super) fn reset_token(
        &self,
        name: &'static str,
    ) -> Result<Option<PlainToken<ResetToken>>, ApiError> {
        Ok(PlainToken::parse(self.text(name)?))
    }

    /// A new password, with whether its confirmation differs, or why it cannot be one.
    pub(super) fn new_password(
        &self,
        name: &'static str,
        confirmation: &'static str,
    ) -> Result<Result<(Password, bool), crate::domain::Refusal>, ApiError> {
        let text = self.text(name)?;
        let confirmation = self.optional_text(confirmation)?.map(Password::parse);
        let confirmed = |password: Password| {
            let differs = confirmation.is_some_and(|other| other.as_ref() != Ok(&password));
            (password, differs)
        };
        Ok(Password::parse(text).map(confirmed))
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| json::wipe(value));
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields(Vec::new());
                while let Some((name, Strict(value))) = map.next_entry()? {
                    fields.0.push((name, value));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Decodes a form (RFC 6749 appendix B: UTF-8). Not being UTF-8, or a broken `%`, is an error and not replaced.
pub(super) fn form(bytes: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
    let malformed = || ApiError::InvalidRequest(None);
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let decode = |part: &str| form_decode(part).ok_or_else(malformed);
    let read = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    };
    pairs.map(read).collect()
}

/// Decodes one half of a form's pair.
pub(super) fn form_decode(text: &str) -> Option<String> {
    let mut broken = text.split('%').skip(1).map(|rest| rest.as_bytes());
    if broken.any(|rest| rest.len() < 2 || !rest[..2].iter().all(u8::is_ascii_hexdigit)) {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}
