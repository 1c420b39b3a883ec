//! What SDKs say, read into events: bytes in, events and rejections out.
//!
//! A body passes two rooms. [`envelope::open`] takes off what is wrapped around it, looking at the bytes and never at a
//! label. [`segment::decode`] reads the messages of Segment's and RudderStack's SDKs. [`answer`] writes what the client
//! is told.
//!
//! The promises: a bad message never loses its neighbours, it becomes a [`rejection::Rejection`]; messages received =
//! events + rejections, exactly; no body whatever makes a panic; memory is bounded by [`limits::Limits`].
//!
//! Nothing here knows HTTP, sessions or the time: the caller says when a body came in. What names of events mean is
//! told by [`dwell_core::words`], the same as for files (law L4). Start at [`segment::decode`].

#![forbid(unsafe_code)]

pub mod answer;
pub mod endpoint;
pub mod envelope;
pub mod event;
pub mod limits;
pub mod rejection;
pub mod segment;

mod message;
mod moment;
mod outline;
