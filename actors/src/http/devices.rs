//! `GET /api/devices`, `GET /api/devices/{endpoint}`.
use crate::Handle;
use crate::device::Inspect;
use crate::registry::{Find, List};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use std::time::Duration;

/// Longest page.
const LIMIT: usize = 1000;
/// How long a busy device may take to describe itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// `?after=<endpoint>&limit=<n>`: pages in the order of names.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(handle: Data<Handle>, page: Query<Page>) -> HttpResponse {
    let Page { after, limit } = page.into_inner();
    let list = List { after, limit: limit.unwrap_or(100).clamp(1, LIMIT) };
    match handle.registry.send(list).await {
        Ok(page) => HttpResponse::Ok().json(page),
        Err(_) => unavailable(),
    }
}

pub(super) async fn show(handle: Data<Handle>, endpoint: Path<String>) -> HttpResponse {
    let link = match handle.registry.send(Find(endpoint.into_inner())).await {
        Ok(Some(link)) => link,
        Ok(None) => return not_registered(),
        Err(_) => return unavailable(),
    };
    match link.addr.send(Inspect).timeout(PATIENCE).await {
        Ok(Some(state)) => HttpResponse::Ok().json(state),
        Ok(None) => not_registered(),
        Err(_) => unavailable(),
    }
}

fn not_registered() -> HttpResponse {
    HttpResponse::NotFound().json(serde_json::json!({ "error": "not registered" }))
}

fn unavailable() -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(serde_json::json!({ "error": "busy, try again" }))
}
