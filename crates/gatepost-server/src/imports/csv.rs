//! Rows of CSV (RFC 4180), each of bounded length.

use std::io::Read;

use csv_core::ReadRecordResult;
use gatepost_kernel::Secret;
use gatepost_problem::Check;

use super::feed::{Feed, Place};
use super::row::{Beliefs, Complaint, Input, Row};
use super::{MAX_ROW_BYTES, columns};
use crate::accounts::Patch;

/// More cells than there are columns, so that a row with one too many can be counted.
const MAX_CELLS: usize = 64;

/// Cells that a spreadsheet would take for a formula begin like this (OWASP, "CSV Injection").
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// A reader of rows.
pub(super) struct CsvRows<R> {
    feed: Feed<R>,
    core: csv_core::Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    columns: Vec<&'static str>,
}

/// One row as it lies in the buffers.
struct Cells {
    line: u64,
    /// How many; nothing where the row is longer than a row may be.
    cells: Option<usize>,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header. Complaints about it stand in the inner result.
    pub(super) fn open(feed: Feed<R>) -> std::io::Result<Result<Self, Vec<String>>> {
        let mut rows = Self {
            feed,
            core: csv_core::Reader::new(),
            bytes: vec![0; MAX_ROW_BYTES],
            ends: vec![0; MAX_CELLS],
            columns: Vec::new(),
        };
        rows.feed.skip_byte_order_mark()?;
        let Some(header) = rows.cells()? else { return Ok(Err(vec!["the file is empty".to_owned()])) };
        let names: Option<Vec<&str>> =
            header.cells.and_then(|count| (0..count).map(|cell| rows.cell(cell)).collect());
        let Some(names) = names else { return Ok(Err(vec!["the header is no line of names".to_owned()])) };
        Ok(columns::header(names.into_iter()).map(|columns| Self { columns, ..rows }))
    }

    /// The same file from another place on, where a row begins.
    pub(super) fn at<S: Read>(self, input: S, place: Place) -> CsvRows<S> {
        CsvRows {
            feed: Feed::new(input, place),
            core: csv_core::Reader::new(),
            bytes: self.bytes,
            ends: self.ends,
            columns: self.columns,
        }
    }

    pub(super) const fn place(&self) -> Place {
        self.feed.place()
    }

    /// The next row, `None` at the end.
    pub(super) fn next(&mut self, beliefs: &Beliefs) -> std::io::Result<Option<Result<Row, Complaint>>> {
        let Some(Cells { line, cells }) = self.cells()? else { return Ok(None) };
        Ok(Some(match cells {
            None => Err(Complaint::whole(
                line,
                "The row is longer than 64 KiB, or has more than 64 cells. Is a quote not closed?",
            )),
            Some(count) if count != self.columns.len() => {
                let expected = self.columns.len();
                Err(Complaint::whole(line, format!("The row has {count} cells, the header {expected}.")))
            }
            Some(_) => self.believe(line, beliefs),
        }))
    }

    fn believe(&self, line: u64, beliefs: &Beliefs) -> Result<Row, Complaint> {
        let (mut input, mut check) = (Input::default(), Check::new());
        for (position, column) in self.columns.iter().enumerate() {
            let text =
                self.cell(position).ok_or_else(|| Complaint::field(line, column, "This is not UTF-8."))?;
            // An empty cell gives nothing.
            if !text.is_empty() {
                fill(&mut input, &mut check, column, bared(text));
            }
        }
        input.believe(line, check, beliefs)
    }

    fn cell(&self, position: usize) -> Option<&str> {
        let from = position.checked_sub(1).map_or(0, |before| self.ends[before]);
        std::str::from_utf8(&self.bytes[from..self.ends[position]]).ok()
    }

    /// Reads one row into the buffers. One that does not fit is read to its end and not kept.
    fn cells(&mut self) -> std::io::Result<Option<Cells>> {
        self.feed.skip_line_ends()?;
        let line = self.feed.place().line;
        let (mut written, mut ended, mut fits) = (0, 0, true);
        loop {
            let shown = self.feed.peek()?;
            let (result, read, wrote, ends) =
                self.core.read_record(shown, &mut self.bytes[written..], &mut self.ends[ended..]);
            self.feed.take(read);
            written += wrote;
            ended += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    (written, ended, fits) = (0, 0, false);
                }
                ReadRecordResult::Record => return Ok(Some(Cells { line, cells: fits.then_some(ended) })),
                ReadRecordResult::End => return Ok(None),
            }
        }
    }
}

/// Writes a cell into the row.
fn fill(input: &mut Input, check: &mut Check, column: &str, text: &str) {
    let set = || Patch::Set(text.to_owned());
    match column {
        "email" => text.clone_into(&mut input.email),
        "email_verified" => input.email_verified = boolean(check, "/email_verified", text),
        "username" => input.username = set(),
        "phone_number" => input.phone_number = set(),
        "first_name" => input.first_name = set(),
        "last_name" => input.last_name = set(),
        "bio" => input.bio = set(),
        "avatar_url" => input.avatar_url = set(),
        "country" => input.country = set(),
        "is_active" => input.is_active = boolean(check, "/is_active", text),
        "awaiting_approval" => input.awaiting_approval = boolean(check, "/awaiting_approval", text),
        "roles" => {
            let roles = text.split('|').map(str::trim).filter(|role| !role.is_empty());
            input.roles = Some(roles.map(str::to_owned).collect());
        }
        "created_at" => input.created_at = Some(text.to_owned()),
        columns::PASSWORD_HASH => input.password_hash = Some(Secret::new(text.to_owned())),
        // The header lets no other through.
        _ => {}
    }
}

/// As databases print them.
fn boolean(check: &mut Check, pointer: &str, text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" => Some(true),
        "false" | "f" | "0" | "no" => Some(false),
        _ => {
            check.refuse(pointer, "invalid_value", "Expected true or false.");
            None
        }
    }
}

/// Whether a text begins, behind any apostrophes, as a formula does.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// A cell as it is written: quoted where it must be, and with an apostrophe before what a spreadsheet would run. Before
/// apostrophes in front of such a sign there is one more, so that [`bared`] gives back every text as it was.
pub(super) fn cell(text: &str, out: &mut String) {
    let guard = if is_formula(text) { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        out.push('"');
        out.push_str(guard);
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(guard);
        out.push_str(text);
    }
}

/// A cell without the apostrophe that an export put before it.
fn bared(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if is_formula(rest) => rest,
        Some(_) | None => text,
    }
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn beliefs() -> Beliefs {
        Beliefs {
            now: Timestamp::from_secs(1_767_225_600),
            roles: vec!["admin".to_owned(), "user".to_owned()],
            can_verify: Box::new(|_| true),
        }
    }

    /// Gives its bytes one at a time: every border is tried.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn read(text: &[u8]) -> Vec<Result<Row, Complaint>> {
        let mut rows = CsvRows::open(Feed::new(Drops(text), Place::START)).unwrap().unwrap();
        std::iter::from_fn(|| rows.next(&beliefs()).unwrap()).collect()
    }

    fn lines(text: &str) -> Vec<(u64, bool)> {
        let read = read(text.as_bytes());
        read.iter()
            .map(|row| match row {
                Ok(row) => (row.line, true),
                Err(complaint) => (complaint.line, false),
            })
            .collect()
    }

    #[test]
    fn every_row_knows_the_line_that_it_begins_in() {
        let text = "email,bio\r\na@x.example,\"two\r\nlines\"\r\n\r\nb@x.example,\r\nb,\r\nc@x.example,x";
        assert_eq!(lines(text), [(2, true), (5, true), (6, false), (7, true)]);
        assert_eq!(lines(&text.replace('\r', "")), [(2, true), (5, true), (6, false), (7, true)]);
        assert_eq!(lines("email\n"), []);
    }

    #[test]
    fn http_08_a_row_that_is_too_long_is_one_bad_row_and_is_not_kept() {
        let long = "x".repeat(MAX_ROW_BYTES + 1);
        let text = format!("email,bio\na@x.example,{long}\nb@x.example,y\n");
        assert_eq!(lines(&text), [(2, false), (3, true)]);
        let many = format!("email,bio\n{}\nb@x.example,y\n", "x,".repeat(1_000));
        assert_eq!(lines(&many), [(2, false), (3, true)]);
        assert_eq!(lines("email,bio\nb@x.example,y\na@x.example,\"never\nclosed"), [(2, true), (3, true)]);
    }

    #[test]
    fn a_row_with_another_number_of_cells_or_with_other_bytes_is_a_bad_row() {
        assert_eq!(
            lines("email,bio\na@x.example\nb@x.example,y,z\nc@x.example,y\n"),
            [(2, false), (3, false), (4, true)]
        );
        let said = read(b"email,bio\na@x.example,\xff\n");
        assert_eq!(said[0].as_ref().err().unwrap().to_string(), "line 2: bio: This is not UTF-8.");
    }

    #[test]
    fn cells_are_read_as_databases_write_them() {
        let text = "\u{feff}email,is_active,email_verified,roles,created_at\na@x.example,f,1,admin| user,\nb@x.example,maybe,,,";
        let rows = read(text.as_bytes());
        let row = rows[0].as_ref().ok().unwrap();
        assert_eq!((row.is_active, row.vouched, row.created_at), (Some(false), true, None));
        assert_eq!(row.roles, ["admin", "user"]);
        assert!(rows[1].as_ref().err().unwrap().to_string().contains("is_active: Expected true or false."));
    }

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_written_as_text() {
        let written = |text: &str| {
            let mut out = String::new();
            cell(text, &mut out);
            out
        };
        assert_eq!(written("=1+1"), "'=1+1");
        assert_eq!(written("+441632960961"), "'+441632960961");
        assert_eq!(written("'=x"), "''=x");
        assert_eq!(written("\nx"), "\"'\nx\"");
        assert_eq!(written("it's"), "it's");
        assert_eq!(written("a,\"b\""), "\"a,\"\"b\"\"\"");
    }

    proptest! {
        #[test]
        fn every_cell_comes_back_as_it_was(text in "['=+@\\-\"a, \n\t]{1,12}") {
            let mut out = "email,bio\na@x.example,".to_owned();
            cell(&text, &mut out);
            let mut rows = CsvRows::open(Feed::new(out.as_bytes(), Place::START)).unwrap().unwrap();
            rows.cells().unwrap().unwrap();
            prop_assert_eq!(bared(rows.cell(1).unwrap()), text);
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [b"email,bio\n".as_slice(), &bytes].concat();
            let mut rows = CsvRows::open(Feed::new(bytes.as_slice(), Place::START)).unwrap().unwrap();
            while rows.next(&beliefs()).unwrap().is_some() {}
            prop_assert_eq!(rows.place().offset, bytes.len() as u64);
        }
    }
}
