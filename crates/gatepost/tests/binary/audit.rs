//! `gatepost audit`, beside a running server and against somebody with the database in hand.

use gatepost_db::{Db, Options, Param, Statement, Target};
use gatepost_kernel::Secret;
use serde_json::Value;

use crate::process::{Installation, PASSWORD, text};

/// Works on the database past the program.
pub(crate) async fn behind(installation: &Installation, sql: &[&'static str]) {
    let target = match installation.database_url() {
        None => Target::Sqlite(installation.path("data/gatepost.db")),
        Some(url) => Target::Postgres {
            url: Secret::new(url.to_owned()),
            connections: 1,
            statement_timeout: std::time::Duration::from_secs(30),
        },
    };
    let db = Db::open(&target, Options::default()).await.unwrap();
    for sql in sql {
        let statement: &'static Statement = Box::leak(Box::new(Statement::new("behind", sql)));
        db.write(move |tx| tx.execute(statement, &[] as &[Param<'_>])).await.unwrap();
    }
    db.close().await;
}

/// A server with a few sealed entries, still running, and the head that it printed.
fn with_entries(installation: &Installation) -> (crate::process::Server, String) {
    let server = installation.serve();
    let body = serde_json::json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(server.post("/api/v1/auth/register", &body).0, 201);
    let sealed = || {
        let verified = installation.succeed(&["audit", "verify"]);
        verified.contains("not sealed yet: 0").then_some(())
    };
    server.until("the seal", sealed);
    let head = installation.succeed(&["audit", "head"]).trim().to_owned();
    (server, head)
}

async fn a_bent_row_ends_with_65_and_is_named(installation: &Installation, without_trigger: &'static str) {
    let (server, head) = with_entries(installation);
    let verified = installation.succeed(&["audit", "verify", "--head", &head]);
    assert!(verified.contains("as it was sealed") && verified.contains(&head), "{verified}");
    server.until("the anchor", || installation.path("data/audit.head").exists().then_some(()));
    drop(server);
    let bent = "UPDATE audit_log SET details = '{\"by\":\"nobody\"}' WHERE action = 'user_registered'";
    behind(installation, &[without_trigger, bent]).await;
    let output = installation.run(&["audit", "verify"]);
    assert_eq!(output.status.code(), Some(65), "{}", text(&output.stderr));
    let named = text(&output.stdout);
    assert!(
        named.contains("changed or moved: seq=") && named.contains("action=\"user_registered\" at="),
        "{named}"
    );
    assert!(text(&output.stderr).contains("1 faults"), "{}", text(&output.stderr));
    // A head that this log never had.
    let (seq, mac) = head.split_once(':').unwrap();
    let other = format!("{}:{mac}", seq.parse::<i64>().unwrap() + 100);
    let output = installation.run(&["audit", "verify", "--head", &other]);
    assert!(text(&output.stdout).contains("the end was cut off"), "{}", text(&output.stdout));
    assert_eq!(installation.run(&["audit", "verify", "--head", "1"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn az_07_a_bent_row_ends_with_65_and_is_named_on_sqlite() {
    a_bent_row_ends_with_65_and_is_named(&Installation::on_sqlite(), "DROP TRIGGER audit_log_stays").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn az_07_a_bent_row_ends_with_65_and_is_named_on_postgresql() {
    let installation = Installation::on_postgres().await;
    a_bent_row_ends_with_65_and_is_named(&installation, "ALTER TABLE audit_log DISABLE TRIGGER USER").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn az_07_a_cut_off_end_is_seen_by_the_file_beside_the_database() {
    let installation = Installation::on_sqlite();
    let (server, _) = with_entries(&installation);
    server.until("the anchor", || installation.path("data/audit.head").exists().then_some(()));
    drop(server);
    behind(
        &installation,
        &[
            "DROP TRIGGER audit_log_is_kept",
            "DROP TRIGGER audit_chain_is_kept",
            "DROP TRIGGER audit_segments_are_kept",
            "DELETE FROM audit_log",
            "DELETE FROM audit_chain",
            "DELETE FROM audit_segments",
        ],
    )
    .await;
    let output = installation.run(&["audit", "verify"]);
    assert_eq!(output.status.code(), Some(65), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("the end was cut off"), "{}", text(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn az_07_what_a_client_calls_itself_stays_on_its_line() {
    let installation = Installation::on_sqlite();
    drop(with_entries(&installation).0);
    let forged = "INSERT INTO audit_log (id, at, action, user_agent, details) VALUES (randomblob(16), 1767225600000000, \
        'locked_out', char(13) || char(10) || '{\"action\":\"forged\"}' || char(27) || '[2J' || char(155) || char(8238), '{}')";
    behind(&installation, &[forged]).await;
    for arguments in [&["audit", "list", "--json"][..], &["audit", "list"]] {
        let listed = installation.succeed(arguments);
        assert!(!listed.contains(['\r', '\u{1b}', '\u{9b}', '\u{202e}']), "{listed:?}");
        let lines: Vec<_> = listed.lines().filter(|line| line.contains("locked_out")).collect();
        assert_eq!(lines.len(), 1, "{listed}");
        assert!(lines[0].contains("forged"), "{listed}");
    }
    let listed = installation.succeed(&["audit", "list", "--json", "--action", "locked_out"]);
    let entry: Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!(entry["user_agent"], "\r\n{\"action\":\"forged\"}\u{1b}[2J\u{9b}\u{202e}");
    let about =
        installation.succeed(&["audit", "list", "--json", "--user", "ada@example.com", "--limit", "1"]);
    assert_eq!(about.lines().count(), 1, "{about}");
    assert_eq!(installation.succeed(&["audit", "list", "--to", "2020-01-01T00:00:00Z"]), "");
    assert_eq!(installation.run(&["audit", "list", "--from", "yesterday"]).status.code(), Some(2));
}
