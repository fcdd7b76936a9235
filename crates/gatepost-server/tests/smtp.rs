//! Mails, handed to a real mail server: aiosmtpd, in a process of its own. `cargo xtask test` sees that it is installed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails, with the reason")]

#[path = "smtp/crash.rs"]
mod crash;
#[path = "smtp/delivery.rs"]
mod delivery;
#[path = "smtp/server.rs"]
mod server;
