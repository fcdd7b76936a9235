//! The data directory belongs to one server at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// An exclusive lock on a data directory, held until it is dropped or the process ends, however it ends.
///
/// The lock is advisory and the kernel's (`flock`): a killed process leaves none behind.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Why the lock was not given.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("the data directory {0} is locked by another gatepost process")]
    Held(PathBuf),
    /// The lock file cannot be used.
    #[error("cannot lock the data directory {0}")]
    Io(PathBuf, #[source] std::io::Error),
}

impl DirectoryLock {
    /// Takes the lock without waiting.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it, [`LockError::Io`] when the folder cannot be written.
    pub fn acquire(directory: &Path) -> Result<Self, LockError> {
        let io = |error| LockError::Io(directory.to_owned(), error);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(directory.join("gatepost.lock"))
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held(directory.to_owned())),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// Whether another process holds the lock of a data directory. Looking makes no file.
    ///
    /// # Errors
    /// [`LockError::Io`].
    pub fn is_held(directory: &Path) -> Result<bool, LockError> {
        let io = |error| LockError::Io(directory.to_owned(), error);
        let file = match File::open(directory.join("gatepost.lock")) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!DirectoryLock::is_held(folder.path()).unwrap());
        let first = DirectoryLock::acquire(folder.path()).unwrap();
        assert!(DirectoryLock::is_held(folder.path()).unwrap());
        assert!(matches!(DirectoryLock::acquire(folder.path()), Err(LockError::Held(_))));
        drop(first);
        assert!(!DirectoryLock::is_held(folder.path()).unwrap());
        assert!(DirectoryLock::acquire(folder.path()).is_ok());
    }
}
