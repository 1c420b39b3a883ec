//! How much is read of what anybody sends.

/// What one body and one message may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest message, in bytes.
    pub event_bytes: usize,
    /// The largest body after decompression, in bytes.
    pub batch_bytes: usize,
    /// The most messages in one body.
    pub batch_events: usize,
    /// How deep objects and lists may lie in each other.
    pub depth: u32,
}

/// Segment's own limits for size; ours for number and depth.
impl Default for Limits {
    fn default() -> Self {
        Limits { event_bytes: 32 * 1024, batch_bytes: 500 * 1024, batch_events: 5_000, depth: 64 }
    }
}
