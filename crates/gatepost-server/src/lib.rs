//! The Gatepost application: accounts, sign-in, sessions and access as one axum router.
//!
//! (The tour of this crate follows as its features land.)

pub mod accounts;
pub mod config;
pub mod http;
pub mod passwords;
