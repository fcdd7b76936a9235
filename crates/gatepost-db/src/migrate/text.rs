//! The text of a migration, spelled for one engine.

use crate::tx::Dialect;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Up,
    Down,
}

/// The part of a migration's text for this engine, with its type tokens spelled out.
pub(super) fn render(text: &str, part: Part, dialect: Dialect) -> Result<String, &'static str> {
    let mut out = String::new();
    let mut section = None;
    let mut audience = None;
    for line in text.lines() {
        match line.trim() {
            "-- up" => (section, audience) = (Some(Part::Up), None),
            "-- down" => (section, audience) = (Some(Part::Down), None),
            "-- engine: sqlite" => audience = Some(Dialect::Sqlite),
            "-- engine: postgres" => audience = Some(Dialect::Postgres),
            "-- engine: both" => audience = None,
            other if other.starts_with("-- engine:") => return Err("unknown engine"),
            other if ends_a_transaction(other) => {
                return Err("a migration is one transaction: it cannot end it");
            }
            _ if section == Some(part) && audience.is_none_or(|audience| audience == dialect) => {
                out.push_str(line);
                out.push('\n');
            }
            _ => {}
        }
    }
    if out.trim().is_empty() {
        return Err("a migration needs a part '-- up' and a part '-- down'");
    }
    for (token, sqlite, postgres) in TOKENS {
        out = out.replace(
            token,
            match dialect {
                Dialect::Sqlite => sqlite,
                Dialect::Postgres => postgres,
            },
        );
    }
    if out.contains(['{', '}']) {
        return Err("unknown type token");
    }
    Ok(out)
}

/// Whether a line begins with a statement that would commit half of the migration. (`END` also closes a trigger.)
fn ends_a_transaction(line: &str) -> bool {
    let word: String = line.chars().take_while(char::is_ascii_alphabetic).collect();
    ["COMMIT", "ROLLBACK"].iter().any(|end| word.eq_ignore_ascii_case(end))
}

/// How each engine spells a token.
const TOKENS: &[(&str, &str, &str)] = &[
    ("{uuid}", "BLOB", "UUID"),
    ("{bytes}", "BLOB", "BYTEA"),
    ("{int}", "INTEGER", "BIGINT"),
    ("{bool}", "INTEGER", "BOOLEAN"),
    (
        "{serial}",
        "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
        "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    ),
    ("{strict}", "STRICT", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "-- 0001: things\n-- up\nCREATE TABLE t (id {uuid} NOT NULL) {strict};\n\
        -- engine: postgres\nSELECT 'pg';\n-- engine: both\nSELECT 'both';\n-- down\nDROP TABLE t;\n";

    #[test]
    fn each_engine_reads_its_own_spelling_and_its_own_blocks() {
        let sqlite = render(TEXT, Part::Up, Dialect::Sqlite).unwrap();
        assert_eq!(sqlite, "CREATE TABLE t (id BLOB NOT NULL) STRICT;\nSELECT 'both';\n");
        let postgres = render(TEXT, Part::Up, Dialect::Postgres).unwrap();
        assert_eq!(postgres, "CREATE TABLE t (id UUID NOT NULL) ;\nSELECT 'pg';\nSELECT 'both';\n");
        assert_eq!(render(TEXT, Part::Down, Dialect::Sqlite).unwrap(), "DROP TABLE t;\n");
    }

    #[test]
    fn a_typo_in_a_token_or_an_engine_is_not_sent_to_the_database() {
        assert!(render("-- up\nCREATE TABLE t (id {uid});", Part::Up, Dialect::Sqlite).is_err());
        assert!(render("-- up\n-- engine: mysql\nSELECT 1;", Part::Up, Dialect::Sqlite).is_err());
        assert!(render("-- up\nSELECT 1;", Part::Down, Dialect::Sqlite).is_err());
    }
}
