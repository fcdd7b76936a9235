//! The second factor, from outside.

#[path = "tests/browser.rs"]
mod browser;
#[path = "tests/challenge.rs"]
mod challenge;
#[path = "tests/enrol.rs"]
mod enrol;
#[path = "tests/guessing.rs"]
mod guessing;
#[path = "tests/recovery_codes.rs"]
mod recovery_codes;
#[path = "tests/required_roles.rs"]
mod required_roles;
#[path = "tests/step_up.rs"]
mod step_up;
