//! What a database looks like, in terms that both engines share: for tests that compare them, and for diagnosis.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Db, DbError, Row, params, statements};

/// The tables of a database by name.
pub type Schema = BTreeMap<String, Table>;

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The columns by name.
    pub columns: BTreeMap<String, ColumnKind>,
    /// The column lists that are unique, the primary key among them.
    pub unique: BTreeSet<Vec<String>>,
    /// The column lists of the other indexes.
    pub indexes: BTreeSet<Vec<String>>,
    /// References: own column, table, its column, what happens when the row goes.
    pub references: BTreeSet<(String, String, String, String)>,
}

/// A column's type and whether it may be `NULL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnKind {
    /// `bytes` (also UUIDs), `int` (also booleans) or `text`: what both engines can tell apart.
    pub kind: &'static str,
    /// Whether it is declared `NOT NULL`.
    pub not_null: bool,
}

statements! {
    COLUMNS = sqlite "SELECT t.name, c.name, c.type, c.\"notnull\" FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
        postgres "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'NO' FROM information_schema.columns WHERE table_schema = current_schema()";
    INDEXES = sqlite "SELECT t.name, i.name, i.\"unique\", c.name FROM sqlite_schema t, pragma_index_list(t.name) i, pragma_index_info(i.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, i.name, c.seqno",
        postgres "SELECT t.relname::text, i.relname::text, x.indisunique, a.attname::text FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = t.relnamespace CROSS JOIN LATERAL unnest(x.indkey) WITH ORDINALITY AS k(attnum, position) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum WHERE n.nspname = current_schema() ORDER BY t.relname, i.relname, k.position";
    ROWID_KEYS = sqlite "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND c.pk = 1 AND c.type = 'INTEGER' AND (SELECT count(*) FROM pragma_table_info(t.name) p WHERE p.pk > 0) = 1",
        postgres "SELECT '', '' WHERE FALSE";
    REFERENCES = sqlite "SELECT t.name, f.\"from\", f.\"table\", f.\"to\", f.on_delete FROM sqlite_schema t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'",
        postgres "SELECT t.relname::text, a.attname::text, r.relname::text, b.attname::text, CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1] JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = c.confkey[1] WHERE c.contype = 'f' AND n.nspname = current_schema()";
}

/// Reads the schema.
///
/// # Errors
/// What the database says.
pub async fn read(db: &Db) -> Result<Schema, DbError> {
    db.read(|tx| {
        let mut schema = Schema::new();
        for (table, column, kind) in tx.query_all(&COLUMNS, &params![], |row| {
            let kind = ColumnKind { kind: kind(&row.get::<String>(2)?), not_null: row.get(3)? };
            Ok((row.get::<String>(0)?, row.get::<String>(1)?, kind))
        })? {
            schema.entry(table).or_default().columns.insert(column, kind);
        }
        let mut indexes: BTreeMap<(String, String), (bool, Vec<String>)> = BTreeMap::new();
        for (table, index, unique, column) in tx.query_all(&INDEXES, &params![], |row| {
            Ok((text(row, 0)?, text(row, 1)?, row.get::<bool>(2)?, text(row, 3)?))
        })? {
            let entry = indexes.entry((table, index)).or_default();
            entry.0 = unique;
            entry.1.push(column);
        }
        for ((table, _), (unique, columns)) in indexes {
            let table = schema.entry(table).or_default();
            if unique {
                table.unique.insert(columns)
            } else {
                table.indexes.insert(columns)
            };
        }
        // SQLite keeps no index for a primary key that is the row id.
        for (table, column) in
            tx.query_all(&ROWID_KEYS, &params![], |row| Ok((text(row, 0)?, text(row, 1)?)))?
        {
            schema.entry(table).or_default().unique.insert(vec![column]);
        }
        for (table, reference) in tx.query_all(&REFERENCES, &params![], |row| {
            Ok((text(row, 0)?, (text(row, 1)?, text(row, 2)?, text(row, 3)?, text(row, 4)?)))
        })? {
            schema.entry(table).or_default().references.insert(reference);
        }
        Ok(schema)
    })
    .await
}

fn text(row: &Row<'_>, column: usize) -> Result<String, DbError> {
    row.get(column)
}

fn kind(declared: &str) -> &'static str {
    match declared.to_ascii_lowercase().as_str() {
        "blob" | "bytea" | "uuid" => "bytes",
        "integer" | "bigint" | "boolean" => "int",
        "text" => "text",
        _ => "something that no table of ours has",
    }
}
