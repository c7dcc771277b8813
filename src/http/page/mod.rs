//! The screens of an end user, for apps that have none: `/reset`, where the mailed link leads, and `/forgot`. Whatever they do
//! is done by their script with `POST`s; the link's token stands in the fragment, which no request carries (bar F17, F20).

mod forgot;
mod reset;

use actix_web::http::header::{
    CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS,
};
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use askama::Template;

use super::error::ApiError;
use crate::app::App;
use crate::texts::Language;

pub(super) use forgot::forgot;
pub(super) use reset::{check, reset};

/// Nothing from elsewhere, nothing inline, no frames (bar F20; ASVS 3.4.3, 3.4.6). The other headers are those of every answer.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "reset.html", config = "src/http/page/askama.toml")]
struct ResetScreen {
    language: Language,
    min_length: String,
    max_length: String,
    can_ask: bool,
}

#[derive(Template)]
#[template(path = "forgot.html", config = "src/http/page/askama.toml")]
struct ForgotScreen {
    language: Language,
}

impl ResetScreen {
    /// A text that may speak of the rules for passwords.
    fn say(&self, key: &str) -> String {
        let values = [
            ("min", self.min_length.as_str()),
            ("max", self.max_length.as_str()),
            // The script fills these in: they are known when something happens.
            ("wait", "{wait}"),
            ("until", "{until}"),
        ];
        self.language.text_with(key, &values)
    }
}

impl ForgotScreen {
    fn say(&self, key: &str) -> String {
        let values = [("wait", "{wait}"), ("address", "{address}")];
        self.language.text_with(key, &values)
    }
}

/// `GET /reset`: the same bytes for everybody who reads the language. Nothing in the request is looked at.
pub(super) async fn reset_screen(
    app: web::Data<App>,
    language: Language,
) -> Result<HttpResponse, ApiError> {
    let policy = &app.flows.policy;
    let screen = ResetScreen {
        language,
        min_length: policy.min_length.to_string(),
        max_length: policy.max_length.to_string(),
        can_ask: app.page_client.is_some(),
    };
    answer(&screen, language)
}

/// `GET /forgot`
pub(super) async fn forgot_screen(language: Language) -> Result<HttpResponse, ApiError> {
    answer(&ForgotScreen { language }, language)
}

/// `GET /page/page.css`
pub(super) async fn style() -> HttpResponse {
    of_type("text/css; charset=utf-8").body(include_str!("page.css"))
}

/// `GET /page/page.js`
pub(super) async fn script() -> HttpResponse {
    of_type("text/javascript; charset=utf-8").body(include_str!("page.js"))
}

fn answer(screen: &impl Template, language: Language) -> Result<HttpResponse, ApiError> {
    let html = screen.render().map_err(|error| {
        tracing::error!(%error, "a page could not be written");
        ApiError::Internal
    })?;
    Ok(of_type("text/html; charset=utf-8")
        .insert_header((CONTENT_LANGUAGE, language.tag()))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_FRAME_OPTIONS, "DENY")) // as `frame-ancestors` says it to old browsers
        .body(html))
}

/// Not kept by anybody: a page that is seen once in a blue moon gains nothing by a cache.
fn of_type(content_type: &'static str) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, content_type));
    response
}
