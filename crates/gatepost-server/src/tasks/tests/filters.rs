//! Lists: their order, their filters, and what a page costs.

use gatepost_db::{DbError, Statement, params};
use gatepost_kernel::{Id, Timestamp};
use gatepost_server::http::WINDOW;
use gatepost_server::tasks::TaskId;
use gatepost_testkit::on_each_db;

use super::*;

on_each_db! {
    async fn a_list_is_walked_newest_first_and_each_task_comes_once(app: TestApp) {
        let ada = app.user("ada").await;
        for number in 0..5 {
            make(&app, &ada, json!({ "title": format!("t{number}") })).await;
        }
        let (mut all, mut query) = (Vec::new(), "limit=2".to_owned());
        loop {
            let (titles, next) = page(&app, &query, &ada).await;
            all.push(titles);
            let Some(cursor) = next else { break };
            // What comes in meanwhile is newer, and moves nothing.
            make(&app, &ada, json!({ "title": "new" })).await;
            query = format!("limit=2&cursor={cursor}");
        }
        assert_eq!(all, [vec!["t4", "t3"], vec!["t2", "t1"], vec!["t0"]]);
    }

    async fn brief1_a_page_has_an_end(app: TestApp) {
        let ada = app.user("ada").await;
        for limit in ["0", "101", "1000000000", "-1"] {
            assert_eq!(get(&app, &format!("{TASKS}?limit={limit}"), &ada).await.status, 422, "{limit}");
        }
        get(&app, &format!("{TASKS}?skip=5"), &ada).await.assert_invalid("/skip", "unknown_field");
        get(&app, &format!("{TASKS}?cursor=x"), &ada).await.assert_invalid("/cursor", "invalid_cursor");
    }

    async fn a_filter_shows_what_fits_all_that_it_names(app: TestApp) {
        let ada = app.user("ada").await;
        for (title, status, due) in [
            ("Einkäufe", "todo", Some("2026-11-20T00:00:00Z")),
            ("100% EINKAUF_", "doing", Some("2026-11-21T00:00:00Z")),
            ("kein Termin", "done", None),
        ] {
            make(&app, &ada, json!({ "title": title, "status": status, "due_at": due })).await;
        }
        for (query, expected) in [
            ("status=todo", vec!["Einkäufe"]),
            ("status=done", vec!["kein Termin"]),
            ("due_before=2026-11-21T00:00:00Z", vec!["Einkäufe"]),
            ("due_after=2026-11-21T00:00:00Z", vec!["100% EINKAUF_"]),
            ("due_after=2026-11-20T00:00:00Z&due_before=2026-11-22T00:00:00Z", vec!["100% EINKAUF_", "Einkäufe"]),
            ("due_after=2026-11-21T01:00:00+01:00", vec!["100% EINKAUF_"]),
            ("q=einka", vec!["100% EINKAUF_"]),
            ("q=EINKÄ", vec!["Einkäufe"]),
            ("q=EIN", vec!["kein Termin", "100% EINKAUF_", "Einkäufe"]),
            // No sign means anything but itself.
            ("q=_", vec!["100% EINKAUF_"]),
            ("q=%25", vec!["100% EINKAUF_"]),
            ("q=100%25 e", vec!["100% EINKAUF_"]),
            ("q=e*", vec![]),
            ("q=ein&status=done&due_before=2030-01-01T00:00:00Z", vec![]),
        ] {
            assert_eq!(titles(&app, &encoded(query), &ada).await, expected, "{query}");
        }
        for (query, pointer, code) in [
            ("status=Todo", "/status", "invalid_value"),
            ("due_before=tomorrow", "/due_before", "invalid_time"),
            ("due_after=2026-11-21", "/due_after", "invalid_time"),
            ("q=", "/q", "too_short"),
        ] {
            get(&app, &format!("{TASKS}?{query}"), &ada).await.assert_invalid(pointer, code);
        }
        let long = format!("{TASKS}?q={}", "x".repeat(201));
        get(&app, &long, &ada).await.assert_invalid("/q", "too_long");
        // What is renamed is found by its new name.
        let task = make(&app, &ada, json!({ "title": "old" })).await;
        send(&app, Method::PATCH, &path_of(&task), &ada, &json!({ "title": "NEW" })).await;
        assert_eq!((titles(&app, "q=new", &ada).await, titles(&app, "q=old", &ada).await), (vec!["NEW".to_owned()], vec![]));
    }

    async fn a_filter_that_rarely_matches_costs_a_window_a_page(app: TestApp) {
        let ada = app.user("ada").await;
        let needle = make(&app, &ada, json!({ "title": "needle" })).await;
        let window = usize::try_from(WINDOW).unwrap();
        fill(&app, &ada, window - 1).await;
        // As many as a window: the last one in it is looked at.
        let (titles, end) = page(&app, "q=needle", &ada).await;
        assert_eq!(titles, ["needle"]);
        assert_eq!(page(&app, &format!("q=needle&cursor={}", end.unwrap()), &ada).await, (vec![], None));

        fill(&app, &ada, window).await;
        for filter in ["q=needle", "status=todo", "due_before=2030-01-01T00:00:00Z"] {
            let (titles, end) = page(&app, filter, &ada).await;
            assert!(titles.is_empty(), "{filter} looked further than a window");
            let beyond = format!("{filter}&cursor={}", end.unwrap());
            let found = page(&app, &beyond, &ada).await.0;
            assert_eq!(found.len(), usize::from(filter != "due_before=2030-01-01T00:00:00Z"), "{filter}");
        }
        // Without a filter nothing is left out.
        assert_eq!(page(&app, "limit=100", &ada).await.0.len(), 100);
        assert_eq!(get(&app, &path_of(&needle), &ada).await.status, 200);
    }
}

/// Gives somebody so many tasks that are done.
async fn fill(app: &TestApp, owner: &Persona, count: usize) {
    static INSERT: Statement = Statement::new(
        "INSERT",
        "INSERT INTO tasks (id, owner_id, title, title_folded, status, version, created_at, updated_at) \
         VALUES (?1, ?2, 'hay', 'hay', 'done', 1, 0, 0)",
    );
    app.clock.advance(Duration::from_millis(1));
    let (user, now, random) = (owner.user_id(), app.clock.now(), app.app.random.clone());
    let filled = app.db().write(move |tx| {
        for _ in 0..count {
            let id: TaskId = Id::generate(Timestamp::from_micros(now.as_micros()), &random);
            tx.execute(&INSERT, &params![id, user])?;
        }
        Ok::<_, DbError>(())
    });
    filled.await.unwrap();
}
