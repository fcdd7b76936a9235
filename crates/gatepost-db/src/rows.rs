//! Many values in one round trip.
//!
//! A [`List`] is one parameter: a JSON array that the statement takes apart, for what is looked up together.
//!
//! ```text
//! sqlite:   WHERE name IN (SELECT value FROM json_each(?1))
//! postgres: WHERE name IN (SELECT jsonb_array_elements_text(?1::text::jsonb))
//! ```
//!
//! Rows to be written are parameters of [`WriteTx::execute_all`](crate::WriteTx::execute_all), whose two texts differ: in
//! SQLite nothing travels, and a statement for each row is the quickest; in PostgreSQL one statement takes all rows, as a JSON
//! array of arrays.
//!
//! ```text
//! sqlite:   INSERT INTO notes (id, body) VALUES (?1, ?2)
//! postgres: INSERT INTO notes (id, body)
//!           SELECT (value ->> 0)::uuid, value ->> 1 FROM jsonb_array_elements(?1::text::jsonb)
//! ```

use std::sync::Arc;

use serde::ser::{Serialize, SerializeSeq as _, Serializer};

use crate::{DbError, Param, ToParam};

/// Values on their way into one statement. It cannot be printed.
pub struct List(String);

impl List {
    /// These texts, ids or numbers, or tuples of them. No text may hold a NUL.
    ///
    /// # Errors
    /// [`DbError::Engine`] when one has no JSON form: a mistake of the caller's.
    pub fn of<T: Serialize>(values: &[T]) -> Result<Self, DbError> {
        json(values).map(Self)
    }
}

impl ToParam for List {
    fn to_param(&self) -> Param<'_> {
        self.0.to_param()
    }
}

/// Rows as the one text parameter of a statement about all of them.
pub(crate) fn rows_as_json(rows: &[&[Param<'_>]]) -> Result<String, DbError> {
    let rows: Vec<_> = rows.iter().map(|row| Row(row)).collect();
    json(&rows)
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<String, DbError> {
    serde_json::to_string(value).map_err(|error| DbError::Engine {
        context: "write values as one parameter",
        source: Arc::new(error),
    })
}

struct Row<'a>(&'a [Param<'a>]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_seq(Some(self.0.len()))?;
        for param in self.0 {
            match param {
                Param::Null => row.serialize_element(&None::<bool>)?,
                Param::Bool(value) => row.serialize_element(value)?,
                Param::Int(value) => row.serialize_element(value)?,
                Param::Text(text) => row.serialize_element(text)?,
                // `bytea` in its hexadecimal form.
                Param::Bytes(bytes) => {
                    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    row.serialize_element(&format!("\\x{hex}"))?;
                }
                Param::Uuid(id) => row.serialize_element(&id.to_string())?,
            }
        }
        row.end()
    }
}
