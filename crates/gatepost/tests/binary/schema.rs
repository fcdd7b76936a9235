//! Databases that this program must leave alone.

use gatepost_db::{Db, Options, Statement, Target};

use crate::process::{Installation, text};

async fn tampered(statement: &'static Statement) -> Installation {
    let installation = Installation::on_sqlite();
    installation.succeed(&["migrate", "up"]);
    let target = Target::Sqlite(installation.path("data/gatepost.db"));
    let db = Db::open(&target, Options::default()).await.unwrap();
    let changed: Result<u64, gatepost_db::DbError> = db.write(|tx| tx.execute(statement, &[])).await;
    assert_eq!(changed.unwrap(), 1);
    db.close().await;
    installation
}

fn is_refused(installation: &Installation, why: &str) {
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate", "up"], &["user", "list"]] {
        let output = installation.run(command);
        assert_eq!(output.status.code(), Some(78), "{command:?}");
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}

#[tokio::test]
async fn rel_23_a_schema_of_a_newer_program_is_refused() {
    static NEWER: Statement = Statement::new(
        "NEWER",
        "INSERT INTO schema_migrations (set_name, number, name, checksum, applied_at) \
         VALUES ('gatepost', 9999, 'of tomorrow', x'00', 0)",
    );
    is_refused(&tampered(&NEWER).await, "schema 9999");
}

#[tokio::test]
async fn rel_23_a_migration_that_was_edited_is_refused() {
    static EDITED: Statement =
        Statement::new("EDITED", "UPDATE schema_migrations SET checksum = x'00' WHERE number = 3");
    is_refused(&tampered(&EDITED).await, "gatepost/3 was edited");
}

#[test]
fn a_file_that_is_no_database_is_exit_65() {
    let installation = Installation::on_sqlite();
    std::fs::create_dir(installation.path("data")).unwrap();
    let file = installation.path("data/gatepost.db");
    std::fs::write(&file, "a letter to my aunt ".repeat(500)).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let output = installation.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(65), "{}", text(&output.stderr));
}

#[test]
fn looking_at_the_schema_makes_no_database() {
    let installation = Installation::on_sqlite();
    let shown = installation.succeed(&["migrate", "status"]);
    assert!(shown.starts_with("gatepost 0001 ") && shown.contains("pending"), "{shown}");
    assert_eq!(installation.run(&["migrate", "down", "--to", "0", "--yes"]).status.code(), Some(78));
    assert!(!installation.path("data").exists());
}
