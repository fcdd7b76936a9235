//! The data directory belongs to one process.

use std::path::Path;

use gatepost_db::{DirectoryLock, LockError};

use crate::child::{Process, say, stay};

/// The child: takes the lock and keeps it.
pub(crate) fn hold(folder: &Path) {
    let _lock = DirectoryLock::acquire(folder).unwrap();
    say("locked");
    stay();
}

#[test]
fn rel_06_a_data_directory_has_one_process_and_a_killed_one_leaves_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let child = Process::start("lock", folder.path().to_str().unwrap(), &[]);
    child.next("locked").expect("the child has the lock");
    assert!(matches!(DirectoryLock::acquire(folder.path()), Err(LockError::Held(_))));
    child.kill("");
    DirectoryLock::acquire(folder.path()).expect("the kernel has taken the lock back");
}
