//! Values on their way into a statement and out of a row.

use gatepost_kernel::{Id, Timestamp, TokenHash};
use uuid::Uuid;

use crate::DbError;

/// One parameter of a statement. Built by [`params!`](crate::params) through [`ToParam`].
#[derive(Clone)]
pub enum Param<'a> {
    /// SQL `NULL`.
    Null,
    /// A boolean; SQLite stores 0 or 1.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A text.
    Text(std::borrow::Cow<'a, str>),
    /// Bytes: `BLOB`, `BYTEA`.
    Bytes(std::borrow::Cow<'a, [u8]>),
    /// A UUID; SQLite stores its 16 bytes.
    Uuid(Uuid),
}

impl Param<'_> {
    pub(crate) fn into_owned(self) -> Param<'static> {
        match self {
            Self::Null => Param::Null,
            Self::Bool(value) => Param::Bool(value),
            Self::Int(value) => Param::Int(value),
            Self::Text(value) => Param::Text(value.into_owned().into()),
            Self::Bytes(value) => Param::Bytes(value.into_owned().into()),
            Self::Uuid(value) => Param::Uuid(value),
        }
    }
}

/// The parameters of a statement, in the order of `?1`, `?2`, …
///
/// ```
/// use gatepost_db::params;
/// let country: Option<&str> = None;
/// assert_eq!(params![42_i64, "text", country].len(), 3);
/// ```
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { [$($crate::ToParam::to_param(&$value)),*] };
}

/// A value that can be written to a column.
pub trait ToParam {
    /// The value as a parameter.
    fn to_param(&self) -> Param<'_>;
}

impl<T: ToParam + ?Sized> ToParam for &T {
    fn to_param(&self) -> Param<'_> {
        (**self).to_param()
    }
}
impl<T: ToParam> ToParam for Option<T> {
    fn to_param(&self) -> Param<'_> {
        self.as_ref().map_or(Param::Null, ToParam::to_param)
    }
}
impl ToParam for bool {
    fn to_param(&self) -> Param<'_> {
        Param::Bool(*self)
    }
}
impl ToParam for i64 {
    fn to_param(&self) -> Param<'_> {
        Param::Int(*self)
    }
}
impl ToParam for str {
    fn to_param(&self) -> Param<'_> {
        Param::Text(self.into())
    }
}
impl ToParam for String {
    fn to_param(&self) -> Param<'_> {
        self.as_str().to_param()
    }
}
impl ToParam for [u8] {
    fn to_param(&self) -> Param<'_> {
        Param::Bytes(self.into())
    }
}
impl ToParam for Vec<u8> {
    fn to_param(&self) -> Param<'_> {
        self.as_slice().to_param()
    }
}
impl<K> ToParam for Id<K> {
    fn to_param(&self) -> Param<'_> {
        Param::Uuid(self.as_uuid())
    }
}
impl ToParam for Timestamp {
    fn to_param(&self) -> Param<'_> {
        Param::Int(self.as_micros())
    }
}
impl ToParam for TokenHash {
    fn to_param(&self) -> Param<'_> {
        self.as_bytes().as_slice().to_param()
    }
}

/// One column of a row, as the engine holds it.
pub enum Column<'a> {
    /// SQL `NULL`.
    Null,
    /// A boolean (PostgreSQL only).
    Bool(bool),
    /// An integer, or a boolean of SQLite.
    Int(i64),
    /// A text.
    Text(&'a str),
    /// Bytes, or a UUID of SQLite.
    Bytes(&'a [u8]),
    /// A UUID (PostgreSQL only).
    Uuid(Uuid),
}

/// A value that can be read from a column.
pub trait FromColumn: Sized {
    /// Reads the column.
    ///
    /// # Errors
    /// What was found instead, as a sentence for the log.
    fn from_column(column: Column<'_>) -> Result<Self, &'static str>;
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(column: Column<'_>) -> Result<Self, &'static str> {
        match column {
            Column::Null => Ok(None),
            Column::Bool(_) | Column::Int(_) | Column::Text(_) | Column::Bytes(_) | Column::Uuid(_) => {
                T::from_column(column).map(Some)
            }
        }
    }
}

/// Implements [`FromColumn`] by the columns that are accepted; anything else is the given complaint.
macro_rules! from_column {
    ($type:ty, $complaint:literal, $($pattern:pat $(if $guard:expr)? => $value:expr),+) => {
        impl FromColumn for $type {
            fn from_column(column: Column<'_>) -> Result<Self, &'static str> {
                match column {
                    $($pattern $(if $guard)? => Ok($value),)+
                    _ => Err($complaint),
                }
            }
        }
    };
}

from_column!(bool, "not a boolean", Column::Bool(value) => value, Column::Int(value) if matches!(value, 0 | 1) => value == 1);
from_column!(i64, "not an integer", Column::Int(value) => value);
from_column!(String, "not a text", Column::Text(value) => value.to_owned());
from_column!(Vec<u8>, "not bytes", Column::Bytes(value) => value.to_vec());
from_column!(Timestamp, "not a time", Column::Int(value) => Self::from_micros(value));

impl FromColumn for Uuid {
    fn from_column(column: Column<'_>) -> Result<Self, &'static str> {
        match column {
            Column::Uuid(value) => Ok(value),
            Column::Bytes(bytes) => Self::from_slice(bytes).map_err(|_| "not the 16 bytes of a UUID"),
            Column::Null | Column::Bool(_) | Column::Int(_) | Column::Text(_) => Err("not a UUID"),
        }
    }
}
impl<K> FromColumn for Id<K> {
    fn from_column(column: Column<'_>) -> Result<Self, &'static str> {
        Uuid::from_column(column).map(Self::from_uuid)
    }
}
impl FromColumn for TokenHash {
    fn from_column(column: Column<'_>) -> Result<Self, &'static str> {
        let bytes = Vec::<u8>::from_column(column)?;
        bytes.try_into().map(Self::from_bytes).map_err(|_| "not the 32 bytes of a hash")
    }
}

/// One row of an answer.
pub struct Row<'a> {
    pub(crate) statement: &'static str,
    pub(crate) inner: EngineRow<'a>,
}

pub(crate) enum EngineRow<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl Row<'_> {
    /// The column at this position, from zero.
    ///
    /// # Errors
    /// [`DbError::Decode`] when there is no such column or it holds something else: a mistake in the statement.
    pub fn get<T: FromColumn>(&self, column: usize) -> Result<T, DbError> {
        let found = match self.inner {
            EngineRow::Sqlite(row) => crate::sqlite::column(row, column),
            EngineRow::Postgres(row) => crate::postgres::column(row, column),
        };
        found.and_then(T::from_column).map_err(|problem| DbError::Decode {
            statement: self.statement,
            column,
            problem,
        })
    }
}
