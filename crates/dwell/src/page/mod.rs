//! The page.
use crate::report::Report;
/// Writes.
pub fn html(_: &Report) -> String {
    String::new()
}
