//! Sign-in, from outside.

#[path = "tests/change_password.rs"]
mod change_password;
#[path = "tests/flood.rs"]
mod flood;
#[path = "tests/matrix.rs"]
mod matrix;
#[path = "tests/token_endpoint.rs"]
mod token_endpoint;
#[path = "tests/uniform.rs"]
mod uniform;
#[path = "tests/walks.rs"]
mod walks;
