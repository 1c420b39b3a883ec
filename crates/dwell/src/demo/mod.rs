//! What `dwell demo` shows: three apps whose people are simulated, their past, and how it is told to a server.
//!
//! The story (`story.rs`) says who the people are and up to when they were told of; it lies in the data folder. The people
//! (`people.rs`) do as the story says. The teller (`teller.rs`) sends what they do to the server's own door: the past as
//! fast as the door takes it, the present as it comes.

pub mod people;
pub mod story;
pub mod teller;
