//! Where PostgreSQL's programs are, and how they come onto the machine.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::packages::{self, search_path};

/// All that a cluster needs. They must come from one folder, because versions do not mix.
const PROGRAMS: [&str; 2] = ["initdb", "postgres"];

/// Debian and its relatives keep one folder for each major version, outside of `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder of one PostgreSQL version.
pub(super) struct Binaries(PathBuf);

impl Binaries {
    /// Finds PostgreSQL, or installs it when that needs nobody's consent: as root on a Debian machine, which is
    /// what a fresh build container is.
    ///
    /// # Errors
    ///
    /// When it is missing; the text says what to install.
    pub(super) fn find_or_install() -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        if packages::install(&["postgresql"])?
            && let Some(found) = Self::find()
        {
            return Ok(found);
        }
        Err("PostgreSQL is missing: install its server (Debian: apt-get install postgresql, macOS: brew install \
             postgresql), or test one engine only with --sqlite-only"
            .into())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    fn find() -> Option<Self> {
        let complete = |folder: &PathBuf| PROGRAMS.iter().all(|program| folder.join(program).is_file());
        search_path().into_iter().chain(versions(Path::new(DEBIAN))).find(complete).map(Self)
    }
}

/// The `bin` folders of the versions that lie side by side in `root`, the newest first.
fn versions(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable_by_key(|(major, _)| std::cmp::Reverse(*major));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first_by_number_not_by_letter() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "17", "15", "common"] {
            std::fs::create_dir(root.path().join(version)).unwrap();
        }
        let expected = ["17", "15", "9"].map(|version| root.path().join(version).join("bin"));
        assert_eq!(versions(root.path()), expected);
    }
}
