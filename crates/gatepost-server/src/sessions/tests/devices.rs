//! The list of one's own devices, and their end.

use std::time::Duration;

use gatepost_testkit::{Answer, Node, PASSWORD, Persona, on_each_db};
use http::header::USER_AGENT;
use serde_json::{Value, json};

use super::{audited, refused_soon};

const SESSIONS: &str = "/api/v1/sessions";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

async fn list(node: &Node, user: &Persona) -> Vec<Value> {
    let answer = node.get(SESSIONS).bearer(&user.access_token).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].as_array().unwrap().clone()
}

async fn revoke(node: &Node, user: &Persona, id: &Value) -> Answer {
    let path = format!("{SESSIONS}/{}", id.as_str().unwrap());
    node.delete(&path).bearer(&user.access_token).send().await
}

fn sid(user: &Persona) -> Value {
    user.claims()["sid"].clone()
}

on_each_db! {
    async fn ses_05_a_user_sees_their_own_living_sessions_and_nobody_elses(app: TestApp) {
        let ada = app.user("ada").await;
        let bob = app.user("bob").await;
        app.clock.advance(Duration::from_secs(60));
        let body = json!({ "identifier": "ada", "password": PASSWORD, "device_name": "The old laptop" });
        let laptop = Persona::of(&app.post("/api/v1/auth/login").json(&body).send().await);
        app.clock.advance(Duration::from_secs(1));
        let body = json!({ "identifier": "ada", "password": PASSWORD, "session": "browser" });
        let call = app.post("/api/v1/auth/login").header(USER_AGENT, FIREFOX).json(&body);
        assert_eq!(call.header(http::HeaderName::from_static("sec-fetch-site"), "none").send().await.status, 200);
        let sessions = list(&app, &ada).await;
        assert_eq!(sessions.len(), 3, "{sessions:#?}");
        let [firefox, old, first] = &sessions[..] else { unreachable!() };
        assert_eq!((&first["id"], &first["current"], &first["method"]), (&sid(&ada), &json!(true), &json!("registration")));
        assert_eq!((&old["id"], &old["current"], &old["device_name"]), (&sid(&laptop), &json!(false), &json!("The old laptop")));
        assert_eq!(old["browser"], json!("gatepost-testkit"));
        assert_eq!(firefox["device_name"], json!("Firefox on Linux"));
        assert_eq!((&firefox["browser"], &firefox["os"]), (&json!("Firefox"), &json!("Linux")));
        assert_eq!((&firefox["second_factor"], &firefox["location"]), (&json!(false), &json!(null)));
        assert_eq!(firefox["ip"], json!(null), "the test kit has no socket, so nobody's address is known");
        let text = json!(sessions).to_string();
        for secret in ["hash", "rt1_", "user_agent", "Mozilla"] {
            assert!(!text.contains(secret), "{secret}");
        }
        assert_eq!(list(&app, &bob).await.len(), 1);
        // What has ended is not listed: signed out, expired, or of an earlier epoch.
        assert_eq!(app.logout(&laptop.access_token).await.status, 204);
        assert_eq!(list(&app, &ada).await.len(), 2);
        app.clock.advance(Duration::from_secs(7 * 86_400 - 1));
        let again = Persona::of(&app.login("ada", PASSWORD).await);
        assert_eq!(list(&app, &again).await.len(), 1);
        app.execute("UPDATE users SET auth_epoch = auth_epoch + 1", &[]).await;
        let fresh = Persona::of(&app.login("ada", PASSWORD).await);
        assert_eq!(list(&app, &fresh).await.len(), 1);
    }

    async fn ses_05_the_network_is_shown_and_not_the_address(app: TestApp) {
        let ada = app.user("ada").await;
        app.execute("UPDATE sessions SET address = '203.0.113.77', location = 'Berlin, Germany'", &[]).await;
        let sessions = list(&app, &ada).await;
        assert_eq!((&sessions[0]["ip"], &sessions[0]["location"]), (&json!("203.0.113.0/24"), &json!("Berlin, Germany")));
    }

    async fn the_list_comes_in_pages_and_says_when_each_session_ends(app: TestApp) {
        let ada = app.user("ada").await;
        let begin = app.clock.now();
        for _ in 0..2 {
            app.clock.advance(Duration::from_secs(1));
            assert_eq!(app.browser_login("ada", PASSWORD, false).await.status, 200);
        }
        let mut seen = Vec::new();
        let mut path = format!("{SESSIONS}?limit=1");
        loop {
            let page = app.get(&path).bearer(&ada.access_token).send().await.json();
            let data = page["data"].as_array().unwrap();
            assert_eq!(data.len(), 1);
            seen.push((data[0]["id"].clone(), data[0]["expires_at"].clone()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{SESSIONS}?limit=1&cursor={cursor}");
        }
        assert_eq!(seen.len(), 3);
        let idle = |begun: u64, hours: u64| json!(begin.plus(Duration::from_secs(begun + hours * 3_600)).to_string());
        assert_eq!([&seen[0].1, &seen[1].1, &seen[2].1], [&idle(2, 12), &idle(1, 12), &idle(0, 7 * 24)]);
        for wrong in ["limit=0", "limit=101", "cursor=x", "offset=3"] {
            let answer = app.get(&format!("{SESSIONS}?{wrong}")).bearer(&ada.access_token).send().await;
            answer.assert_refused(422, "validation_failed");
        }
    }

    async fn ses_05_ending_a_device_ends_all_that_it_holds_and_nothing_else(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let phone = Persona::of(&app.login("ada", PASSWORD).await);
        app.clock.advance(Duration::from_secs(1));
        let browser = app.browse("ada").await;
        assert_eq!(second.me(&phone.access_token).await.status, 200);
        assert_eq!(revoke(&app, &ada, &sid(&phone)).await.status, 204);
        app.me(&phone.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&phone.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        refused_soon(&second, &phone.access_token).await;
        let id = list(&app, &ada).await[0]["id"].clone();
        assert_eq!(revoke(&app, &ada, &id).await.status, 204);
        for node in [&*app, &second] {
            node.me_in(&browser).await.assert_refused(401, "authentication_required");
        }
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        assert_eq!(audited(&app, "session_revoked").await, 2);
        // It is no longer there to be ended.
        revoke(&app, &ada, &id).await.assert_refused(404, "not_found");
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 0);
    }

    async fn ses_05_nobody_ends_or_learns_of_the_session_of_another(app: TestApp) {
        let (ada, eve) = (app.user("ada").await, app.user("eve").await);
        let real = revoke(&app, &eve, &sid(&ada)).await;
        real.assert_refused(404, "not_found");
        let made_up = revoke(&app, &eve, &json!("019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10")).await;
        real.assert_uniform(&made_up);
        revoke(&app, &eve, &json!("garbage")).await.assert_uniform(&made_up);
        assert_eq!(app.delete(&format!("{SESSIONS}?include_current=true")).bearer(&eve.access_token).send().await.status, 204);
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        assert_eq!(app.refresh(&ada.refresh_token).await.status, 200);
        assert_eq!((audited(&app, "session_revoked").await, audited(&app, "sessions_revoked").await), (0, 1));
    }

    async fn ses_05_all_other_sessions_end_at_once_or_all(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let phone = Persona::of(&app.login("ada", PASSWORD).await);
        let browser = app.browse("ada").await;
        assert_eq!(second.me(&phone.access_token).await.status, 200);
        let end = |path: &str| app.delete(path).bearer(&ada.access_token).send();
        assert_eq!(end(SESSIONS).await.status, 204);
        app.me(&phone.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&phone.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        app.me_in(&browser).await.assert_refused(401, "authentication_required");
        refused_soon(&second, &phone.access_token).await;
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        let ended = app.text("SELECT details FROM audit_log WHERE action = 'sessions_revoked'", &[]).await.unwrap();
        assert_eq!(ended, json!({ "ended": 2 }).to_string());
        // Nothing is left to end, so nothing is written down.
        assert_eq!(end(SESSIONS).await.status, 204);
        assert_eq!(audited(&app, "sessions_revoked").await, 1);
        assert_eq!(end(&format!("{SESSIONS}?include_current=true")).await.status, 204);
        app.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&ada.refresh_token).await.assert_refused(401, "invalid_refresh_token");
    }

    async fn a_session_that_ended_meanwhile_ends_no_other(app: TestApp) {
        let ada = app.user("ada").await;
        let phone = Persona::of(&app.login("ada", PASSWORD).await);
        // Behind the back of this node, which still believes in it.
        assert_eq!(app.me(&phone.access_token).await.status, 200);
        app.execute("UPDATE sessions SET ended_at = 1 WHERE method = 'password'", &[]).await;
        for path in [SESSIONS.to_owned(), format!("{SESSIONS}/{}", sid(&ada).as_str().unwrap())] {
            app.delete(&path).bearer(&phone.access_token).send().await.assert_refused(401, "invalid_token");
        }
        assert_eq!(app.me(&ada.access_token).await.status, 200);
    }
}
