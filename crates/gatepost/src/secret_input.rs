//! Passwords that are typed or piped in.

use std::io::{IsTerminal as _, Read as _};

use gatepost_kernel::Secret;

use crate::failure::{Failure, REFUSED};

/// Longer than any password may be: the rest is not read.
const LONGEST: u64 = 4_096;

/// The new password: from standard input up to the end of its first line, or typed twice at the terminal.
pub(crate) fn new_password(from_stdin: bool) -> Result<Secret<String>, Failure> {
    if from_stdin {
        let mut text = Secret::new(String::new());
        let read = std::io::stdin().lock().take(LONGEST).read_to_string(text.expose_mut());
        read.map_err(|error| Failure::io("read the password from standard input", &error))?;
        let line = text.expose().lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(Failure::new(REFUSED, "standard input holds no password"));
        }
        return Ok(Secret::new(line.to_owned()));
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(REFUSED, "there is no terminal to type the password at")
            .hint("pipe it in: printf '%s' \"$PASSWORD\" | gatepost … --password-stdin"));
    }
    let ask = |prompt| {
        let typed = rpassword::prompt_password(prompt);
        typed.map(Secret::new).map_err(|error| Failure::io("read the password", &error))
    };
    let (first, second) = (ask("New password: ")?, ask("Once more: ")?);
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(Failure::new(REFUSED, "the two passwords differ: nothing was changed"))
    }
}
