//! What `scripts/bench` compares with: actix-web answering `GET /` with a constant, and nothing else.

use actix_web::{App, HttpResponse, HttpServer, web};

fn main() -> std::io::Result<()> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let app = || App::new().route("/", web::get().to(async || HttpResponse::Ok().body("ok")));
        HttpServer::new(app).bind(address)?.run().await
    })
}
