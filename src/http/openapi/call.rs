//! One call, described: what it takes, what it answers, and which errors it knows.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::Value;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, Ref, RefOr, Required, Response, ResponseBuilder, Schema};

use super::super::error::{ApiError, Problem};
use super::super::oauth::OauthError;
use super::components::{RATE_LIMIT_HEADERS, header};
use super::errors::{self, Family, Sample};
use super::shape::{Field, Shape, form_of, json_of};
use crate::domain::Scope;
use crate::oauth::guard::Denied;

/// A method of a path, with its description.
pub(super) struct Call {
    pub(super) path: &'static str,
    pub(super) method: HttpMethod,
    family: Family,
    operation: OperationBuilder,
    security: Vec<SecurityRequirement>,
    limited: bool,
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

    /// It takes these fields, as JSON or as a form.
    pub(super) fn takes(self, fields: &[Field]) -> Self {
        let first = fields.first().map_or("", |field| field.name);
        self.takes_either(fields, fields, first)
    }

    /// It takes the first fields as JSON, or the others as a form, and misses this one first.
    pub(super) fn takes_either(
        self,
        json: &[Field],
        form: &[Field],
        missing: &'static str,
    ) -> Self {
        let form = form_of(form);
        let content = content(form.schema, form.example);
        self.takes_body(json, missing, |body| {
            body.content("application/x-www-form-urlencoded", content)
        })
    }

    /// It takes these fields as JSON only.
    pub(super) fn takes_json(self, fields: &[Field]) -> Self {
        let first = fields.first().map_or("", |field| field.name);
        self.takes_body(fields, first, |body| body)
    }

    fn takes_body(
        mut self,
        fields: &[Field],
        missing: &'static str,
        more: impl FnOnce(RequestBodyBuilder) -> RequestBodyBuilder,
    ) -> Self {
        let json = json_of(fields);
        let body = RequestBodyBuilder::new()
            .content("application/json", content(json.schema, json.example));
        let body = more(body).required(Some(Required::True));
        self.operation = self.operation.request_body(Some(body.build()));
        self.refuses([
            ApiError::Unreadable,
            ApiError::Timeout,
            ApiError::TooLarge,
            ApiError::UnsupportedMediaType,
        ])
        .refuses([ApiError::field(missing, Problem::Missing)])
    }

    /// It takes these fields as a form only. What else may be wrong with the body is told by the caller.
    pub(super) fn takes_form(mut self, fields: &[Field]) -> Self {
        let form = form_of(fields);
        let body = RequestBodyBuilder::new()
            .content(
                "application/x-www-form-urlencoded",
                content(form.schema, form.example),
            )
            .required(Some(Required::True));
        self.operation = self.operation.request_body(Some(body.build()));
        self.refuses([ApiError::Timeout, ApiError::TooLarge])
    }

    /// It has this parameter in its path.
    pub(super) fn in_path(mut self, field: Field) -> Self {
        self.operation = self
            .operation
            .parameter(parameter(field, ParameterIn::Path));
        self
    }

    /// It reads this header, if it is there.
    pub(super) fn in_header(mut self, field: Field) -> Self {
        let header = parameter(field.omissible(), ParameterIn::Header);
        self.operation = self.operation.parameter(header);
        self
    }

    /// It has this parameter in its query.
    pub(super) fn in_query(mut self, field: Field) -> Self {
        let missing = ApiError::field(field.name, Problem::Missing);
        self.operation = self
            .operation
            .parameter(parameter(field, ParameterIn::Query));
        self.refuses([missing])
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
            for name in names.chain(["X-Request-Id"]) {
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
