//! The bytes of a file, a portion at a time, with the place that one is at.

use std::io::{ErrorKind, Read};

const PORTION: usize = 64 * 1024;

/// A place in a file: where a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes before it.
    pub(super) offset: u64,
    /// The line that it is in, from 1.
    pub(super) line: u64,
}

impl Place {
    pub(super) const START: Self = Self { offset: 0, line: 1 };
}

/// A reader that counts.
pub(super) struct Feed<R> {
    input: R,
    portion: Vec<u8>,
    from: usize,
    to: usize,
    place: Place,
}

impl<R: Read> Feed<R> {
    /// `input` stands at `place`.
    pub(super) fn new(input: R, place: Place) -> Self {
        Self { input, portion: vec![0; PORTION], from: 0, to: 0, place }
    }

    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// What comes next, without taking it: empty only at the end.
    pub(super) fn peek(&mut self) -> std::io::Result<&[u8]> {
        while self.from == self.to {
            match self.input.read(&mut self.portion) {
                Ok(0) => return Ok(&[]),
                Ok(read) => (self.from, self.to) = (0, read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.portion[self.from..self.to])
    }

    /// Takes this many of the bytes that were shown.
    pub(super) fn take(&mut self, bytes: usize) {
        let taken = &self.portion[self.from..self.from + bytes];
        self.place.line += taken.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.place.offset += bytes as u64;
        self.from += bytes;
    }

    /// Passes over empty lines.
    pub(super) fn skip_line_ends(&mut self) -> std::io::Result<()> {
        loop {
            let shown = self.peek()?;
            let ends = shown.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if ends == 0 {
                return Ok(());
            }
            self.take(ends);
        }
    }

    /// Passes over the mark that some editors put before UTF-8.
    pub(super) fn skip_byte_order_mark(&mut self) -> std::io::Result<()> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if self.place != Place::START {
            return Ok(());
        }
        // A pipe may give its first bytes one by one.
        while self.to < MARK.len() && MARK.starts_with(&self.portion[..self.to]) {
            match self.input.read(&mut self.portion[self.to..]) {
                Ok(0) => return Ok(()),
                Ok(read) => self.to += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.portion[..self.to].starts_with(MARK) {
            self.take(MARK.len());
        }
        Ok(())
    }
}
