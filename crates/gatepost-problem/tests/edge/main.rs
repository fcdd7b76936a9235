//! The error edge as a client meets it: requests through a router, answers off the wire.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod answers;
mod extractors;
mod properties;
mod support;
