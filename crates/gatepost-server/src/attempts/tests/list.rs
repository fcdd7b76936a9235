//! Reading who tried to get in.

use std::time::Duration;

use gatepost_testkit::{Answer, PASSWORD, on_each_db};

use super::WRONG;

/// Reason and count of each entry.
fn entries(answer: &Answer) -> Vec<(String, i64)> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let entries = body["data"].as_array().unwrap().iter();
    entries
        .map(|entry| (entry["reason"].as_str().unwrap().to_owned(), entry["count"].as_i64().unwrap()))
        .collect()
}

fn reasons(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

on_each_db! {
    async fn users_see_who_tried_their_account_and_no_other(app: TestApp) {
        let ada = app.user("ada").await;
        let bob = app.user("bob").await;
        for wait in [1_000, 0, 0, 0, 0, 10] {
            app.clock.advance(Duration::from_millis(wait));
            app.login("ada", WRONG).await;
        }
        app.login("nobody", WRONG).await;
        let own = app.get("/api/v1/users/me/login-attempts").bearer(&ada.access_token).send().await;
        assert_eq!(entries(&own), reasons(&[("locked", 1), ("invalid_credentials", 5), ("success", 1)]));
        let entry = &own.json()["data"][1];
        assert_eq!((entry["success"].as_bool(), entry["user_agent"].as_str()), (Some(false), Some("gatepost-testkit")));
        assert_eq!(entry["address"], "0.0.0.0");
        assert_eq!(entry["user_id"], ada.id.as_str());
        let others = app.get("/api/v1/users/me/login-attempts").bearer(&bob.access_token).send().await;
        assert_eq!(entries(&others), reasons(&[("success", 1)]));
    }

    async fn az_07_with_audit_read_all_are_seen_filtered_and_paged(app: TestApp) {
        let (owner, ada) = (app.owner().await, app.user("ada").await);
        app.clock.advance(Duration::from_secs(1));
        app.login("ada", WRONG).await;
        app.clock.advance(Duration::from_secs(1));
        app.login("nobody", WRONG).await;
        let get = |query: String| {
            app.get(&format!("/api/v1/admin/login-attempts{query}")).bearer(&owner.access_token).send()
        };
        let all = get(String::new()).await;
        assert_eq!(entries(&all).len(), 4);
        assert_eq!(entries(&all)[0], ("unknown_account".to_owned(), 1));
        assert!(all.json()["data"][0]["user_id"].is_null());
        assert_eq!(entries(&get(format!("?user_id={}", ada.id)).await).len(), 2);
        assert_eq!(entries(&get("?success=true".to_owned()).await).len(), 2);
        assert_eq!(entries(&get("?success=false&ip=0.0.0.0".to_owned()).await).len(), 2);
        assert_eq!(entries(&get("?ip=192.0.2.1".to_owned()).await).len(), 0);
        let now = app.clock.now();
        assert_eq!(entries(&get(format!("?from={now}")).await).len(), 1);
        assert_eq!(entries(&get(format!("?to={now}")).await).len(), 3);
        let first = get("?limit=3".to_owned()).await;
        let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
        let last = get(format!("?limit=3&cursor={cursor}")).await;
        assert_eq!((entries(&first).len(), entries(&last).len()), (3, 1));
        let wrong = get("?ip=here&from=now&limit=0&cursor=x".to_owned()).await;
        for (pointer, code) in
            [("/ip", "invalid_ip"), ("/from", "invalid_time"), ("/limit", "out_of_range"), ("/cursor", "invalid_cursor")]
        {
            wrong.assert_invalid(pointer, code);
        }
        let theirs = app.get("/api/v1/admin/login-attempts").bearer(&ada.access_token).send().await;
        theirs.assert_refused(403, "forbidden");
    }

    async fn a_right_password_of_a_disabled_account_is_named_to_those_who_may_know(app: TestApp) {
        let (owner, ada) = (app.owner().await, app.user("ada").await);
        app.set_active(ada.user_id(), false).await;
        app.login("ada", PASSWORD).await.assert_refused(401, "invalid_credentials");
        let path = format!("/api/v1/admin/login-attempts?user_id={}&success=false", ada.id);
        let seen = app.get(&path).bearer(&owner.access_token).send().await;
        assert_eq!(entries(&seen), reasons(&[("disabled", 1)]));
    }
}
