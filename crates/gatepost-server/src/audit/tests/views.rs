//! Who may read what.

use std::time::Duration;

use gatepost_server::access;
use gatepost_testkit::{Answer, on_each_db};
use serde_json::Value;

use super::*;

const MINE: &str = "/api/v1/users/me/audit-log";
const ALL: &str = "/api/v1/admin/audit-log";

async fn admin(app: &TestApp) -> Persona {
    let admin = app.user("admin").await;
    app.grant_role(admin.user_id(), access::ADMIN).await;
    admin
}

fn data(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].as_array().unwrap().clone()
}

on_each_db! {
    async fn az_07_a_user_reads_their_own_rows_and_nobody_elses(app: TestApp) {
        let [ada, bob] = entries_of_two(&app).await;
        let rows = data(&app.get(MINE).bearer(&ada.access_token).send().await);
        assert!(rows.len() >= 3, "{rows:#?}");
        for row in &rows {
            assert!(row["user_id"] == ada.id.as_str() || row["actor_id"] == ada.id.as_str(), "{row:#}");
        }
        let login = rows.iter().find(|row| row["action"] == "signed_in").unwrap();
        assert_eq!(login["user_agent"], "gatepost-testkit");
        assert_eq!(login["details"]["method"], "password");
        let rows = data(&app.get(MINE).bearer(&bob.access_token).send().await);
        assert!(rows.iter().all(|row| row["user_id"] != ada.id.as_str()));
        app.get(ALL).bearer(&ada.access_token).send().await.assert_refused(403, "forbidden");
    }

    async fn az_07_where_others_acted_from_is_not_shown(app: TestApp) {
        let (ada, admin) = (app.user("ada").await, admin(&app).await);
        let (mut act, user) = (app.app.operator_act().by(admin.user_id()), ada.user_id());
        act.address = Some("198.51.100.7".parse().unwrap());
        (act.user_agent, act.request_id) = (Some("the admin's browser".to_owned()), Some("r".to_owned()));
        app.db().write(move |tx| audit::record(tx, &act, &audit::Event::UserEnabled { user })).await.unwrap();
        let row = |rows: Vec<Value>| rows.into_iter().find(|row| row["action"] == "user_enabled").unwrap();
        let theirs = row(data(&app.get(MINE).bearer(&ada.access_token).send().await));
        assert_eq!((&theirs["ip"], &theirs["user_agent"], &theirs["request_id"]), (&Value::Null, &Value::Null, &Value::Null));
        let by_me = row(data(&app.get(MINE).bearer(&admin.access_token).send().await));
        assert_eq!(by_me["ip"], "198.51.100.7");
        let by_ip = data(&app.get(&format!("{ALL}?ip=198.51.100.7")).bearer(&admin.access_token).send().await);
        assert_eq!((by_ip.len(), &by_ip[0]["user_agent"]), (1, &Value::from("the admin's browser")));
    }

    async fn filters_narrow_and_add_up(app: TestApp) {
        let [ada, bob] = entries_of_two(&app).await;
        let admin = admin(&app).await;
        let all = everything(&app).await;
        let read = async |query: String| data(&app.get(&format!("{ALL}?limit=100&{query}")).bearer(&admin.access_token).send().await);
        let count = |keep: &dyn Fn(&Entry) -> bool| all.iter().filter(|entry| keep(entry)).count();
        let (ada_id, bob_id) = (Some(ada.user_id()), Some(bob.user_id()));
        assert_eq!(read(String::new()).await.len(), all.len());
        assert_eq!(read(format!("user_id={}", ada.id)).await.len(), count(&|entry| entry.user == ada_id));
        assert_eq!(read(format!("actor_id={}", bob.id)).await.len(), count(&|entry| entry.actor == bob_id));
        assert_eq!(read("action=signed_in".to_owned()).await.len(), count(&|entry| entry.action == "signed_in"));
        let both = format!("user_id={}&action=signed_in", ada.id);
        assert_eq!(read(both).await.len(), count(&|entry| entry.user == ada_id && entry.action == "signed_in"));
        assert_eq!(read(format!("user_id={}&actor_id={}", ada.id, bob.id)).await.len(), 0);
        let middle = all[all.len() / 2].at;
        assert_eq!(read(format!("from={middle}")).await.len(), count(&|entry| entry.at >= middle));
        assert_eq!(read(format!("to={middle}")).await.len(), count(&|entry| entry.at < middle));
        assert_eq!(read(format!("from={middle}&to={middle}&action=signed_in")).await.len(), 0);
        assert_eq!(read("ip=2001:db8::1".to_owned()).await.len(), 0);
    }

    async fn az_09_a_filter_that_makes_no_sense_is_refused_and_never_ignored(app: TestApp) {
        let admin = admin(&app).await;
        for (query, pointer, code) in [
            ("from=yesterday", "/from", "invalid_time"), ("to=2026-13-01T00:00:00Z", "/to", "invalid_time"), ("ip=10.0.0", "/ip", "invalid_ip"),
            ("action=signed%20in", "/action", "invalid_action"), ("limit=101", "/limit", "out_of_range"), ("limit=0", "/limit", "out_of_range"),
            ("cursor=x", "/cursor", "invalid_cursor"), ("sort=asc", "/sort", "unknown_field"),
        ] {
            app.get(&format!("{ALL}?{query}")).bearer(&admin.access_token).send().await.assert_invalid(pointer, code);
        }
        let wrong = app.get(&format!("{ALL}?user_id=1")).bearer(&admin.access_token).send().await;
        wrong.assert_refused(422, "validation_failed");
        app.get(&format!("{MINE}?user_id={}", admin.id)).bearer(&admin.access_token).send().await.assert_invalid("/user_id", "unknown_field");
    }

    async fn a_cursor_stays_where_it_is_while_rows_are_written(app: TestApp) {
        let admin = admin(&app).await;
        entries_of_two(&app).await;
        let before: Vec<String> = everything(&app).await.iter().map(|entry| entry.id.to_string()).collect();
        for path in [ALL, MINE] {
            let mut seen = Vec::new();
            let mut cursor = String::new();
            loop {
                let page = app.get(&format!("{path}?limit=2{cursor}")).bearer(&admin.access_token).send().await;
                seen.extend(data(&page).iter().map(|row| row["id"].as_str().unwrap().to_owned()));
                app.clock.advance(Duration::from_secs(1));
                app.login("admin", PASSWORD).await;
                match page.json()["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            let expected: Vec<_> = before.iter().filter(|id| path == ALL || seen.contains(id)).cloned().collect();
            seen.retain(|id| before.contains(id));
            assert_eq!(seen, expected, "{path}");
        }
    }

    async fn az_07_no_route_changes_a_row(app: TestApp) {
        let admin = admin(&app).await;
        let id = everything(&app).await[0].id;
        for path in [ALL, MINE] {
            for method in [http::Method::POST, http::Method::PUT, http::Method::PATCH, http::Method::DELETE] {
                let answer = app.call(method.clone(), path).bearer(&admin.access_token).send().await;
                assert_eq!(answer.status, 405, "{method} {path}");
                let answer = app.call(method, &format!("{path}/{id}")).bearer(&admin.access_token).send().await;
                assert!(matches!(answer.status, 404 | 405), "{}", answer.status);
            }
        }
    }
}
