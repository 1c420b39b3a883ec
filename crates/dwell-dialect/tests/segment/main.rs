//! Segment's dialect: what SDKs send, what messages mean, what holds for every body, and what is answered.

mod answers;
mod laws;
mod playback;
mod sdks;
mod stories;
mod support;
