//! People that never were.
