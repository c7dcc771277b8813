//! Request bodies: JSON or form, at most 16 KiB, within a time limit.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;

use super::auth;
use super::error::ApiError;
use super::fields::{Fields, FromFields};
use crate::clock;

/// The largest body that is read (bar H05).
const LIMIT: usize = 16 * 1024;
/// What takes longer than this to arrive is asked again for whom: who was switched off meanwhile must not act any more (bar O19).
const PROMPT: Duration = Duration::from_millis(100);
/// How long a body may take to arrive (bar H08): actix watches the head only.
const PATIENCE: Duration = Duration::from_secs(10);

/// A body that was read into `T`.
pub(super) struct Body<T>(pub(super) T);

impl<T: FromFields + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let any = [Format::Json, Format::Form];
            take(&request, payload, &any).await.map(Self)
        })
    }
}

/// A body that was read into `T`, where forms are not known.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: FromFields + 'static> FromRequest for JsonBody<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { take(&request, payload, &[Format::Json]).await.map(Self) })
    }
}

/// Reads a body of one of these formats into `T`: for handlers that have to wait for something else first.
pub(super) async fn take<T: FromFields>(
    request: &HttpRequest,
    payload: Payload,
    formats: &[Format],
) -> Result<T, ApiError> {
    let format = Format::of(request)?;
    if !formats.contains(&format) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let bytes = read(request, payload).await?;
    let fields = Fields::parse(format, &bytes)?;
    let body = T::from_fields(&fields)?;
    if format == Format::Json {
        fields.require_unique_names()?;
    }
    Ok(body)
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
        let kind = parts.next().unwrap_or_default();
        let format = match kind {
            _ if kind.eq_ignore_ascii_case("application/json") => Self::Json,
            _ if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Self::Form,
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
            let chunk = chunk.map_err(|_| ApiError::Unreadable)?;
            if body.len() + chunk.len() > LIMIT {
                return Err(ApiError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    let begun = clock::monotonic();
    let body = tokio::time::timeout(PATIENCE, whole)
        .await
        .map_err(|_| ApiError::Timeout)??;
    if begun.elapsed() > PROMPT {
        auth::still(request).await?;
    }
    Ok(body)
}
