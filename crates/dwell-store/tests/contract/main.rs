//! What every log and all books must do: one suite, every implementation.

mod books;
mod log;
