//! The programs that the tests talk to, and how they come onto the machine.
//!
//! Where a fresh build container is root on a Debian machine, what is missing is installed, because that needs nobody's
//! consent. Everywhere else the error says what to install: a test that is left out because its peer is not there would
//! be a check that cannot go red.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{Result, environment, succeeds};

/// A program, the Debian package that has it, and what the tests need it for.
struct Peer {
    /// Its name on `PATH`, or where Debian puts it.
    program: &'static str,
    package: &'static str,
    reason: &'static str,
}

/// Besides PostgreSQL, which has versions and so a place of its own.
const PEERS: &[Peer] = &[
    Peer {
        program: "/usr/lib/python3/dist-packages/aiosmtpd",
        package: "python3-aiosmtpd",
        reason: "a mail server",
    },
    Peer { program: "redis-server", package: "redis-server", reason: "a store of shared rate limits" },
    Peer { program: "oathtool", package: "oathtool", reason: "an authenticator that we did not write" },
    Peer { program: "zbarimg", package: "zbar-tools", reason: "a reader of QR codes" },
    Peer { program: "openssl", package: "openssl", reason: "the certificates of the mail server" },
];

/// Installs every program that is missing.
///
/// # Errors
///
/// When one is missing and cannot be installed; the text names them all.
pub(crate) fn ensure() -> Result<()> {
    let missing: Vec<&Peer> = PEERS.iter().filter(|peer| !peer.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|peer| peer.package).collect();
    if install(&packages)? && missing.iter().all(|peer| peer.is_there()) {
        return Ok(());
    }
    let list: Vec<String> =
        missing.iter().map(|peer| format!("{} ({})", peer.package, peer.reason)).collect();
    Err(format!("the tests need more programs. Debian: apt-get install {}", list.join(", ")).into())
}

/// Installs Debian packages when this machine is one where nobody has to be asked. Whether it did.
///
/// # Errors
///
/// When the user's id cannot be found out.
pub(crate) fn install(packages: &[&str]) -> Result<bool> {
    static UPDATED: OnceLock<bool> = OnceLock::new();
    if installed("apt-get").is_none() || !crate::postgres::is_root()? {
        return Ok(false);
    }
    eprintln!("xtask: installing {} with apt-get", packages.join(", "));
    let apt = |arguments: &[&str]| {
        succeeds(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let updated = *UPDATED.get_or_init(|| apt(&["update"]));
    let arguments: Vec<&str> =
        ["install", "-y", "--no-install-recommends"].iter().chain(packages).copied().collect();
    Ok(updated && apt(&arguments))
}

/// The names on `PATH` that this program would run, in order.
pub(crate) fn search_path() -> Vec<PathBuf> {
    environment("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// The folder of `PATH` that holds the program, if any does.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    search_path().into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

impl Peer {
    fn is_there(&self) -> bool {
        if self.program.starts_with('/') {
            Path::new(self.program).exists()
        } else {
            installed(self.program).is_some()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_name_and_a_folder_by_its_path() {
        let there = |program| Peer { program, package: "", reason: "" }.is_there();
        assert!(there("sh") && there("/usr"));
        assert!(!there("no-such-program") && !there("/no/such/folder"));
    }
}
