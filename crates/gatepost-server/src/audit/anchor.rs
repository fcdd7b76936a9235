//! The anchor: a file beside the database that says where the chain ended.
//!
//! Within the database a cut-off end leaves no trace: what remains is a shorter chain that is whole. The file says how long
//! it was. It never goes back by itself: when the chain is shorter than it or another one, it stays as it is, as evidence.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gatepost_db::{Db, DbError};

use super::model::{ChainKey, Head, same};
use super::sql;

/// The file `audit.head` of a data directory.
#[derive(Clone, Debug)]
pub struct Anchor {
    file: PathBuf,
}

/// Why the anchor was not moved on.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The file cannot be read or written.
    #[error("cannot use {0}")]
    Io(PathBuf, #[source] std::io::Error),
    /// The file does not hold a head.
    #[error("{0} does not hold the head of an audit log")]
    Malformed(PathBuf),
    /// The log is shorter than the file says, or another one.
    #[error(
        "the audit log does not reach back to {0}: rows were cut off or the database was restored; \
         run `gatepost audit verify`"
    )]
    Diverged(PathBuf),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Anchor {
    /// The anchor in this data directory.
    pub fn in_directory(data_dir: &Path) -> Self {
        Self { file: data_dir.join("audit.head") }
    }

    /// What the file says; `None` where there is no file.
    ///
    /// # Errors
    /// [`AnchorError::Io`] and [`AnchorError::Malformed`].
    pub fn read(&self) -> Result<Option<Head>, AnchorError> {
        let io = |error| AnchorError::Io(self.file.clone(), error);
        let file = match File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let mut text = Vec::new();
        file.take(128).read_to_end(&mut text).map_err(io)?;
        let head = std::str::from_utf8(&text).ok().and_then(|text| text.trim_end().parse().ok());
        head.map(Some).ok_or_else(|| AnchorError::Malformed(self.file.clone()))
    }

    /// Moves the anchor to the end of the chain.
    ///
    /// # Errors
    /// [`AnchorError`]; the file is then as it was.
    pub async fn follow(&self, db: &Db, key: &ChainKey) -> Result<(), AnchorError> {
        let known = self.read()?;
        let seq = known.as_ref().map_or(0, |head| head.seq);
        let (last, there, floor) = db
            .read(move |tx| Ok::<_, DbError>((sql::last_link(tx)?, sql::link(tx, seq)?, sql::floor(tx)?)))
            .await?;
        if let Some(known) = known {
            // Where retention took the entry there is nothing to compare. That it was retention shows the code of the
            // floor: with one made up, somebody could cut the end off and have the anchor moved back to it.
            let is_below = floor.is_some_and(|floor| {
                let is_ours = same(&key.floor(floor.segment, &floor.head), &floor.mac);
                is_ours && (known.seq < floor.head.seq || known == floor.head)
            });
            let agrees = known == last || there.is_some_and(|there| same(&there.mac, &known.mac));
            if last.seq < known.seq || !(is_below || agrees) {
                return Err(AnchorError::Diverged(self.file.clone()));
            }
            if known == last {
                return Ok(());
            }
        }
        if last.seq == 0 { Ok(()) } else { self.write(&last) }
    }

    /// Whole or not at all: a reader sees the old head or the new one.
    fn write(&self, head: &Head) -> Result<(), AnchorError> {
        let draft = self.file.with_extension("head.new");
        let written = || {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            writeln!(file, "{head}")?;
            file.sync_all()?;
            std::fs::rename(&draft, &self.file)
        };
        written().map_err(|error| AnchorError::Io(self.file.clone(), error))
    }
}
