//! Flows of several steps, taken in every order (`REC-07`): a reference model of the sign-in, the second factor, the links
//! and what a session may change, and random walks that hold the server against it.
//!
//! `PROPTEST_CASES` says how far they walk (256 if it says nothing; SQLite takes a quarter of them, PostgreSQL a sixteenth),
//! `PROPTEST_RNG_SEED` where to. Without it they go where they went the last time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails, with the reason")]

#[path = "flows/actions.rs"]
mod actions;
#[path = "flows/by_hand.rs"]
mod by_hand;
#[path = "flows/changes.rs"]
mod changes;
#[path = "flows/codes.rs"]
mod codes;
#[path = "flows/model.rs"]
mod model;
#[path = "flows/recovery.rs"]
mod recovery;
#[path = "flows/rows.rs"]
mod rows;
#[path = "flows/secrets.rs"]
mod secrets;
#[path = "flows/step.rs"]
mod step;
#[path = "flows/things.rs"]
mod things;
#[path = "flows/walk.rs"]
mod walk;
#[path = "flows/world.rs"]
mod world;
