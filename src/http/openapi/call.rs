//! One call, described: who may make it, what it answers, and which errors it knows. `takes` says what it takes.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::Value;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, Ref, RefOr, Required, Response, ResponseBuilder, Schema};

use super::super::error::ApiError;
use super::super::oauth::OauthError;
use super::components::{NONCE, RATE_LIMIT_HEADERS, header};
use super::errors::{self, Family, Sample};
use super::shape::{Field, Shape};
use crate::domain::Scope;
use crate::oauth::guard::Denied;

/// A method of a path, with its description.
pub(super) struct Call {
    pub(super) path: &'static str,
    pub(super) method: HttpMethod,
    family: Family,
    pub(super) operation: OperationBuilder,
    security: Vec<SecurityRequirement>,
    limited: bool,
    proves: bool,
    successes: BTreeMap<u16, ResponseBuilder>,
    errors: Vec<ApiError>,
    samples: Vec<Sample>,
}

/// Describes a call: its method, path, id, and what it does in a few words.
pub(super) fn call(method: HttpMethod, path: &'static str, id: &str, summary: &str) -> Call {
    Call {
        path,
        method,
        family: Family::Native,
        operation: OperationBuilder::new()
            .operation_id(Some(id))
            .summary(Some(summary)),
        security: Vec::new(),
        limited: false,
        proves: false,
        successes: BTreeMap::new(),
        errors: vec![ApiError::Internal], // A defect can be anywhere.
        samples: Vec::new(),
    }
}

impl Call {
    /// Under which heading it stands.
    pub(super) fn tag(mut self, tag: &str) -> Self {
        self.operation = self.operation.tag(tag);
        self
    }

    /// More on what it does, in Markdown.
    pub(super) fn about(mut self, text: &str) -> Self {
        self.operation = self.operation.description(Some(text));
        self
    }

    /// Whose error bodies it has.
    pub(super) fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// One way of being let in. Where there is none, everybody is.
    pub(super) fn security(mut self, requirement: SecurityRequirement) -> Self {
        self.security.push(requirement);
        self
    }

    /// It is counted: its answers tell how many calls are left.
    pub(super) fn limited(mut self) -> Self {
        self.limited = true;
        self.refuses([
            ApiError::TooMany(TimeDelta::seconds(1)),
            ApiError::Unavailable,
        ])
    }

    /// Its callers may prove that they have a key: any answer may bring a nonce for their next proof (RFC 9449 section 8.2).
    pub(super) fn proves(mut self) -> Self {
        self.proves = true;
        self
    }

    /// It says texts in the caller's language.
    pub(super) fn speaks(mut self) -> Self {
        let language = Ref::new("#/components/parameters/AcceptLanguage");
        self.operation = self.operation.parameter_ref(language);
        self
    }

    /// It needs an application's token with this scope, speaks the caller's language, and is counted.
    pub(super) fn needs(self, scope: Scope) -> Self {
        self.speaks().admits(scope)
    }

    /// It needs an application's token with this scope, and is counted.
    pub(super) fn admits(self, scope: Scope) -> Self {
        self.limited()
            .proves()
            .security(SecurityRequirement::new("application", [scope.name()]))
            .security(SecurityRequirement::new("bearer", Vec::<String>::new()))
            .refuses(
                [
                    Denied::InvalidRequest,
                    Denied::NoCredentials,
                    Denied::InvalidToken,
                    Denied::InvalidProof,
                    Denied::NonceNeeded,
                    Denied::InsufficientScope(scope),
                ]
                .map(ApiError::Denied),
            )
    }

    /// It needs a user's token, reads texts in the caller's language, and is counted.
    pub(super) fn needs_user(mut self) -> Self {
        let language = Ref::new("#/components/parameters/AcceptLanguage");
        self.operation = self.operation.parameter_ref(language);
        self.limited()
            .proves()
            .security(SecurityRequirement::new("user", Vec::<String>::new()))
            .refuses(
                [
                    Denied::InvalidRequest,
                    Denied::NoCredentials,
                    Denied::InvalidToken,
                    Denied::InvalidProof,
                    Denied::NonceNeeded,
                ]
                .map(ApiError::Denied),
            )
    }

    /// It answers with this JSON body.
    pub(super) fn answers(self, status: u16, about: &str, shape: Shape) -> Self {
        self.success(status, response(about, shape))
    }

    /// It answers in its own way.
    pub(super) fn success(mut self, status: u16, response: ResponseBuilder) -> Self {
        self.successes.insert(status, response);
        self
    }

    /// It may answer with these errors.
    pub(super) fn refuses(mut self, errors: impl IntoIterator<Item = ApiError>) -> Self {
        self.errors.extend(errors);
        self
    }

    /// It may answer with these errors of the token endpoint.
    pub(super) fn refuses_tokens(mut self, errors: impl IntoIterator<Item = OauthError>) -> Self {
        let samples = errors.into_iter().map(|error| Sample::of_token(&error));
        self.samples.extend(samples);
        self
    }

    /// The operation, whose answers still stand apart: many are the same.
    pub(super) fn build(mut self) -> (OperationBuilder, Family, BTreeMap<u16, Response>) {
        let samples = self
            .errors
            .iter()
            .map(|error| Sample::of(self.family, error));
        self.samples.extend(samples);
        let mut responses = errors::responses(self.family, &self.samples);
        for (status, response) in self.successes {
            responses.insert(status, response.build());
        }
        for (status, response) in &mut responses {
            let counted = self.limited && *status < 500;
            let names = RATE_LIMIT_HEADERS.into_iter().filter(|_| counted);
            let nonce = (self.proves && *status < 500).then_some(NONCE);
            for name in names.chain(nonce).chain(["X-Request-Id"]) {
                let own = self.family == Family::Swift && name == RATE_LIMIT_HEADERS[2];
                let told = if own {
                    RefOr::T(Header::default())
                } else {
                    RefOr::Ref(header(name))
                };
                response.headers.insert(name.to_owned(), told);
            }
        }
        let operation = self.operation.securities(Some(self.security));
        (operation, self.family, responses)
    }
}

/// An answer with this JSON body.
pub(super) fn response(about: &str, shape: Shape) -> ResponseBuilder {
    let content = content(shape.schema, shape.example);
    ResponseBuilder::new()
        .description(about)
        .content("application/json", content)
}

/// A body with one example.
pub(super) fn content(schema: impl Into<RefOr<Schema>>, example: Value) -> Content {
    let content = Content::builder().schema(Some(schema));
    content.example(Some(example)).build()
}

/// A parameter.
pub(super) fn parameter(field: Field, place: ParameterIn) -> Parameter {
    let mut about = None;
    let field = field.with(|schema| about = schema.description.take());
    let required = if field.required {
        Required::True
    } else {
        Required::False
    };
    ParameterBuilder::new()
        .name(field.name)
        .parameter_in(place)
        .required(required)
        .description(about)
        .schema(Some(field.schema))
        .example(Some(field.example))
        .build()
}
