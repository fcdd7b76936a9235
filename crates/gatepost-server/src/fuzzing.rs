//! Doors to parsers that are private, for the fuzz targets. Not part of the API.

use gatepost_problem::{OAuthError, Problem, parse_form, parse_json};

use crate::imports::Format;
use crate::sign_in::TokenRequest;
use crate::sign_up::RegisterRequest;

/// Reads the body of a registration: the widest of the JSON bodies.
///
/// # Errors
/// What the client would be told.
pub fn register_request(bytes: &[u8]) -> Result<(), Problem> {
    parse_json::<RegisterRequest>(bytes).map(|_| ())
}

/// Reads the form of a token request.
///
/// # Errors
/// What the client would be told.
pub fn token_request(bytes: &[u8]) -> Result<(), OAuthError> {
    parse_form::<TokenRequest>(bytes).map(|_| ())
}

/// Reads a code of an authenticator, as typed. Whether it is one.
pub fn is_totp_code(text: &str) -> bool {
    crate::second_factor::reads_as_totp_code(text)
}

/// Reads a recovery code, as typed, and writes it as it was shown.
pub fn recovery_code(text: &str) -> Option<String> {
    crate::second_factor::rewritten_recovery_code(text)
}

/// Reads the value of an `Authorization` header as the name and secret of a client.
pub fn basic_credentials(header: &str) -> Option<(String, String)> {
    crate::sign_in::basic_credentials(header)
}

/// Reads bytes as a file of accounts: the line of each row, and whether it was believed. `None` where the header is wrong.
///
/// # Errors
/// Never: bytes in memory can be read.
pub fn import_rows(bytes: &[u8], format: Format) -> std::io::Result<Option<Vec<(u64, bool)>>> {
    crate::imports::parse_all(bytes, format)
}
