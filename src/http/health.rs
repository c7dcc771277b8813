//! For machines that watch: alive, and ready (bar H16).

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::app::App;
use crate::storage::SchemaStatus;

/// `GET /health/live`: the process answers. Needs no database.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive"}))
}

/// `GET /health/ready`: the database answers and is as expected, and we are not about to stop. Details are in the log only.
pub(super) async fn ready(app: web::Data<App>) -> HttpResponse {
    if app.leaving.load(Ordering::Relaxed) {
        return not_ready();
    }
    let status = app.flows.storage.schema_status().await;
    match status {
        Ok(SchemaStatus::Current) => return HttpResponse::Ok().json(json!({"status": "ready"})),
        Ok(other) => tracing::warn!(reason = %other, "not ready"),
        Err(error) => tracing::warn!(reason = %error, "not ready"),
    }
    not_ready()
}

fn not_ready() -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header(("retry-after", "1"))
        .json(json!({"status": "not_ready"}))
}
