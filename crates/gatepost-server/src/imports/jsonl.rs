//! Rows of JSON, one object a line, each of bounded length.

use std::io::Read;

use gatepost_problem::{Check, parse_json};

use super::MAX_ROW_BYTES;
use super::feed::{Feed, Place};
use super::row::{Beliefs, Complaint, Input, Row};

/// A reader of rows.
pub(super) struct JsonRows<R> {
    feed: Feed<R>,
    bytes: Vec<u8>,
}

impl<R: Read> JsonRows<R> {
    pub(super) fn open(mut feed: Feed<R>) -> std::io::Result<Self> {
        feed.skip_byte_order_mark()?;
        Ok(Self { feed, bytes: Vec::with_capacity(MAX_ROW_BYTES) })
    }

    pub(super) const fn place(&self) -> Place {
        self.feed.place()
    }

    /// The next row, `None` at the end.
    pub(super) fn next(&mut self, beliefs: &Beliefs) -> std::io::Result<Option<Result<Row, Complaint>>> {
        self.feed.skip_line_ends()?;
        let line = self.feed.place().line;
        if self.feed.peek()?.is_empty() {
            return Ok(None);
        }
        if !self.read_line()? {
            return Ok(Some(Err(Complaint::whole(line, "The row is longer than 64 KiB."))));
        }
        let input = parse_json::<Input>(&self.bytes).map_err(|problem| Complaint::of(line, &problem));
        Ok(Some(input.and_then(|input| input.believe(line, Check::new(), beliefs))))
    }

    /// Reads up to the end of the line. Whether all of it is kept.
    fn read_line(&mut self) -> std::io::Result<bool> {
        self.bytes.clear();
        let mut fits = true;
        loop {
            let shown = self.feed.peek()?;
            let end = shown.iter().position(|byte| *byte == b'\n');
            let part = end.unwrap_or(shown.len());
            fits = fits && self.bytes.len() + part <= MAX_ROW_BYTES;
            if fits {
                self.bytes.extend_from_slice(&shown[..part]);
            }
            if shown.is_empty() {
                return Ok(fits);
            }
            self.feed.take(part + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(fits);
            }
        }
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
            roles: vec!["user".to_owned()],
            can_verify: Box::new(|_| true),
        }
    }

    fn said(text: &str) -> Vec<String> {
        let mut rows = JsonRows::open(Feed::new(text.as_bytes(), Place::START)).unwrap();
        let all = std::iter::from_fn(|| rows.next(&beliefs()).unwrap());
        all.map(|row| row.map_or_else(|complaint| complaint.to_string(), |row| format!("{}", row.line)))
            .collect()
    }

    #[test]
    fn every_row_is_an_object_on_its_line() {
        let text = "{\"email\": \"a@x.example\"}\r\n\n  {\"email\": \"b@x.example\", \"bio\": null}";
        assert_eq!(said(text), ["1", "3"]);
    }

    #[test]
    fn a_field_that_is_not_known_is_named_and_a_password_is_refused() {
        assert_eq!(
            said("{\"email\": \"a@x.example\", \"usrname\": \"a\"}"),
            ["line 1: `usrname` is not known; did you mean `username`?"]
        );
        assert!(
            said("{\"email\": \"a@x.example\", \"password\": \"x\"}")[0].contains("no passwords in clear")
        );
        assert_eq!(said("{\"email\": 7, \"roles\": {}}").len(), 1);
        for wrong in ["[]", "{", "{\"email\": \"a@x.example\", \"email\": \"b@x.example\"}", "\u{1}"] {
            assert!(said(wrong)[0].starts_with("line 1: "), "{wrong}");
        }
    }

    #[test]
    fn http_08_a_line_that_is_too_long_is_one_bad_row_and_is_not_kept() {
        let long = "x".repeat(3 * MAX_ROW_BYTES);
        let text = format!("{{\"email\": \"{long}\"}}\n{{\"email\": \"b@x.example\"}}\n");
        assert_eq!(said(&text), ["line 1: The row is longer than 64 KiB.", "2"]);
        let mut rows = JsonRows::open(Feed::new(text.as_bytes(), Place::START)).unwrap();
        while rows.next(&beliefs()).unwrap().is_some() {}
        assert!(rows.bytes.capacity() <= MAX_ROW_BYTES);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut rows = JsonRows::open(Feed::new(bytes.as_slice(), Place::START)).unwrap();
            while rows.next(&beliefs()).unwrap().is_some() {}
            prop_assert_eq!(rows.place().offset, bytes.len() as u64);
        }
    }
}
