//! What is about the service itself, described: its health, this document and the page that shows it.

use serde_json::json;
use utoipa::openapi::path::HttpMethod::Get;
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{Content, ResponseBuilder};

use super::super::docs;
use super::super::error::ApiError;
use super::SERVICE;
use super::call::{Call, call, response};
use super::components::header;
use super::shape::{field, object, one_of, word};

/// The public calls that only read.
pub(super) fn calls() -> Vec<Call> {
    vec![live(), ready(), document(), page(), file()]
}

fn live() -> Call {
    call(Get, "/health/live", "live", "Is the process alive?")
        .tag(SERVICE)
        .about("Needs no database.")
        .answers(
            200,
            "It is.",
            object([word("status", "For programs.", "alive")]),
        )
}

fn ready() -> Call {
    let not_ready = object([word("status", "For programs.", "not_ready")]);
    let away = response(
        "Not now: the database is away, or not as expected. Why is in the log only.",
        not_ready,
    )
    .header_ref("Retry-After", header("Retry-After"));
    call(Get, "/health/ready", "ready", "Can it work?")
        .tag(SERVICE)
        .answers(
            200,
            "The database answers and is as expected.",
            object([word("status", "For programs.", "ready")]),
        )
        .success(503, away)
}

fn document() -> Call {
    let part = |name, kind, example| field(name, kind, "As OpenAPI 3.1 has it.", example);
    let document = object([
        word("openapi", "The version of OpenAPI.", "3.1.0"),
        part(
            "info",
            Type::Object,
            json!({"title": "Unforget", "version": env!("CARGO_PKG_VERSION")}),
        ),
        part("servers", Type::Array, json!([])),
        part("tags", Type::Array, json!([])),
        part("paths", Type::Object, json!({})),
        part("components", Type::Object, json!({})),
    ]);
    call(Get, "/openapi.json", "document", "This document")
        .tag(SERVICE)
        .answers(200, "OpenAPI 3.1.", document)
}

fn page() -> Call {
    call(Get, "/docs", "docs", "This document, for people")
        .tag(SERVICE)
        .success(
            200,
            ResponseBuilder::new()
                .description("A page that shows this document.")
                .content("text/html", text()),
        )
}

fn file() -> Call {
    let names = docs::FILES.map(|(name, _)| name);
    let found = docs::FILES
        .iter()
        .fold(ResponseBuilder::new(), |response, (_, kind)| {
            response.content(kind.split(';').next().unwrap_or(kind), text())
        });
    call(Get, "/docs/{file}", "docsFile", "What the page is made of")
        .tag(SERVICE)
        .in_path(one_of("file", "The name of a file.", &names))
        .success(200, found.description("The file."))
        .refuses([ApiError::NotFound])
}

fn text() -> Content {
    Content::builder()
        .schema(Some(Object::with_type(Type::String)))
        .build()
}
