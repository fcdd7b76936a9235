//! Links in mails, and what they open.

#[path = "tests/asking.rs"]
mod asking;
#[path = "tests/change.rs"]
mod change;
#[path = "tests/letters.rs"]
mod letters;
#[path = "tests/once.rs"]
mod once;
#[path = "tests/pages.rs"]
mod pages;
#[path = "tests/reset.rs"]
mod reset;
#[path = "tests/secure.rs"]
mod secure;
#[path = "tests/undo.rs"]
mod undo;
#[path = "tests/verify.rs"]
mod verify;
