//! What is up: for `/health/ready`.

/// Readiness: latches that whoever becomes ready sets.
#[derive(Debug, Default)]
pub struct Health {}

impl Health {
    /// All listeners bound, broker connected and subscribed at least once, and not draining.
    pub fn is_ready(&self) -> bool {
        todo!()
    }
}
