//! SQL texts: written once, run on both engines.

use std::sync::OnceLock;

/// One SQL statement. Declared with [`statements!`](crate::statements), never built at run time.
///
/// The text is written with `?1`, `?2`, … and translated to `$1`, `$2`, … for PostgreSQL. (`$1` would not do the
/// other way round: SQLite takes `$2, $1` for *names* and binds them in order of appearance, silently swapped.)
#[derive(Debug)]
pub struct Statement {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
    translated: OnceLock<String>,
}

impl Statement {
    /// A statement with one text for both engines.
    pub const fn new(name: &'static str, text: &'static str) -> Self {
        Self::differing(name, text, text)
    }

    /// A statement whose texts must differ. Keep them on adjacent lines.
    pub const fn differing(name: &'static str, sqlite: &'static str, postgres: &'static str) -> Self {
        Self { name, sqlite, postgres, translated: OnceLock::new() }
    }

    /// The constant's name, for errors and tests.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The text as SQLite reads it.
    pub const fn sqlite(&self) -> &'static str {
        self.sqlite
    }

    /// The text as PostgreSQL reads it.
    pub fn postgres(&self) -> &str {
        self.translated.get_or_init(|| numbered_parameters(self.postgres))
    }
}

/// Turns `?1` into `$1`, except inside of string literals.
fn numbered_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    for character in text.chars() {
        quoted ^= character == '\'';
        out.push(if character == '?' && !quoted { '$' } else { character });
    }
    out
}

/// Declares the statements of a `sql.rs` as statics, together with `STATEMENTS`, the list of them all.
///
/// Tests prepare everything in `STATEMENTS` on both engines, so a statement cannot be forgotten.
///
/// ```
/// gatepost_db::statements! {
///     /// The user with this id.
///     USER_BY_ID = "SELECT id, email FROM users WHERE id = ?1";
///     /// Takes the row lock that SQLite does not need.
///     LOCK_USER =
///         sqlite "SELECT id FROM users WHERE id = ?1",
///         postgres "SELECT id FROM users WHERE id = ?1 FOR UPDATE";
/// }
/// assert_eq!(STATEMENTS.len(), 2);
/// assert_eq!(USER_BY_ID.postgres(), "SELECT id, email FROM users WHERE id = $1");
/// ```
#[macro_export]
macro_rules! statements {
    (@each [$($known:ident)*]) => {
        /// Every statement of this file; tests prepare them all on both engines.
        #[allow(unreachable_pub, clippy::allow_attributes, reason = "public or not, as the module around it is")]
        pub static STATEMENTS: &[&$crate::Statement] = &[$(&$known),*];
    };
    (@each [$($known:ident)*] $(#[$doc:meta])* $name:ident = sqlite $sqlite:expr, postgres $postgres:expr; $($rest:tt)*) => {
        $(#[$doc])*
        static $name: $crate::Statement = $crate::Statement::differing(stringify!($name), $sqlite, $postgres);
        $crate::statements!(@each [$($known)* $name] $($rest)*);
    };
    (@each [$($known:ident)*] $(#[$doc:meta])* $name:ident = $text:expr; $($rest:tt)*) => {
        $(#[$doc])*
        static $name: $crate::Statement = $crate::Statement::new(stringify!($name), $text);
        $crate::statements!(@each [$($known)* $name] $($rest)*);
    };
    ($($all:tt)+) => { $crate::statements!(@each [] $($all)+); };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_the_postgres_way_but_text_is_left_alone() {
        assert_eq!(
            numbered_parameters("SELECT '?1' || ?2 FROM t WHERE a = ?1 AND b = 'it''s ?'"),
            "SELECT '?1' || $2 FROM t WHERE a = $1 AND b = 'it''s ?'"
        );
    }
}
