//! Listens, and serves the URL table on connections that are watched (bar H08). What actix-web's own server does, but for that: it
//! lets nobody near its connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::{Condition, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{Error, web};
use tokio::net::TcpSocket;

use super::patience::{HEAD, Patient};
use super::{KEEP_ALIVE, Limits, cors, edge, routes};
use crate::app::App;

/// How many connections may wait in the kernel's queue.
const BACKLOG: u32 = 2048;
/// How long a caller who was told to go may take to hang up.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long running requests may go on after SIGTERM, in seconds.
const SHUTDOWN_SECONDS: u64 = 20;

/// Takes the address, without answering yet.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Answers on `workers` threads, each with at most so many `connections`; more wait in the kernel's queue.
pub fn serve(
    listener: TcpListener,
    app: Arc<App>,
    limits: Limits,
    workers: usize,
    connections: usize,
) -> io::Result<Server> {
    let address = listener.local_addr()?;
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals();
    let ending = server.graceful_shutdown_signal();
    let server = server.listen("http", listener, move || {
        let (app, limits, ending) = (Arc::clone(&app), limits.clone(), ending.clone());
        let table = actix_web::App::new()
            .wrap(Condition::new(!app.cors_origins.is_empty(), cors(&app)))
            .wrap(from_fn(edge))
            .app_data(web::Data::from(Arc::clone(&app)))
            .configure(move |config| routes(config, &app, &limits));
        let table = map_config(table, |()| AppConfig::default());
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD)
            .client_disconnect_timeout(FAREWELL)
            .local_addr(address)
            .graceful_shutdown_signal(move || {
                let ending = ending.clone();
                async move { ending.notified().await }
            })
            .on_connect_ext(|patient: &Patient, data: &mut actix_http::Extensions| {
                data.insert(patient.requests());
            })
            .h1(table.map_err(|error: Error| error.error_response()));
        fn_service(|stream: TcpStream| async {
            let patient = Patient::new(stream);
            let peer = patient.peer();
            Ok((patient, peer))
        })
        .and_then(http)
    });
    Ok(server?.run())
}
