//! The tests that fail when somebody forgets: a statement, a route, a row of the authorization matrix, a page, a secret.
//!
//! They hold no scenario of a feature; those stand in the features' own `tests.rs`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails, with the reason")]

#[path = "coverage/api.rs"]
mod api;
#[path = "coverage/authorization.rs"]
mod authorization;
#[path = "coverage/corpus.rs"]
mod corpus;
#[path = "coverage/csrf.rs"]
mod csrf;
#[path = "coverage/document.rs"]
mod document;
#[path = "coverage/examples.rs"]
mod examples;
#[path = "coverage/guides.rs"]
mod guides;
#[path = "coverage/limits.rs"]
mod limits;
#[path = "coverage/named.rs"]
mod named;
#[path = "coverage/pages.rs"]
mod pages;
#[path = "coverage/permissions.rs"]
mod permissions;
#[path = "coverage/problems.rs"]
mod problems;
#[path = "coverage/routes.rs"]
mod routes;
#[path = "coverage/schema.rs"]
mod schema;
#[path = "coverage/secrets.rs"]
mod secrets;
#[path = "coverage/source.rs"]
mod source;
#[path = "coverage/statements.rs"]
mod statements;
