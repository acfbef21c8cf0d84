//! Counters, gauges and histograms, rendered as Prometheus text.

/// All metrics in the Prometheus text format.
pub fn render() -> String {
    todo!()
}
