//! The whole URL table with its limits, on one screen. This folder and `server` are the only places that know actix.

mod admin_set;
mod auth;
mod body;
mod change;
mod check;
mod connections;
mod contracts;
mod docs;
mod edge;
mod error;
mod fields;
mod headers;
mod health;
mod language;
mod limits;
mod metrics;
mod oauth;
mod openapi;
mod origin;
mod page;
pub mod parsers;
mod patience;
mod peer;
mod proof;
mod refusals;
mod remind;
mod reset;
mod sessions;
mod table;
mod trace;
mod users;
mod verify;

use actix_web::guard;
use actix_web::web::{self, ServiceConfig};

use contracts::{interslice, ocariot, swift, unleash};
use table::Table;

pub use connections::{listen, serve};
use contracts::swift::KEEP_ALIVE;
use edge::{cors, edge};
pub use limits::Limits;
pub use metrics::{METRICS_CONNECTIONS, serve_metrics};

use crate::app::App;

/// Registers every route.
pub fn routes(config: &mut ServiceConfig, app: &App, limits: &Limits) {
    let table = Table::default();
    let resource = |path, methods| table.resource(path, methods);
    let post = |path| resource(path, &["POST"]);
    let get = |path| resource(path, &["GET", "HEAD"]);
    let read = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));

    // For each address.
    config.service(limits.by_address(post("/oauth/token").post(oauth::token)));

    // For each client. What a caller may do is in the handler's signature. Routes are tried in this order, so what is called all day
    // comes first.
    config.service(limits.by_client(post("/v1/password/check").post(check::check)));
    config.service(limits.by_client(post("/v1/password/remind").post(remind::remind)));
    config.service(limits.by_client(post("/v1/password/reset").post(reset::reset)));
    config.service(limits.by_client(post("/v1/password/verify").post(verify::verify)));

    // For each client, once it has shown a token; for each address before.
    config.service(limits.by_client(post("/oauth/introspect").post(oauth::introspect)));
    config.service(limits.by_client(post("/oauth/revoke").post(oauth::revoke)));
    config.service(limits.by_client(post("/oauth/register").post(oauth::register)));
    config.service(
        limits.by_client(
            resource(
                "/oauth/register/{client_id}",
                &["GET", "HEAD", "PUT", "DELETE"],
            )
            .route(read().to(oauth::registration::read))
            .put(oauth::registration::replace)
            .delete(oauth::registration::delete),
        ),
    );

    // For each client. What a caller may do is in the handler's signature.
    config.service(limits.by_client(resource("/v1/password", &["PUT"]).put(change::change)));
    config.service(limits.by_client(post("/v1/sessions").post(sessions::create)));
    config.service(
        limits.by_client(
            resource("/v1/users", &["GET", "HEAD", "POST"])
                .route(read().to(users::find))
                .post(users::create),
        ),
    );
    config.service(
        limits.by_client(
            resource("/v1/users/{id}", &["GET", "HEAD", "PATCH", "DELETE"])
                .route(read().to(users::read))
                .patch(users::change)
                .delete(users::delete),
        ),
    );
    config.service(
        limits.by_client(resource("/v1/users/{id}/password", &["PUT"]).put(admin_set::set)),
    );

    // The contracts of others.
    config.service(limits.by_client(post(unleash::RESET).post(unleash::reset)));
    config.service(limits.by_client(get(unleash::VALIDATE).route(read().to(unleash::validate))));
    config.service(limits.by_client(post(unleash::REMIND).post(unleash::remind)));
    config.service(limits.by_client(post(unleash::JUDGE).post(unleash::judge)));
    config.service(limits.by_client(post(ocariot::PATH).post(ocariot::set)));
    config.service(limits.by_client(resource(swift::PATH, &["PUT"]).put(swift::change)));
    config.service(
        limits.by_client(
            resource(interslice::PATH, &["POST", "PUT"])
                .post(interslice::remind)
                .put(interslice::reset),
        ),
    );

    // For people without an app of their own. What they send is counted for each address; a live link is their authority.
    let screen = |path| resource(path, &["GET", "HEAD", "POST"]);
    config.service(
        screen("/reset")
            .route(read().to(page::reset_screen))
            .route(limits.by_visitor(web::post().to(page::reset))),
    );
    config.service(post("/reset/check").route(limits.by_visitor(web::post().to(page::check))));
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

    // Unlimited: for whoever wants to call.
    config.service(get(oauth::METADATA).route(read().to(oauth::metadata)));
    config.service(get(oauth::OPENID_CONFIGURATION).route(read().to(oauth::metadata)));
    if oauth::issuer_path(&app.flows.public_url).is_some() {
        let at = get(oauth::METADATA_OF_ISSUER);
        config.service(at.route(read().to(oauth::metadata_of_issuer)));
    }
    config.service(get("/openapi.json").route(read().to(openapi::document)));
    config.service(get("/docs").route(read().to(docs::page)));
    config.service(get("/docs/{file}").route(read().to(docs::file)));
    app.flows
        .metrics
        .requests
        .name_routes(table.paths().into_iter());
    config.app_data(web::Data::new(openapi::Document::new(table)));

    config.default_service(web::to(error::not_found));
}
