//! A Gatepost application in a test: in process, on either database, with a clock to turn and seeded randomness.
//!
//! ```ignore
//! gatepost_testkit::on_each_db! {
//!     async fn a_user_reads_their_own_account(app: TestApp) {
//!         let ada = app.user("ada").await;
//!         let me = app.get("/api/v1/users/me").bearer(&ada.access_token).send().await;
//!         assert_eq!(me.status, 200);
//!         assert_eq!(me.json()["email"], ada.email);
//!     }
//! }
//! ```
//!
//! A dropped [`TestApp`] fails its test when a response was a 5xx that nobody asked for, or when a password or token that
//! went through it stands in clear in the log (at the level of traces, libraries included) or in the database file.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on fails, with the reason"
)]

mod app;
mod authenticator;
mod canary;
mod client;
mod clock;
mod mails;
mod persona;
mod redis;

pub use app::{Node, Setup, TestApp, master_key};
pub use authenticator::{Authenticator, Enrolled};
pub use client::{Answer, Call};
pub use clock::ManualClock;
pub use gatepost_db::testing::Engine;
pub use mails::Delivered;
pub use persona::{Browser, EVERYBODY_MAY, PASSWORD, Persona};
pub use redis::RedisServer;

/// Writes one test for both databases: `a_name::sqlite` and `a_name::postgres`. The argument may name how the application
/// is set up: `async fn a_name(app: TestApp = |setup| setup.set("tokens.password_grant", "false")) { … }`.
#[macro_export]
macro_rules! on_each_db {
    ($( $(#[$meta:meta])* async fn $name:ident($app:ident: TestApp $(= $setup:expr)?) $body:block )+) => { $(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn run(engine: $crate::Engine) {
                let setup = $crate::Setup::new()$(.changed($setup))?;
                let $app = $crate::TestApp::start(engine, stringify!($name), setup).await;
                $body
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run($crate::Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                run($crate::Engine::Postgres).await;
            }
        }
    )+ };
}
