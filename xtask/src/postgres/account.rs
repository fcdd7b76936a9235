//! The operating-system user that PostgreSQL runs as.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::packages::installed;

/// Users that may exist and own nothing of value. `postgres` comes with the package, `nobody` with the system.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Who runs the server.
pub(super) enum Account {
    /// We do: an ordinary user.
    Ourselves,
    /// We are root, and this user does it for us.
    Other { name: &'static str, uid: u32, gid: u32 },
}

impl Account {
    /// The account for a server that this process starts.
    ///
    /// # Errors
    ///
    /// When we are root and no ordinary user is known.
    pub(super) fn for_server() -> Result<Self> {
        if !is_root()? {
            return Ok(Self::Ourselves);
        }
        CANDIDATES
            .into_iter()
            .find_map(|name| Some(Self::Other { name, uid: id("-u", name)?, gid: id("-g", name)? }))
            .ok_or_else(|| {
                format!("PostgreSQL does not run as root, and none of these users exists: {CANDIDATES:?}")
                    .into()
            })
    }

    /// Makes the folder this account's.
    pub(super) fn own(&self, folder: &Path) -> Result {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid, .. } => Ok(std::os::unix::fs::chown(folder, Some(*uid), Some(*gid))?),
        }
    }

    /// A command that runs `program` as this account.
    pub(super) fn command(&self, program: &Path) -> Command {
        let Self::Other { name, uid, gid } = self else {
            return Command::new(program);
        };
        if installed("setpriv").is_some() {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
            command.args(["--clear-groups", "--"]).arg(program);
            return command;
        }
        if installed("runuser").is_some() {
            let mut command = Command::new("runuser");
            command.args(["-u", name, "--"]).arg(program);
            return command;
        }
        // `su` knows no argument vector, so a shell passes ours on. `-s`: system users have no login shell.
        let mut command = Command::new("su");
        command.args(["-s", "/bin/sh", name, "-c", r#"exec "$0" "$@""#, "--"]).arg(program);
        command
    }
}

/// Whether this process is root.
///
/// # Errors
///
/// When `id` cannot be run.
pub(crate) fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output()?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// A number of a user, or `None` when there is no such user.
fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
