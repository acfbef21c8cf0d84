//! HTTP: health, metrics, API.
use crate::Handle;
use std::net::SocketAddr;

/// Binds and serves `/health/live`, `/health/ready`, `/metrics`, `/api/devices`, `/api/devices/{endpoint}` until the returned server is
/// stopped (`server.handle().stop(true)`). The server is a future: spawn it (`actix_rt::spawn`). The address is the bound one.
pub fn serve(_bind: SocketAddr, _handle: Handle) -> std::io::Result<(actix_web::dev::Server, SocketAddr)> {
    todo!()
}
