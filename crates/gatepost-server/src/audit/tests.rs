//! The audit log, from outside and from behind.

#[path = "tests/chain.rs"]
mod chain;
#[path = "tests/retention.rs"]
mod retention;
#[path = "tests/sealing.rs"]
mod sealing;
#[path = "tests/views.rs"]
mod views;

use gatepost_db::{DbError, Param, Statement};
use gatepost_server::audit::{self, Entry, Filter, Finding, Head, Report};
use gatepost_testkit::{Engine, Node, PASSWORD, Persona, TestApp};

/// A few entries of two users, sealed. Returns the entries in the order of the chain.
async fn sealed(app: &TestApp) -> Vec<Entry> {
    entries_of_two(app).await;
    seal(app).await;
    let mut all = everything(app).await;
    all.reverse();
    assert!(all.len() >= 6, "{}", all.len());
    all
}

async fn entries_of_two(app: &TestApp) -> [Persona; 2] {
    let two = [app.user("ada").await, app.user("bob").await];
    for _ in 0..2 {
        app.clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }
    two
}

async fn seal(app: &Node) -> usize {
    audit::seal(&app.app.db, &app.app.chain, app.app.clock.now()).await.unwrap()
}

async fn everything(app: &TestApp) -> Vec<Entry> {
    app.db().read(|tx| audit::list(tx, &Filter::default(), None, 10_000)).await.unwrap()
}

async fn verify(app: &TestApp, heads: &[Head]) -> (Report, Vec<Finding>) {
    let mut found = Vec::new();
    let mut keep = |finding: &Finding| found.push(finding.clone());
    let report = audit::verify(app.db(), &app.app.chain, heads, &mut keep, &mut |_, _| {}).await.unwrap();
    assert_eq!(report.faults, found.len() as u64);
    (report, found)
}

async fn head(app: &TestApp) -> Head {
    audit::head(app.db()).await.unwrap().unwrap()
}

/// Takes the triggers away, as somebody who owns the tables can.
async fn without_triggers(app: &TestApp) {
    let statements: &[&'static str] = match app.engine {
        Engine::Sqlite => &[
            "DROP TRIGGER audit_log_once",
            "DROP TRIGGER audit_log_joins_tail",
            "DROP TRIGGER audit_log_stays",
            "DROP TRIGGER audit_log_is_kept",
            "DROP TRIGGER audit_tail_is_kept",
            "DROP TRIGGER audit_chain_once",
            "DROP TRIGGER audit_chain_stays",
            "DROP TRIGGER audit_chain_is_kept",
            "DROP TRIGGER audit_segments_stay",
            "DROP TRIGGER audit_segments_are_kept",
            "DROP TRIGGER audit_floor_rises",
        ],
        Engine::Postgres => &[
            "ALTER TABLE audit_log DISABLE TRIGGER USER",
            "ALTER TABLE audit_tail DISABLE TRIGGER USER",
            "ALTER TABLE audit_chain DISABLE TRIGGER USER",
            "ALTER TABLE audit_segments DISABLE TRIGGER USER",
            "ALTER TABLE audit_floor DISABLE TRIGGER USER",
        ],
    };
    for statement in statements {
        app.execute(statement, &[]).await;
    }
}

/// Tries a statement behind the application's back.
async fn attempt(app: &TestApp, sql: &'static str) -> Result<u64, DbError> {
    let statement: &'static Statement = Box::leak(Box::new(Statement::new("attempt", sql)));
    app.db().write(move |tx| tx.execute(statement, &[])).await
}

fn id(entry: &Entry) -> Param<'static> {
    Param::Uuid(entry.id.as_uuid())
}

/// Numbers of rows and vectors agree.
fn seq(position: usize) -> i64 {
    i64::try_from(position).unwrap() + 1
}
