//! Error answers, as the document shows them. They are not retold: the code that answers with an error makes it here too, and
//! it becomes the example, so that status, words and headers are the real ones.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder, Schema};

use super::super::contracts::ocariot;
use super::super::error::ApiError;
use super::super::token::OauthError;
use super::components::{header, header_of_some};
use super::shape::{Shape, field, list, object, text};
use crate::domain::Refusal;

/// A request id, for examples.
const REQUEST_ID: &str = "019ab7a0-9a5e-7c31-b1c5-3f1d0c1e2a4b";

/// Who speaks: each contract has error bodies of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// The native API.
    Native,
    /// RFC 6749 section 5.2.
    Oauth,
    /// The OCARIoT contract.
    Ocariot,
}

impl Family {
    /// Every one, for the list of schemas.
    pub(super) const ALL: [Self; 3] = [Self::Native, Self::Oauth, Self::Ocariot];

    /// The name of the schema.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Native => "Error",
            Self::Oauth => "OAuthError",
            Self::Ocariot => "OcariotError",
        }
    }

    /// The schema of every body.
    pub(super) fn shape(self) -> Shape {
        match self {
            Self::Native => native(),
            Self::Oauth => object([
                text(
                    "error",
                    "For programs (RFC 6749 section 5.2).",
                    "invalid_client",
                ),
                text(
                    "error_description",
                    "For people, in English.",
                    "client authentication failed",
                ),
            ]),
            Self::Ocariot => object([
                field("code", Type::Integer, "The status.", json!(400)),
                text(
                    "message",
                    "What is wrong.",
                    "Required fields were not provided...",
                ),
                text("description", "More on it.", "new_password is required!"),
            ]),
        }
    }

    /// The answer to this error.
    fn answer(self, error: &ApiError) -> HttpResponse {
        match self {
            Self::Native => error.error_response(),
            Self::Oauth => OauthError::from(error.clone()).error_response(),
            Self::Ocariot => ocariot::render(error),
        }
    }

    /// The key of the word that programs look at, where there is one.
    fn word_key(self) -> Option<&'static str> {
        match self {
            Self::Native => Some("status"),
            Self::Oauth => Some("error"),
            Self::Ocariot => None,
        }
    }

    /// What a body says to people.
    fn text(self, body: &Value) -> String {
        let of = |key: &str| body[key].as_str().unwrap_or_default();
        match self {
            Self::Native => of("error").to_owned(),
            Self::Oauth => of("error_description").to_owned(),
            Self::Ocariot => format!("{} {}", of("message"), of("description")),
        }
    }
}

fn native() -> Shape {
    let names: Vec<_> = Refusal::ALL.iter().map(|reason| reason.name()).collect();
    let reasons = list("reasons", "Why the password is refused.", &names);
    object([
        text("status", "For programs. Never changes.", "invalid_request"),
        text(
            "error",
            "For people, in the language of `Accept-Language`.",
            "The request is not valid.",
        ),
        text(
            "field",
            "The field that is missing, repeated or wrong.",
            "email",
        )
        .omissible(),
        reasons.omissible(),
        field(
            "min_length",
            Type::Integer,
            "The fewest characters that a password may have.",
            json!(6),
        )
        .omissible(),
        text(
            "request_id",
            "What `X-Request-Id` says too: the request's name in the logs.",
            REQUEST_ID,
        ),
    ])
}

/// An error answer that the service made.
pub(super) struct Sample {
    /// What it is called in the native API, whatever the contract.
    word: String,
    status: StatusCode,
    headers: BTreeSet<String>,
    body: Value,
}

impl Sample {
    /// Has a contract answer with an error.
    pub(super) fn of(family: Family, error: &ApiError) -> Self {
        Self::new(error.to_string(), family.answer(error), |body| {
            if family == Family::Native {
                body["request_id"] = json!(REQUEST_ID); // The outermost layer adds it.
            }
        })
    }

    /// Has the token endpoint answer with an error of its own.
    pub(super) fn of_token(error: &OauthError) -> Self {
        Self::new(error.to_string(), error.error_response(), |_| {})
    }

    fn new(word: String, response: HttpResponse, complete: impl FnOnce(&mut Value)) -> Self {
        let names = response
            .headers()
            .keys()
            .filter(|name| **name != CONTENT_TYPE);
        let (status, headers) = (
            response.status(),
            names.map(|name| title_case(name.as_str())).collect(),
        );
        let bytes = response.into_body().try_into_bytes();
        let mut body = bytes
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        complete(&mut body);
        Self {
            word,
            status,
            headers,
            body,
        }
    }
}

/// `retry-after` as the document names it: `Retry-After`.
fn title_case(name: &str) -> String {
    let capital = |part: &str| {
        let (first, rest) = part.split_at(1.min(part.len()));
        first.to_ascii_uppercase() + rest
    };
    match name {
        "www-authenticate" => "WWW-Authenticate".to_owned(),
        _ => name.split('-').map(capital).collect::<Vec<_>>().join("-"),
    }
}

/// One response for each status that is among the samples.
pub(super) fn responses(family: Family, samples: &[Sample]) -> BTreeMap<u16, Response> {
    let mut by_status: BTreeMap<u16, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        by_status
            .entry(sample.status.as_u16())
            .or_default()
            .push(sample);
    }
    let response = |(status, samples): (u16, Vec<&Sample>)| (status, response(family, &samples));
    by_status.into_iter().map(response).collect()
}

fn response(family: Family, samples: &[&Sample]) -> Response {
    let (mut lines, mut examples) = (Vec::new(), BTreeMap::new());
    for Sample { word, body, .. } in samples {
        let text = family.text(body);
        let line = format!("`{word}`: {}", text.trim());
        if lines.contains(&line) {
            continue;
        }
        lines.push(line);
        let name = if examples.contains_key(word) {
            format!("{word}_{}", lines.len())
        } else {
            word.clone()
        };
        let example = ExampleBuilder::new()
            .summary(text.trim())
            .value(Some(body.clone()));
        examples.insert(name, RefOr::T(example.build()));
    }
    let content = Content::builder()
        .schema(Some(schema(family, samples)))
        .examples_from_iter(examples);
    let mut response = ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content("application/json", content.build())
        .build();
    let names: BTreeSet<&String> = samples.iter().flat_map(|sample| &sample.headers).collect();
    for name in names {
        let told = if samples.iter().all(|sample| sample.headers.contains(name)) {
            RefOr::Ref(header(name))
        } else {
            header_of_some(name)
        };
        response.headers.insert(name.clone(), told);
    }
    response
}

/// The schema of the contract's errors, with the words that this status can have.
fn schema(family: Family, samples: &[&Sample]) -> RefOr<Schema> {
    let every = Ref::from_schema_name(family.name());
    let Some(key) = family.word_key() else {
        return every.into();
    };
    let words: BTreeSet<&str> = samples
        .iter()
        .filter_map(|sample| sample.body[key].as_str())
        .collect();
    let only = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words));
    AllOfBuilder::new()
        .item(every)
        .item(ObjectBuilder::new().property(key, only))
        .into()
}
