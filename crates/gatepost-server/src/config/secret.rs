//! Secrets: from files, and refused when anybody could guess them.

use std::fs::File;
use std::io::Read as _;

use gatepost_kernel::Secret;
use zeroize::Zeroize as _;

use super::problem::Complaint;

/// No secret is longer; whoever points at a larger file points at the wrong one.
const LONGEST_FILE: u64 = 64 * 1024;

/// What a key needs: 256 bits, if it is random.
const SHORTEST_KEY: usize = 32;

/// Fewer different bytes than this are a pattern. 32 random hexadecimal digits have 14 on average.
const FEWEST_DIFFERENT: usize = 8;

/// Texts that people paste as secrets, in lower case and without punctuation. Repeating or padding them to 32
/// bytes does not make them secret.
const KNOWN_BAD: &[&str] = &[
    "yoursupersecretkey",
    "supersecret",
    "secretkey",
    "secret",
    "changeme",
    "changethis",
    "changeit",
    "password",
    "passw0rd",
    "letmein",
    "example",
    "gatepost",
    "masterkey",
    "mykey",
    "default",
    "insecure",
    "placeholder",
    "replaceme",
    "replacethis",
    "development",
    "notsosecret",
    "donotuse",
    "qwertyuiop",
    "qwerty",
    "0123456789abcdef",
    "0123456789",
    "1234567890",
    "12345678",
    "abcdefghijklmnopqrstuvwxyz",
    "deadbeef",
];

/// Reads a secret from a file, without the one line break that editors add.
pub(crate) fn read_file(path: &str) -> Result<Secret<String>, Complaint> {
    let cannot =
        |why: &dyn std::fmt::Display| Complaint::new(format!("cannot read the file {path:?}: {why}"));
    let file = File::open(path).map_err(|error| cannot(&error))?;
    // Room for all of it at once: a buffer that grows leaves copies of the secret behind.
    let mut text = String::with_capacity(LONGEST_FILE as usize + 1);
    let length = file.take(LONGEST_FILE + 1).read_to_string(&mut text).map_err(|error| cannot(&error));
    let secret = match length {
        Ok(length) if length as u64 > LONGEST_FILE => Err(cannot(&"it is longer than 64 KiB")),
        Ok(_) => {
            let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
            Ok(Secret::new(line.unwrap_or(&text).to_owned()))
        }
        Err(complaint) => Err(complaint),
    };
    text.zeroize();
    secret
}

/// Why a secret cannot be a key, if so. The complaint never quotes the secret.
pub(crate) fn weakness(secret: &str) -> Option<Complaint> {
    let hint = "make one with `openssl rand -base64 32 | tr '+/' '-_' | tr -d '='`";
    if is_well_known(secret) {
        return Some(Complaint::new("is a secret that everybody knows").hint(hint));
    }
    if secret.len() < SHORTEST_KEY {
        let length = secret.len();
        return Some(
            Complaint::new(format!("has {length} bytes, but a key needs at least {SHORTEST_KEY}")).hint(hint),
        );
    }
    let mut seen = [false; 256];
    secret.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    if seen.iter().filter(|seen| **seen).count() < FEWEST_DIFFERENT {
        return Some(Complaint::new("repeats the same few characters").hint(hint));
    }
    None
}

/// Whether little is left of a secret once the texts that everybody knows are taken out.
fn is_well_known(secret: &str) -> bool {
    const ENOUGH_LEFT: usize = 16;
    let mut rest: String =
        secret.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let mut found = false;
    for bad in KNOWN_BAD {
        if rest.contains(bad) {
            let shorter = rest.replace(bad, "");
            rest.zeroize();
            rest = shorter;
            found = true;
        }
    }
    let known = found && rest.len() < ENOUGH_LEFT;
    rest.zeroize();
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(secret: &str) -> Option<String> {
        weakness(secret).map(|complaint| complaint.message)
    }

    #[test]
    fn jwt_08_a_well_known_secret_is_no_key_however_it_is_padded() {
        for secret in [
            "your-super-secret-key",
            "secret",
            "changeme",
            "CHANGE_ME",
            "your-super-secret-key-your-super-secret-key",
            "your-super-secret-key-000000000001",
            "secretsecretsecretsecretsecretsecret",
            "please-change-this-secret-key-now!!",
            "0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(message(secret).as_deref(), Some("is a secret that everybody knows"), "{secret}");
        }
    }

    #[test]
    fn jwt_08_a_short_or_repetitive_secret_is_no_key() {
        assert_eq!(
            message("Zk3vQ9xW1mB7tR5yL2pD8sF4").as_deref(),
            Some("has 24 bytes, but a key needs at least 32")
        );
        assert_eq!(message(&"ab1".repeat(20)).as_deref(), Some("repeats the same few characters"));
    }

    #[test]
    fn a_random_secret_is_a_key() {
        for secret in [
            "9f86d081884c7d659a2feaa0c55ad015", // 32 hexadecimal digits
            "u8mMFYTV8rF5WmTn7m1i2UfbYTVb4M8k0c9RkmkqgYz1u9Yq3Ns7rQ==",
            "xsecretV8rF5WmTn7m1i2UfbYTVb4M8k0c9Rk", // a word in it by chance
        ] {
            assert_eq!(message(secret), None, "{secret}");
        }
    }

    #[test]
    fn a_file_loses_one_line_break_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for (content, expected) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("", "")]
        {
            let path = dir.path().join("secret");
            std::fs::write(&path, content).unwrap();
            assert!(
                read_file(path.to_str().unwrap()).is_ok_and(|secret| secret.expose() == expected),
                "{content:?}"
            );
        }
    }

    #[test]
    fn a_file_that_is_too_long_or_missing_or_binary_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let read = || read_file(path.to_str().unwrap()).err().map(|complaint| complaint.message).unwrap();
        assert!(read().contains("No such file"));
        std::fs::write(&path, vec![b'a'; 64 * 1024 + 1]).unwrap();
        assert!(read().contains("longer than 64 KiB"));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(read().contains("UTF-8"));
    }
}
