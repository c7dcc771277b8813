//! `GET /openapi.json`: the description of every route, in OpenAPI 3.1 (bar H17).
//!
//! It is the routing table, joined with one description for each call. A route that nobody described stands in it naked, which
//! the tests refuse, and so is a description without a route.

mod bodies;
mod call;
mod components;
mod contracts;
mod errors;
mod oauth;
mod page;
mod password;
mod service;
mod shape;
mod takes;
mod users;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use actix_web::{HttpResponse, web};
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Response, Server,
};

use super::error::ApiError;
use super::oauth::issuer_path;
use super::table::Table;
use crate::app::App;
use call::Call;
use components::components;

const OAUTH: &str = "Application tokens";
const RECOVERY: &str = "Password recovery";
const PASSWORD: &str = "Passwords";
const USERS: &str = "Users";
const CONTRACTS: &str = "Contracts of other systems";
const PAGE: &str = "The built-in page";
const SERVICE: &str = "The service";

/// The headings, in the order in which they are shown.
const TAGS: [(&str, &str); 7] = [
    (
        OAUTH,
        "An app gets a token for itself first (OAuth2 client credentials).",
    ),
    (
        RECOVERY,
        "A user forgot: the app asks for a mail, and sends back the token of its link with the new password.",
    ),
    (PASSWORD, "A user who did not forget."),
    (USERS, "Accounts, for apps that may look after them."),
    (
        CONTRACTS,
        "The same flows at the paths and in the words of other systems.",
    ),
    (
        PAGE,
        "For users of apps without a screen of their own. Public: the token of the link is the authority, and stands in no address.",
    ),
    (SERVICE, "Health, and this document. Public."),
];

/// What every call shares. Markdown.
const ABOUT: &str = "Self-hosted password recovery.

JSON or a form in, JSON out. `status` is for programs and never changes; `success` or `error` is for people, in English or French by \
`Accept-Language`. Bodies have at most 16 KiB. A missing, repeated or wrongly typed field is 400 `invalid_request` with `field`; fields \
that nobody asked for are ignored.

Every path answers `HEAD` where it answers `GET`, `OPTIONS` with 204 and `Allow`, and any other method with 405 and `Allow`. Every answer \
carries `X-Request-Id`: the caller's own, when it has at most 64 letters, digits, hyphens, dots and underscores.";

/// What descriptions need to know of this installation.
struct Facts {
    min_length: usize,
    max_length: usize,
    page_asks: bool,
    issuer_path: Option<String>,
}

/// The document, made when it is first asked for.
pub(super) struct Document {
    table: BTreeMap<&'static str, &'static [&'static str]>,
    json: OnceLock<web::Bytes>,
}

impl Document {
    /// The document of these routes.
    pub(super) fn new(table: Table) -> Self {
        Self {
            table: table.into_paths(),
            json: OnceLock::new(),
        }
    }

    fn build(&self, app: &App) -> OpenApi {
        let policy = &app.flows.policy;
        let facts = Facts {
            min_length: policy.min_length,
            max_length: policy.max_length,
            page_asks: app.page_client.is_some(),
            issuer_path: issuer_path(&app.flows.public_url),
        };
        let (mut paths, mut shared) = (Paths::new(), BTreeMap::new());
        for (path, methods) in &self.table {
            for method in methods.iter().filter_map(|method| documented(method)) {
                // OpenAPI knows no patterns.
                let path = path.replace(":.*}", "}");
                paths.add_path_operation(path, vec![method], Operation::default());
            }
        }
        for call in calls(&facts) {
            let (path, method) = (call.path, call.method.clone());
            paths.add_path_operation(path, vec![method], operation(call, &mut shared));
        }
        let tag = |(name, about)| {
            TagBuilder::new()
                .name(name)
                .description(Some(about))
                .build()
        };
        let licence = LicenseBuilder::new()
            .name(env!("CARGO_PKG_LICENSE"))
            .identifier(Some(env!("CARGO_PKG_LICENSE")));
        let info = InfoBuilder::new()
            .title("Unforget")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(ABOUT))
            .license(Some(licence.build()));
        OpenApiBuilder::new()
            .info(info)
            .servers(Some([Server::new(&app.flows.public_url)]))
            .tags(Some(TAGS.map(tag)))
            .paths(paths)
            .components(Some(components(&app.flows.public_url, shared)))
            .build()
    }
}

/// Answers with the document.
pub(super) async fn document(
    app: web::Data<App>,
    document: web::Data<Document>,
) -> Result<HttpResponse, ApiError> {
    let json = match document.json.get() {
        Some(json) => json.clone(),
        None => {
            let json = document.build(&app).to_json().map_err(|error| {
                tracing::error!(%error, "the description of the API");
                ApiError::Internal
            })?;
            document.json.get_or_init(|| json.into()).clone()
        }
    };
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(json))
}

fn calls(facts: &Facts) -> Vec<Call> {
    [
        oauth::calls(facts),
        password::calls(facts),
        users::calls(facts),
        contracts::calls(facts),
        page::calls(facts),
        service::calls(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A method as OpenAPI names it. HEAD follows from GET, and is told once for all.
fn documented(method: &str) -> Option<HttpMethod> {
    match method {
        "GET" => Some(HttpMethod::Get),
        "POST" => Some(HttpMethod::Post),
        "PUT" => Some(HttpMethod::Put),
        "PATCH" => Some(HttpMethod::Patch),
        "DELETE" => Some(HttpMethod::Delete),
        _ => None,
    }
}

/// The operation of a call. Error answers that many calls share stand once, among the components.
fn operation(call: Call, shared: &mut BTreeMap<String, Response>) -> Operation {
    let (operation, family, responses) = call.build();
    let place = |(status, response): (u16, Response)| {
        let name = format!("{}{status}", family.name());
        let common = matches!(status, 401 | 408 | 413 | 415 | 429 | 500 | 503);
        if common
            && *shared
                .entry(name.clone())
                .or_insert_with(|| response.clone())
                == response
        {
            (
                status.to_string(),
                RefOr::Ref(Ref::from_response_name(name)),
            )
        } else {
            (status.to_string(), RefOr::T(response))
        }
    };
    let mut operation = operation.build();
    operation.responses.responses = responses.into_iter().map(place).collect();
    operation
}
