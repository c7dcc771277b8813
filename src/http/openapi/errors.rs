//! Error answers, as the document shows them. They are not retold: the code that answers with an error makes it here too, and
//! it becomes the example, so that status, words and headers are the real ones.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder, Schema};

use super::super::contracts::{Dialect, Voice};
use super::super::error::ApiError;
use super::super::oauth::OauthError;
use super::components::{header, header_of_some};

/// A request id, for examples.
pub(super) const REQUEST_ID: &str = "019ab7a0-9a5e-7c31-b1c5-3f1d0c1e2a4b";

/// Who speaks: each contract has error bodies of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// The native API.
    Native,
    /// RFC 6749 section 5.2.
    Oauth,
    /// The Unleash contract.
    Unleash,
    /// The OCARIoT contract.
    Ocariot,
    /// The SWIFT contract.
    Swift,
    /// The Interslice contract.
    Interslice,
}

impl Family {
    /// Every one, for the list of schemas.
    pub(super) const ALL: [Self; 6] = [
        Self::Native,
        Self::Oauth,
        Self::Unleash,
        Self::Ocariot,
        Self::Swift,
        Self::Interslice,
    ];

    /// The name of the schema.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Native => "Error",
            Self::Oauth => "OAuthError",
            Self::Unleash => "UnleashError",
            Self::Ocariot => "OcariotError",
            Self::Swift => "SwiftError",
            Self::Interslice => "IntersliceError",
        }
    }

    /// The answer to this error.
    fn answer(self, error: &ApiError) -> HttpResponse {
        let voice = |dialect| Voice::example(dialect, REQUEST_ID).render(error);
        match self {
            Self::Native => error.error_response(),
            Self::Oauth => OauthError::from(error.clone()).error_response(),
            Self::Unleash => voice(Dialect::Unleash),
            Self::Ocariot => voice(Dialect::Ocariot),
            Self::Swift => voice(Dialect::Swift),
            Self::Interslice => voice(Dialect::Interslice),
        }
    }

    /// The key of the word that programs look at, where there is one.
    fn word_key(self) -> Option<&'static str> {
        match self {
            Self::Native => Some("status"),
            Self::Oauth => Some("error"),
            Self::Unleash => Some("name"),
            Self::Ocariot | Self::Swift | Self::Interslice => None,
        }
    }

    /// What a body says to people.
    fn text(self, body: &Value) -> String {
        let of = |key: &str| body[key].as_str().unwrap_or_default();
        match self {
            Self::Native => of("error").to_owned(),
            Self::Oauth => of("error_description").to_owned(),
            Self::Unleash => of("message").to_owned(),
            Self::Ocariot => format!("{} {}", of("message"), of("description")),
            Self::Swift => body["message"]["RESPONSE_TEXT"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            Self::Interslice => match &body["errors"] {
                Value::Object(errors) => errors
                    .iter()
                    .map(|(field, texts)| {
                        format!("{field} {}", texts[0].as_str().unwrap_or_default())
                    })
                    .collect(),
                _ => of("error").to_owned(),
            },
        }
    }
}

/// An error answer that the service made.
pub(super) struct Sample {
    /// What it is called in the native API, whatever the contract; an error of OAuth2 has a name of its own.
    word: String,
    status: StatusCode,
    headers: BTreeSet<String>,
    body: Value,
}

impl Sample {
    /// Has a contract answer with an error.
    pub(super) fn of(family: Family, error: &ApiError) -> Self {
        let word = (family != Family::Oauth).then(|| error.to_string());
        Self::new(word, family.answer(error), |body| {
            if family == Family::Native {
                body["request_id"] = json!(REQUEST_ID); // The outermost layer adds it.
            }
        })
    }

    /// Has the token endpoint answer with an error of its own.
    pub(super) fn of_token(error: &OauthError) -> Self {
        Self::new(None, error.error_response(), |_| {})
    }

    fn new(
        word: Option<String>,
        response: HttpResponse,
        complete: impl FnOnce(&mut Value),
    ) -> Self {
        let names = response
            .headers()
            .keys()
            .filter(|name| ![CONTENT_TYPE, ETAG].contains(name));
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
        let word = word.unwrap_or_else(|| body["error"].as_str().unwrap_or_default().to_owned());
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
