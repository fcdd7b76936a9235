//! Just enough of a reader of Rust to find which parts of the crate a file names.
//!
//! It works on text: comments, literals and `#[cfg(test)]` items are blanked out, then paths are read. It does
//! not expand macros, which none of our features uses to hide a path.

/// The items at the crate's root that the file names: `accounts` for `crate::accounts::User`, each name of
/// `crate::{accounts, keys}`, and `*` for a glob. `depth` is how many modules lie between the root and the
/// file, so that a chain of `super` that long is understood too.
pub(super) fn names_at_root(source: &str, depth: usize) -> Vec<String> {
    let code = without_tests(&without_comments_and_literals(source));
    let mut names = Vec::new();
    for root in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&root) {
            // `supercrate::` is another word, and a longer chain of `super` does not compile.
            if !code[..at]
                .ends_with(|before: char| before == '_' || before == ':' || before.is_alphanumeric())
            {
                names.extend(first_names(&code[at + root.len()..]));
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// The first name of a path, or of each path in a group.
fn first_names(path: &str) -> Vec<String> {
    let path = path.trim_start();
    let Some(group) = path.strip_prefix('{') else {
        return first_name(path).into_iter().collect();
    };
    let mut names = Vec::new();
    let mut depth = 0_u32;
    let mut expects_path = true;
    for (at, letter) in group.char_indices() {
        match letter {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => expects_path = true,
            _ if expects_path && !letter.is_whitespace() => {
                names.extend(first_name(&group[at..]));
                expects_path = false;
            }
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> Option<String> {
    if path.starts_with('*') {
        return Some("*".to_owned());
    }
    let path = path.strip_prefix("r#").unwrap_or(path);
    let name: String = path.chars().take_while(|letter| *letter == '_' || letter.is_alphanumeric()).collect();
    (!name.is_empty()).then_some(name)
}

/// Every word of a line that could be the name of a module.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| letter != '_' && !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Blanks out comments, strings and characters; keeps the lines.
pub(super) fn without_comments_and_literals(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(letter) = rest.chars().next() {
        let length = literal_or_comment(rest);
        let taken = length.unwrap_or(letter.len_utf8());
        if length.is_some() {
            code.push(' ');
            code.extend(rest[..taken].chars().filter(|letter| *letter == '\n'));
        } else {
            code.push(letter);
        }
        rest = &rest[taken..];
    }
    code
}

/// How many bytes the comment or literal at the beginning of `text` takes, when one begins there.
fn literal_or_comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    if let Some(raw) = text.strip_prefix('r') {
        // Also the `r` of `br"…"`. No other word may stand right before a quote, so none ends here by chance.
        let hashes = raw.bytes().take_while(|byte| *byte == b'#').count();
        let inner = raw[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let start = text.len() - inner.len();
        return Some(inner.find(&end).map_or(text.len(), |at| start + at + end.len()));
    }
    if text.starts_with('"') {
        return Some(quoted(text, '"'));
    }
    if let Some(inner) = text.strip_prefix('\'') {
        // `'a'` and `'\n'` are characters, `'a` is a lifetime.
        let mut letters = inner.chars();
        let first = letters.next();
        return (first == Some('\\') || letters.next() == Some('\'')).then(|| quoted(text, '\''));
    }
    None
}

/// Block comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Removes each item that stands behind `#[cfg(test)]`: up to its semicolon, or to the end of its braces.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        rest = &rest[at + MARK.len()..];
        let mut depth = 0_u32;
        let end = rest.char_indices().find(|(_, letter)| {
            match letter {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && matches!(letter, '}' | ';')
        });
        rest = end.map_or("", |(at, _)| &rest[at + 1..]);
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_groups_are_read() {
        let source = "use crate::accounts::{User, sql};\nuse crate::{\n    keys::{Key, sign},\n    http,\n};\n\
                      fn f() { crate::sessions::mint(); }\n";
        assert_eq!(names_at_root(source, 2), ["accounts", "http", "keys", "sessions"]);
    }

    #[test]
    fn a_glob_of_the_root_is_seen() {
        assert_eq!(names_at_root("use crate::*;", 2), ["*"]);
        assert_eq!(names_at_root("use crate::{keys, *};", 2), ["*", "keys"]);
    }

    #[test]
    fn super_reaches_the_root_from_as_deep_as_the_file_lies() {
        assert_eq!(names_at_root("use super::super::keys::Key;", 2), ["keys"]);
        assert!(names_at_root("use super::keys::Key;", 2).is_empty());
        assert_eq!(names_at_root("use super::keys::Key;", 1), ["keys"]);
    }

    #[test]
    fn comments_and_literals_name_nothing() {
        let source = r###"
            /// Like [`crate::keys`]. /* "
            /* crate::a /* crate::b */ crate::c */
            const A: &str = "crate::d \" crate::e";
            const B: &str = r#"crate::f " crate::g"#;
            const R: &[u8] = br#"crate::h " crate::i"#;
            const C: (char, char) = ('"', '\'');
            fn f<'a>(x: &'a str) -> crate::seen::It<'a> { r }
        "###;
        assert_eq!(names_at_root(source, 2), ["seen"]);
    }

    #[test]
    fn test_items_are_left_out_and_what_follows_is_not() {
        let source = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more { fn f(x: [u8; 3]) { crate::late::x() } }\n\
                      #[cfg(test)]\nfn f(x: [u8; 3]) { crate::late::x() }\n#[cfg(test)]\nuse crate::late;\nuse crate::early;";
        assert_eq!(names_at_root(source, 2), ["early"]);
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "a\n\"x\ny\"\n/* 1\n2 */ b // c\nd";
        assert_eq!(without_comments_and_literals(source).lines().count(), source.lines().count());
    }
}
