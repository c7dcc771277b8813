//! The whole URL table with its limits, on one screen. This folder and `server` are the only places that know actix.

mod admin_set;
mod auth;
mod body;
mod change;
mod check;
mod contracts;
mod edge;
mod error;
mod fields;
mod headers;
mod health;
mod json;
mod language;
mod limits;
mod peer;
mod refusals;
mod remind;
mod reset;
mod sessions;
mod token;
mod users;
mod verify;

use actix_web::web::{self, ServiceConfig};
use actix_web::{Resource, guard};

use contracts::ocariot;

pub use edge::{cors, edge};
pub use limits::Limits;

/// Registers every route.
pub fn routes(config: &mut ServiceConfig, limits: &Limits) {
    let post = |path: &str| resource(path, &["POST"]);
    let get = |path: &str| resource(path, &["GET", "HEAD"]);
    let read = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));

    // For each address.
    config.service(limits.by_address(post("/oauth/token").post(token::token)));

    // For each client. What a caller may do is in the handler's signature.
    config.service(limits.by_client(post("/v1/password/remind").post(remind::remind)));
    config.service(limits.by_client(post("/v1/password/check").post(check::check)));
    config.service(limits.by_client(post("/v1/password/reset").post(reset::reset)));

    config.service(limits.by_client(post("/v1/password/verify").post(verify::verify)));
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
    config.service(limits.by_client(post(ocariot::PATH).post(ocariot::set)));

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
