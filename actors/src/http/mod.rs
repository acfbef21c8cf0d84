//! HTTP: health, metrics, and a small API to look at devices.
mod devices;

use crate::{Handle, metrics};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use std::net::SocketAddr;

/// Binds and serves `/health/live`, `/health/ready`, `/metrics`, `/api/devices`, `/api/devices/{endpoint}` until the returned server is
/// stopped (`server.handle().stop(true)`). The server is a future: spawn it (`actix_rt::spawn`). The address is the bound one.
pub fn serve(bind: SocketAddr, handle: Handle) -> std::io::Result<(actix_web::dev::Server, SocketAddr)> {
    let server = HttpServer::new(move || App::new().app_data(Data::new(handle.clone())).configure(routes))
        .workers(1)
        .disable_signals()
        .bind(bind)?;
    let address = server.addrs().first().copied().unwrap_or(bind);
    Ok((server.run(), address))
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/health/live", web::get().to(live))
        .route("/health/ready", web::get().to(ready))
        .route("/metrics", web::get().to(scrape))
        .route("/api/devices", web::get().to(devices::list))
        // Endpoint names may hold slashes once they are decoded.
        .route("/api/devices/{endpoint:.+}", web::get().to(devices::show));
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

async fn ready(handle: Data<Handle>) -> HttpResponse {
    let health = &handle.health;
    let ready = health.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).json(serde_json::json!({
        "ready": ready,
        "listeners": health.are_listeners_bound(),
        "store": health.is_store_up(),
        "broker": health.is_broker_up(),
        "draining": health.is_draining(),
    }))
}

async fn scrape() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics::render())
}
