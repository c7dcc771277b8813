//! `GET /metrics`, on a listener of its own: what the service counts is not for its callers. Nothing here asks the database, so it
//! answers whatever else does not.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, ALLOW, CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, HttpServer, web};

use crate::flows::Flows;
use crate::telemetry::metrics::Format;

/// The most connections at once: a few machines watch.
pub const METRICS_CONNECTIONS: usize = 16;
/// How long a request's head may take to arrive.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may be idle: longer than the usual pause between two scrapes.
const IDLE: Duration = Duration::from_secs(75);
const PATH: &str = "/metrics";

/// Answers on a thread of its own.
pub fn serve_metrics(listener: TcpListener, flows: &Flows) -> io::Result<Server> {
    let flows = flows.clone();
    let server = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(web::Data::new(flows.clone()))
            .default_service(web::to(answer))
    });
    let server = server
        .workers(1)
        .max_connections(METRICS_CONNECTIONS)
        .client_request_timeout(HEAD)
        .keep_alive(IDLE)
        .shutdown_timeout(1)
        .disable_signals();
    Ok(server.listen(listener)?.run())
}

async fn answer(request: HttpRequest, flows: web::Data<Flows>) -> HttpResponse {
    if request.path() != PATH {
        return HttpResponse::NotFound().finish();
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut refused = HttpResponse::MethodNotAllowed();
        return refused.insert_header((ALLOW, "GET, HEAD")).finish();
    }
    let accept = request.headers().get(ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(Arc::clone(&flows.metrics).show(flows.levels(), format))
}
