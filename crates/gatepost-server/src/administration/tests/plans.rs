//! The lists walk along indexes, on both engines: a plan that sorts or scans would cost more the more accounts there are.

use gatepost_db::{Param, Statement, params};
use gatepost_kernel::Id;
use gatepost_server::administration::STATEMENTS;
use gatepost_server::ids::UserId;
use gatepost_testkit::Engine;

use super::*;

/// What the engine says that it would do.
async fn plan(app: &TestApp, name: &str, params: Vec<Param<'static>>) -> String {
    let statement = STATEMENTS.iter().find(|statement| statement.name() == name).unwrap();
    let (text, column) = match app.engine {
        Engine::Sqlite => (format!("EXPLAIN QUERY PLAN {}", statement.sqlite()), 3),
        Engine::Postgres => (format!("EXPLAIN {}", statement.postgres()), 0),
    };
    let explain: &'static Statement =
        Box::leak(Box::new(Statement::new("EXPLAIN", Box::leak(text.into_boxed_str()))));
    // There are few rows here. What a planner that dislikes scans and sorts does in spite of that, it has no index for.
    static FUSSY: Statement = Statement::differing(
        "FUSSY",
        "SELECT 1",
        "SELECT set_config(name, 'off', TRUE) FROM unnest(ARRAY['enable_seqscan', 'enable_sort', 'enable_bitmapscan']) name",
    );
    let lines = app.db().read(move |tx| {
        tx.query_all(&FUSSY, &[], |_| Ok(()))?;
        tx.query_all(explain, &params, |row| row.get::<String>(column))
    });
    lines.await.unwrap().join("\n")
}

on_each_db! {
    async fn every_list_walks_along_its_index(app: TestApp) {
        const NOBODY: UserId = Id::from_bytes([7; 16]);
        let page = || params![NOBODY, 51_i64].to_vec();
        let flag = || [page(), params![true, NOBODY].to_vec()].concat();
        let names = || params!["a", "a\u{7f}", 51_i64].to_vec();
        for (name, params, sqlite, postgres) in [
            ("LIVING", page(), "INDEX users_living (id<?)", "using users_living on"),
            ("DELETED", page(), "INDEX users_deleted (id<?)", "using users_deleted on"),
            ("BY_ACTIVITY", flag(), "INDEX users_by_activity ((is_active,id)>(?,?) AND (is_active,id)<(?,?))", "Index Cond: ((ROW(is_active, id) < "),
            ("BY_VERIFICATION", flag(), "INDEX users_by_verification ((email_verified,id)>(?,?) AND (email_verified,id)<(?,?))", "Index Cond: ((ROW(email_verified, id) < "),
            ("BY_ID", params![NOBODY].to_vec(), "(id=?)", "using users_pkey on"),
            ("BY_PHONE", params!["+49"].to_vec(), "(phone_canonical=?)", "using users_phone_canonical_key on"),
            ("HOLDERS", [page(), params!["editor"].to_vec()].concat(), "INDEX user_roles_by_role (role=? AND user_id<?)", "using user_roles_by_role on"),
            ("BY_ADDRESS", names(), "(email_canonical>? AND email_canonical<?)", "Index Cond: ((email_canonical >= "),
            ("BY_USERNAME", names(), "(username_canonical>? AND username_canonical<?)", "Index Cond: ((username_canonical >= "),
        ] {
            let plan = plan(&app, name, params).await;
            let expected = match app.engine { Engine::Sqlite => sqlite, Engine::Postgres => postgres };
            assert!(plan.contains(expected), "{name} does not walk along {expected}:\n{plan}");
            // The holders of a page are few when they are sorted.
            for dear in ["SCAN u\n", "Seq Scan on users", "TEMP B-TREE FOR ORDER BY", "Sort"] {
                assert!(!plan.contains(dear) || name == "HOLDERS" && dear.contains("ORDER BY"), "{name} has to do {dear}:\n{plan}");
            }
        }
    }
}
