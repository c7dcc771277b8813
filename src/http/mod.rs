//! The whole URL table with its limits, on one screen. This folder and `server` are the only places that know actix.

mod auth;
mod body;
mod check;
mod edge;
mod error;
mod headers;
mod health;
mod language;
mod limits;
mod page;
mod peer;
mod remind;
mod reset;
mod token;

use actix_web::web::{self, ServiceConfig};
use actix_web::{Resource, guard};

pub use edge::{cors, edge};
pub use limits::Limits;

use crate::app::App;

/// Registers every route.
pub fn routes(config: &mut ServiceConfig, app: &App, limits: &Limits) {
    let post = |path: &str| resource(path, &["POST"]);
    let get = |path: &str| resource(path, &["GET", "HEAD"]);
    let read = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));

    // For each address.
    config.service(limits.by_address(post("/oauth/token").post(token::token)));

    // For each client. What a caller may do is in the handler's signature.
    config.service(limits.by_client(post("/v1/password/remind").post(remind::remind)));
    config.service(limits.by_client(post("/v1/password/check").post(check::check)));
    config.service(limits.by_client(post("/v1/password/reset").post(reset::reset)));

    // For people without an app of their own. What they send is counted for each address; a live link is their authority.
    let screen = |path: &str| resource(path, &["GET", "HEAD", "POST"]);
    config.service(
        screen("/reset")
            .route(read().to(page::reset_screen))
            .route(limits.by_visitor(web::post().to(page::reset))),
    );
    config.service(
        post("/reset/check").route(limits.by_visitor(web::post().to(page::check))),
    );
    if app.page_client.is_some() {
        config.service(
            screen("/forgot")
                .route(read().to(page::forgot_screen))
                .route(limits.by_visitor(web::post().to(page::forgot))),
        );
    }
    config.service(get("/page/page.css").route(read().to(page::style)));
    config.service(get("/page/page.js").route(read().to(page::script)));

    // Unlimited: for machines that watch.
    config.service(get("/health/live").route(read().to(health::live)));
    config.service(get("/health/ready").route(read().to(health::ready)));

    config.default_service(web::to(error::not_found));
}

/// A path that answers other methods with 405 and `Allow` (RFC 9110 section 15.5.6, bar H01).
fn resource(path: &str, methods: &'static [&'static str]) -> Resource {
    web::resource(path)
        .route(
            web::method(actix_web::http::Method::OPTIONS)
                .to(move || async move { error::options(methods) }),
        )
        .default_service(web::to(move || async move {
            error::method_not_allowed(methods)
        }))
}
