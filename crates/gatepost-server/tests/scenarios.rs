//! The HTTP scenarios of every feature, on both databases. Each stands in the folder of its feature; they are compiled
//! here so that they see the application only from outside.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, with the reason")]

#[path = "../src/access/tests.rs"]
mod access;
#[path = "../src/accounts/tests.rs"]
mod accounts;
#[path = "../src/administration/tests.rs"]
mod administration;
#[path = "../src/api_keys/tests.rs"]
mod api_keys;
#[path = "../src/attempts/tests.rs"]
mod attempts;
#[path = "../src/audit/tests.rs"]
mod audit;
#[path = "../src/imports/tests.rs"]
mod imports;
#[path = "../src/items/tests.rs"]
mod items;
#[path = "../src/keys/tests.rs"]
mod keys;
#[path = "../src/limits/tests.rs"]
mod limits;
#[path = "../src/outbox/tests.rs"]
mod outbox;
#[path = "../src/recovery/tests.rs"]
mod recovery;
#[path = "../src/second_factor/tests.rs"]
mod second_factor;
#[path = "../src/sessions/tests.rs"]
mod sessions;
#[path = "../src/sign_in/tests.rs"]
mod sign_in;
#[path = "../src/sign_up/tests.rs"]
mod sign_up;
#[path = "../src/tasks/tests.rs"]
mod tasks;
