//! Where rows come from: a file, which can be gone on with, or a stream, which cannot.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;

use aws_lc_rs::digest;
use gatepost_kernel::Timestamp;

use super::csv::CsvRows;
use super::feed::{Feed, Place};
use super::jsonl::JsonRows;
use super::row::{Beliefs, Complaint, Row};

/// The SHA-256 of a file's bytes.
pub(super) type FileHash = [u8; 32];

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// RFC 4180, with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// The format that the name of a file stands for.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// Rows that are to be imported.
pub struct Source {
    format: Format,
    input: Input,
}

enum Input {
    File { file: File, hash: FileHash, seen: Metadata },
    Stream(Box<dyn Read + Send>),
}

impl Source {
    /// A file. It is read once here, to know it again.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(path: &Path, format: Format) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let seen = file.metadata()?;
        if !seen.is_file() {
            return Err(io::Error::other("not a file; a pipe is read as `-`"));
        }
        let mut context = digest::Context::new(&digest::SHA256);
        let mut portion = vec![0; 256 * 1024];
        loop {
            match file.read(&mut portion)? {
                0 => break,
                read => context.update(&portion[..read]),
            }
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Ok(Self { format, input: Input::File { file, hash, seen } })
    }

    /// A stream, which is read once and cannot be gone on with.
    pub fn stream(input: impl Read + Send + 'static, format: Format) -> Self {
        Self { format, input: Input::Stream(Box::new(input)) }
    }

    /// How many bytes there are, if that is known.
    pub fn size(&self) -> Option<u64> {
        match &self.input {
            Input::File { seen, .. } => Some(seen.len()),
            Input::Stream(_) => None,
        }
    }

    pub(super) const fn hash(&self) -> Option<FileHash> {
        match &self.input {
            Input::File { hash, .. } => Some(*hash),
            Input::Stream(_) => None,
        }
    }

    /// The rows from a place on. The inner error is everything that is wrong with the header.
    pub(super) fn open(self, place: Place) -> io::Result<Result<Rows, Vec<String>>> {
        let Self { format, input } = self;
        let (input, file): (Box<dyn Read + Send>, _) = match input {
            Input::File { mut file, seen, .. } => {
                file.seek(SeekFrom::Start(0))?;
                (Box::new(file.try_clone()?), Some((file, seen)))
            }
            Input::Stream(stream) => (stream, None),
        };
        let rows = match format {
            Format::Csv => match CsvRows::open(Feed::new(input, Place::START))? {
                Ok(rows) => Inner::Csv(Box::new(rows)),
                Err(wrong) => return Ok(Err(wrong)),
            },
            Format::Jsonl => Inner::Jsonl(JsonRows::open(Feed::new(input, Place::START))?),
        };
        let rows = match (&file, place) {
            (_, Place::START) | (None, _) => rows,
            (Some((file, _)), place) => {
                let mut input = file.try_clone()?;
                input.seek(SeekFrom::Start(place.offset))?;
                rows.at(Box::new(input), place)?
            }
        };
        Ok(Ok(Rows { rows, file }))
    }
}

/// The rows of a source, one after the other.
pub(super) struct Rows {
    rows: Inner<Box<dyn Read + Send>>,
    file: Option<(File, Metadata)>,
}

enum Inner<R> {
    Csv(Box<CsvRows<R>>),
    Jsonl(JsonRows<R>),
}

impl<R: Read> Inner<R> {
    fn at(self, input: R, place: Place) -> io::Result<Self> {
        Ok(match self {
            Self::Csv(rows) => Self::Csv(Box::new(rows.at(input, place))),
            Self::Jsonl(_) => Self::Jsonl(JsonRows::open(Feed::new(input, place))?),
        })
    }

    fn next(&mut self, beliefs: &Beliefs) -> io::Result<Option<Result<Row, Complaint>>> {
        match self {
            Self::Csv(rows) => rows.next(beliefs),
            Self::Jsonl(rows) => rows.next(beliefs),
        }
    }

    const fn place(&self) -> Place {
        match self {
            Self::Csv(rows) => rows.place(),
            Self::Jsonl(rows) => rows.place(),
        }
    }
}

impl Rows {
    /// The next row, `None` at the end.
    pub(super) fn next(&mut self, beliefs: &Beliefs) -> io::Result<Option<Result<Row, Complaint>>> {
        self.rows.next(beliefs)
    }

    /// Behind the last row.
    pub(super) const fn place(&self) -> Place {
        self.rows.place()
    }

    /// Sees that the file is still the one whose hash was taken: a checkpoint of another would be a lie.
    pub(super) fn see_unchanged(&self) -> io::Result<()> {
        let Some((file, seen)) = &self.file else { return Ok(()) };
        let now = file.metadata()?;
        if now.len() == seen.len() && now.modified()? == seen.modified()? {
            return Ok(());
        }
        Err(io::Error::other("the file was changed while it was read"))
    }
}

/// Reads bytes as rows, for the fuzz target: the line of each, and whether it was believed. `None` where the header is wrong.
pub(crate) fn parse_all(bytes: &[u8], format: Format) -> io::Result<Option<Vec<(u64, bool)>>> {
    let beliefs = &Beliefs {
        now: Timestamp::from_secs(1_767_225_600),
        roles: vec!["admin".to_owned(), "user".to_owned()],
        can_verify: Box::new(|_| true),
    };
    let feed = Feed::new(bytes, Place::START);
    let mut rows = match format {
        Format::Csv => match CsvRows::open(feed)? {
            Ok(rows) => Inner::Csv(Box::new(rows)),
            Err(_) => return Ok(None),
        },
        Format::Jsonl => Inner::Jsonl(JsonRows::open(feed)?),
    };
    let mut read = Vec::new();
    while let Some(row) = rows.next(beliefs)? {
        read.push(row.map_or_else(|complaint| (complaint.line, false), |row| (row.line, true)));
    }
    Ok(Some(read))
}
