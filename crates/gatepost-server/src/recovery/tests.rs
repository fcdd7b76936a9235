//! Links in mails, and what they open.

#[path = "tests/asking.rs"]
mod asking;
#[path = "tests/letters.rs"]
mod letters;
#[path = "tests/pages.rs"]
mod pages;
#[path = "tests/reset.rs"]
mod reset;
#[path = "tests/verify.rs"]
mod verify;
