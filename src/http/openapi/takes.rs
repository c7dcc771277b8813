//! What a call takes: bodies, and parameters of its path, its query and its head.

use utoipa::openapi::Required;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::request_body::RequestBodyBuilder;

use super::super::error::{ApiError, Problem};
use super::call::{Call, content, parameter};
use super::shape::{Field, form_of, json_of};

impl Call {
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
}
