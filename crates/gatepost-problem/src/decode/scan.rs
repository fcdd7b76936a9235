//! A cursor over JSON whose syntax was checked already ([`shape::check`](super::shape::check)).
//!
//! It finds where values begin and end and decodes no more than the caller asks for.

use std::borrow::Cow;

#[derive(Clone, Copy)]
pub(crate) struct Cursor<'de> {
    rest: &'de str,
}

impl<'de> Cursor<'de> {
    pub(crate) const fn new(text: &'de str) -> Self {
        Self { rest: text }
    }

    /// The first byte of what comes next, after white space.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.rest.bytes().next()
    }

    /// Steps over `byte` if it comes next. Only for ASCII.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        found
    }

    /// Takes a string with its quotes, or a number or literal.
    pub(crate) fn scalar(&mut self) -> &'de str {
        let end = if self.peek() == Some(b'"') {
            let bytes = self.rest.as_bytes();
            let mut at = 1;
            while let Some(&byte) = bytes.get(at) {
                match byte {
                    b'"' => break,
                    b'\\' => at += 2,
                    _ => at += 1,
                }
            }
            at + 1
        } else {
            self.rest.find([',', ']', '}', ':', ' ', '\t', '\r', '\n']).unwrap_or(self.rest.len())
        };
        let (token, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        token
    }

    /// Takes a string and decodes it. Borrowed unless it has an escape.
    pub(crate) fn string(&mut self) -> Option<Cow<'de, str>> {
        let token = self.scalar();
        let inside = token.strip_prefix('"')?.strip_suffix('"')?;
        if inside.contains('\\') {
            serde_json::from_str::<String>(token).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inside))
        }
    }

    /// Steps over a whole value.
    pub(crate) fn skip(&mut self) {
        let mut open = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'[' | b'{' => {
                    self.eat(byte);
                    open += 1;
                }
                b']' | b'}' => {
                    // A bracket that was not opened here belongs to whatever is around the value.
                    if open == 0 {
                        return;
                    }
                    self.eat(byte);
                    open -= 1;
                }
                b',' | b':' => {
                    if open == 0 {
                        return;
                    }
                    self.eat(byte);
                }
                _ => {
                    self.scalar();
                }
            }
            if open == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_value_leaves_what_follows() {
        for value in
            ["1", "-1.5e3", "true", "null", r#""a\"]\\""#, "[]", r#"[1,{"]":"}"},[ ]]"#, r#"{"a":[{}]}"#]
        {
            let text = format!(" {value} , 7");
            let mut cursor = Cursor::new(&text);
            cursor.skip();
            assert!(cursor.eat(b','), "{value}");
            assert_eq!(cursor.scalar(), "7", "{value}");
        }
    }

    #[test]
    fn strings_are_borrowed_unless_escaped() {
        assert!(matches!(Cursor::new("\"ä\"").string(), Some(Cow::Borrowed("ä"))));
        assert_eq!(Cursor::new(r#""\u00e4\u0000""#).string().as_deref(), Some("ä\0"));
        assert_eq!(Cursor::new("7").string(), None);
    }

    #[test]
    fn broken_text_ends_without_a_panic() {
        for text in ["\"\\", "\"", "\"ä", "[", "{\"", "ä", "]", ""] {
            let mut cursor = Cursor::new(text);
            cursor.skip();
            let _ = cursor.string();
        }
    }
}
