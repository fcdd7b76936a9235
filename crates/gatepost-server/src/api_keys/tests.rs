//! Keys for programs: how they come, what they reach, and how they end.

use std::time::Duration;

use gatepost_db::params;
use gatepost_server::http::Principal;
use gatepost_server::{api_keys, jobs};
use gatepost_testkit::{Answer, Node, PASSWORD, Persona, TestApp, on_each_db};
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

const KEYS: &str = "/api/v1/api-keys";
const ME: &str = "/api/v1/users/me";
const DAY: Duration = Duration::from_secs(86_400);

async fn make(node: &Node, owner: &Persona, body: Value) -> Answer {
    node.post(KEYS).bearer(&owner.access_token).json(&body).send().await
}

async fn list(node: &Node, owner: &Persona) -> Vec<Value> {
    let answer = node.get(KEYS).bearer(&owner.access_token).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].as_array().unwrap().clone()
}

async fn revoke(node: &Node, owner: &Persona, id: &Value) -> Answer {
    node.delete(&format!("{KEYS}/{}", id.as_str().unwrap())).bearer(&owner.access_token).send().await
}

async fn me(node: &Node, key: &str) -> Answer {
    node.get(ME).api_key(key).send().await
}

async fn assert_dead(node: &Node, key: &str) {
    let unknown = me(node, "gpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    unknown.assert_refused(401, "invalid_token");
    me(node, key).await.assert_uniform(&unknown);
    // Also where a living key would be 403.
    node.get(KEYS).api_key(key).send().await.assert_uniform(&unknown);
}

/// What an operation that wants the permission `audit:read` answers to this key.
async fn guarded(app: &TestApp, key: &str) -> (u16, String) {
    let answer = app.get("/api/v1/admin/audit-log").api_key(key).send().await;
    let (status, challenge) = (answer.status, answer.header("www-authenticate").to_owned());
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    (status, if challenge.is_empty() { code } else { challenge })
}

/// What a key reaches, if it has the scope. Nothing of it changes a credential or a right; whoever opens one more operation
/// decides that here.
const REACHED: &[&str] = &[
    "access_explain",
    "admin_audit_log",
    "admin_items_delete",
    "admin_login_attempts",
    "admin_permissions_list",
    "admin_roles_get",
    "admin_roles_list",
    "admin_tasks_delete",
    "admin_users_create",
    "admin_users_get",
    "admin_users_list",
    "admin_users_revoke_sessions",
    "admin_users_send_reset",
    "admin_users_update",
    "items_create",
    "items_delete",
    "items_get",
    "items_list",
    "items_update",
    "tasks_create",
    "tasks_delete",
    "tasks_get",
    "tasks_list",
    "tasks_update",
    "users_get",
    "users_items_create",
    "users_me_get",
];

on_each_db! {
    async fn a_key_is_made_shown_once_used_and_revoked(app: TestApp) {
        let ada = app.user("ada").await;
        let made = make(&app, &ada, json!({ "name": " nightly report ", "scopes": [], "expires_in": 3600 })).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let body = made.json();
        let key = body["key"].as_str().unwrap();
        assert!(key.starts_with("gpk_") && key.ends_with(body["hint"].as_str().unwrap()));
        assert_eq!(body["name"], "nightly report");
        assert_eq!(body["last_used_at"], Value::Null);

        for answer in [me(&app, key).await, app.get(ME).bearer(key).send().await] {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.json()["id"], ada.id);
            assert_eq!(answer.json()["roles"], json!([]));
        }
        let listed = list(&app, &ada).await;
        assert_eq!(listed.len(), 1);
        assert!(listed[0].get("key").is_none(), "{}", listed[0]);
        assert_eq!(revoke(&app, &ada, &body["id"]).await.status, 204);
        assert_dead(&app, key).await;
        assert!(list(&app, &ada).await.is_empty());
        revoke(&app, &ada, &body["id"]).await.assert_refused(404, "not_found");
        let events = "SELECT count(*) FROM audit_log WHERE action IN ('api_key_created', 'api_key_revoked') AND actor_id = user_id";
        assert_eq!(app.number(events, &[]).await, 2);
    }

    async fn az_08_the_owner_is_always_the_session_user(app: TestApp) {
        let (ada, eve) = (app.user("ada").await, app.user("eve").await);
        for field in ["user_id", "owner_id", "role"] {
            let body = json!({ "name": "x", "scopes": [], field: ada.id });
            make(&app, &eve, body).await.assert_invalid(&format!("/{field}"), "unknown_field");
        }
        app.post(KEYS).json(&json!({ "name": "x", "scopes": [] })).send().await.assert_refused(401, "authentication_required");
        assert_eq!(app.number("SELECT count(*) FROM api_keys", &[]).await, 0);
        // Nor is somebody else's key seen or ended.
        let _ = app.api_key(&ada, &[]).await;
        assert!(list(&app, &eve).await.is_empty());
        let id = list(&app, &ada).await[0]["id"].clone();
        revoke(&app, &eve, &id).await.assert_refused(404, "not_found");
        assert_eq!(list(&app, &ada).await.len(), 1);
    }

    async fn az_08_making_a_key_needs_a_fresh_session(app: TestApp) {
        let ada = app.user("ada").await;
        app.clock.advance(Duration::from_secs(601));
        let refused = make(&app, &ada, json!({ "name": "x", "scopes": [] })).await;
        refused.assert_refused(401, "insufficient_user_authentication");
        let ada = Persona::of(&app.login("ada", PASSWORD).await);
        let _ = app.api_key(&ada, &[]).await;
    }

    async fn az_08_a_session_that_ends_while_the_body_comes_in_makes_no_key(app: TestApp) {
        let ada = app.user("ada").await;
        let (node, token) = ((*app).clone(), ada.access_token.clone());
        let slow = app.post(KEYS).bearer(&ada.access_token).json(&json!({ "name": "x", "scopes": [] }));
        let answer = slow.meanwhile(async move { assert_eq!(node.logout(&token).await.status, 204) }).send().await;
        answer.assert_refused(401, "invalid_token");
        assert_eq!(app.number("SELECT count(*) FROM api_keys", &[]).await, 0);
    }

    async fn az_08_a_key_never_has_more_than_its_owner(app: TestApp) {
        let (ada, owner) = (app.user("ada").await, app.owner().await);
        let wanted = json!({ "name": "x", "scopes": ["audit:read", "no:such"] });
        let refused = make(&app, &ada, wanted.clone()).await;
        refused.assert_invalid("/scopes/0", "exceeds_own_rights");
        refused.assert_invalid("/scopes/1", "unknown_scope");
        make(&app, &owner, wanted).await.assert_invalid("/scopes/1", "unknown_scope");

        let (narrow, wide) = (app.api_key(&owner, &[]).await, app.api_key(&owner, &["audit:read"]).await);
        assert_eq!(me(&app, &wide).await.json()["permissions"], json!(["audit:read"]));
        assert_eq!(me(&app, &narrow).await.json()["permissions"], json!([]));
        assert_eq!(guarded(&app, &wide).await.0, 200);
        let lacking = r#"Bearer error="insufficient_scope", scope="audit:read""#;
        assert_eq!(guarded(&app, &narrow).await, (403, lacking.to_owned()));
        // What the owner loses is lost for the key, at once where it was taken.
        app.execute("DELETE FROM user_roles WHERE role = 'admin'", &[]).await;
        let (identities, user) = (app.app.identities.clone(), owner.user_id());
        app.db().write(move |tx| { identities.forget_after_commit(tx, user); Ok::<_, gatepost_db::DbError>(()) }).await.unwrap();
        assert_eq!(guarded(&app, &wide).await, (403, "forbidden".to_owned()));
        assert_eq!(guarded(&app, &narrow).await, (403, lacking.to_owned()));
    }

    async fn az_08_a_key_carries_on_what_was_shown_when_it_was_made(app: TestApp = |setup: gatepost_testkit::Setup| {
        setup.set("second_factor.required_for", "admin").set("users.cache", "false")
    }) {
        let owner = app.owner().await;
        let wanted = json!({ "name": "x", "scopes": ["audit:read"] });
        make(&app, &owner, wanted).await.assert_invalid("/scopes/0", "exceeds_own_rights");
        // A key of the time before the rule.
        let key = app.api_key(&owner, &[]).await;
        app.execute("UPDATE api_keys SET scopes = 'audit:read'", &[]).await;
        assert_eq!(guarded(&app, &key).await, (403, "forbidden".to_owned()));
        let owner = app.with_totp(&owner).await.persona;
        assert_eq!(guarded(&app, &key).await, (403, "forbidden".to_owned()), "it was made without");
        let key = app.api_key(&owner, &["audit:read"]).await;
        assert_eq!(guarded(&app, &key).await.0, 200);
        app.execute("UPDATE users SET two_factor_enabled = FALSE", &[]).await;
        assert_eq!(guarded(&app, &key).await, (403, "forbidden".to_owned()), "the factor is gone");
    }

    async fn az_08_a_key_gains_nothing_from_a_factor_that_was_enrolled_after_it(app: TestApp = |setup| {
        setup.set("second_factor.required_for", "admin")
    }) {
        let owner = app.owner().await;
        let enrolled = app.with_totp(&owner).await;
        let key = app.api_key(&enrolled.persona, &["audit:read"]).await;
        assert_eq!(guarded(&app, &key).await.0, 200);
        let token = &enrolled.persona.access_token;
        assert_eq!(app.delete("/api/v1/users/me/2fa/totp").bearer(token).send().await.status, 204);
        assert_eq!(guarded(&app, &key).await, (403, "forbidden".to_owned()));
        let owner = app.with_totp(&enrolled.persona).await.persona;
        assert_eq!(guarded(&app, &key).await, (403, "forbidden".to_owned()), "another factor");
        assert_eq!(guarded(&app, &app.api_key(&owner, &["audit:read"]).await).await.0, 200);
        let user = app.db().read({ let id = owner.user_id(); move |tx| gatepost_server::accounts::by_id(tx, id) });
        assert!(gatepost_server::second_factor::reset(&app.app, &user.await.unwrap().unwrap()).await.unwrap());
        let owner = Persona::of(&app.login("owner", PASSWORD).await);
        app.with_totp(&owner).await;
        assert_eq!(guarded(&app, &key).await, (403, "forbidden".to_owned()));
    }

    async fn az_08_a_key_ends_on_its_day(app: TestApp) {
        let ada = app.user("ada").await;
        for seconds in [0, 31_536_001] {
            let refused = make(&app, &ada, json!({ "name": "x", "scopes": [], "expires_in": seconds })).await;
            refused.assert_invalid("/expires_in", "out_of_range");
        }
        let key = app.api_key(&ada, &[]).await;
        // What is remembered of it does not outlive it.
        app.clock.advance(90 * DAY - Duration::from_secs(1));
        for _ in 0..3 {
            assert_eq!(me(&app, &key).await.status, 200);
        }
        app.clock.advance(Duration::from_secs(1));
        assert_dead(&app, &key).await;
        // Its owner still sees it for thirty days, and then it is forgotten.
        let ada = Persona::of(&app.login("ada", PASSWORD).await);
        assert_eq!(list(&app, &ada).await.len(), 1);
        app.clock.advance(30 * DAY);
        jobs::forget(&app.app).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM api_keys", &[]).await, 1);
        app.clock.advance(DAY);
        jobs::forget(&app.app).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM api_keys", &[]).await, 0);
    }

    async fn az_08_fifty_keys_are_enough(app: TestApp) {
        let ada = app.user("ada").await;
        for _ in 0..50 {
            let _ = app.api_key(&ada, &[]).await;
        }
        let one_more = json!({ "name": "x", "scopes": [] });
        make(&app, &ada, one_more.clone()).await.assert_refused(409, "conflict");
        // Page by page, newest first, each once.
        let mut seen = Vec::new();
        let mut path = format!("{KEYS}?limit=30");
        loop {
            let page = app.get(&path).bearer(&ada.access_token).send().await.json();
            seen.extend(page["data"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{KEYS}?limit=30&cursor={cursor}");
        }
        assert_eq!(seen.len(), 50);
        assert!(seen.is_sorted_by(|a, b| a > b));
        assert_eq!(revoke(&app, &ada, &json!(seen[0])).await.status, 204);
        assert_eq!(make(&app, &ada, one_more).await.status, 201);
    }

    async fn ses_11_a_key_dies_with_its_account(app: TestApp) {
        let second = app.second_node().await;
        let [ada, eve] = [app.user("ada").await, app.user("eve").await];
        let [of_ada, of_eve] = [app.api_key(&ada, &[]).await, app.api_key(&eve, &[]).await];
        for key in [&of_ada, &of_eve] {
            // Known by heart.
            for _ in 0..3 {
                assert_eq!(me(&app, key).await.status, 200);
            }
        }
        app.set_active(ada.user_id(), false).await;
        app.delete_account(eve.user_id()).await;
        for node in [&*app, &second] {
            assert_dead(node, &of_ada).await;
            assert_dead(node, &of_eve).await;
        }
        // Switched on again, the account is as new: what was handed out before stays dead.
        app.set_active(ada.user_id(), true).await;
        assert_dead(&app, &of_ada).await;
        let ada = Persona::of(&app.login("ada", PASSWORD).await);
        assert!(list(&app, &ada).await.is_empty());
        assert_eq!(me(&app, &app.api_key(&ada, &[]).await).await.status, 200);
    }

    async fn ses_11_a_transaction_asks_again_whether_the_key_lives(app: TestApp) {
        let ada = app.user("ada").await;
        let key = app.api_key(&ada, &[]).await;
        let (token, now) = (key.clone(), app.clock.now());
        let identity = app.app.api_keys.authenticate(&token, now).await.unwrap();
        let principal = Principal::ApiKey(identity);
        let holds = |principal: Principal, now| app.db().read(move |tx| principal.confirm(tx, now));
        assert!(holds(principal.clone(), now).await.unwrap());
        assert!(!holds(principal.clone(), now.plus(90 * DAY)).await.unwrap());
        app.execute("UPDATE users SET is_active = FALSE", &[]).await;
        assert!(!holds(principal.clone(), now).await.unwrap());
        app.execute("UPDATE users SET is_active = TRUE, standing_epoch = standing_epoch + 1", &[]).await;
        assert!(!holds(principal.clone(), now).await.unwrap());
        app.execute("UPDATE users SET standing_epoch = standing_epoch - 1", &[]).await;
        app.execute("UPDATE api_keys SET revoked_at = 1", &[]).await;
        assert!(!holds(principal, now).await.unwrap());
    }

    async fn a_key_survives_a_change_of_password(app: TestApp) {
        let ada = app.user("ada").await;
        let key = app.api_key(&ada, &[]).await;
        let answer = app.change_password(&ada.access_token, PASSWORD, "CANARY lighthouse above the reef").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(me(&app, &key).await.status, 200);
    }

    async fn forgetting_an_account_s_past_ends_all_its_keys_and_nobody_else_s(app: TestApp) {
        let (ada, eve) = (app.user("ada").await, app.user("eve").await);
        let (first, second, other) =
            (app.api_key(&ada, &[]).await, app.api_key(&ada, &[]).await, app.api_key(&eve, &[]).await);
        let (act, identities, user) = (app.app.operator_act(), app.app.identities.clone(), ada.user_id());
        let ended = app.db().write(move |tx| {
            identities.forget_after_commit(tx, user);
            api_keys::forget(tx, &act, user)
        });
        assert_eq!(ended.await.unwrap(), 2);
        assert_dead(&app, &first).await;
        assert_dead(&app, &second).await;
        assert_eq!(me(&app, &other).await.status, 200);
        let events = "SELECT count(*) FROM audit_log WHERE action = 'api_key_revoked' AND user_id = ?1";
        assert_eq!(app.number(events, &params![user]).await, 2);
    }

    async fn the_last_use_is_noted_once_a_minute(app: TestApp) {
        let ada = app.user("ada").await;
        let key = app.api_key(&ada, &[]).await;
        let noted = async || app.number("SELECT last_used_at FROM api_keys", &[]).await;
        let first = app.clock.now();
        assert_eq!(me(&app, &key).await.status, 200);
        assert_eq!(noted().await, first.as_micros());
        app.clock.advance(Duration::from_secs(59));
        assert_eq!(me(&app, &key).await.status, 200);
        assert_eq!(noted().await, first.as_micros());
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(me(&app, &key).await.status, 200);
        assert_eq!(noted().await, app.clock.now().as_micros());
    }

    async fn jwt_04_only_a_key_is_a_key_and_a_key_is_nothing_else(app: TestApp) {
        let ada = app.user("ada").await;
        let key = app.api_key(&ada, &[]).await;
        // Others in the place of a key.
        let setup = app.setup_token().await;
        let unknown = me(&app, "gpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
        let of_no_use = [&ada.access_token, &ada.refresh_token, &setup, &key[4..].to_owned(), &format!("{key}="), &key.to_uppercase()];
        for other in of_no_use.into_iter().map(String::as_str).chain(["", "gpk_", "gpk_x", "Bearer x", PASSWORD]) {
            me(&app, other).await.assert_uniform(&unknown);
        }
        // A key in the place of others. It never becomes a session.
        let sessions = app.number("SELECT count(*) FROM sessions", &[]).await;
        app.refresh(&key).await.assert_refused(401, "invalid_refresh_token");
        app.login("ada", &key).await.assert_refused(401, "invalid_credentials");
        app.token(&[("grant_type", "refresh_token"), ("refresh_token", &key)]).await.assert_refused(400, "invalid_grant");
        app.token(&[("grant_type", "password"), ("username", "ada"), ("password", &key)]).await.assert_refused(400, "invalid_grant");
        let body = json!({ "token": key, "email": "eve@example.com", "password": PASSWORD });
        app.post("/api/v1/setup").json(&body).send().await.assert_refused(400, "invalid_token");
        app.post("/api/v1/auth/logout").json(&json!({ "refresh_token": key })).send().await;
        assert_eq!(app.number("SELECT count(*) FROM sessions", &[]).await, sessions);
        assert_eq!(me(&app, &key).await.status, 200);
    }

    async fn az_08_no_operation_on_credentials_takes_a_key(app: TestApp) {
        // Every operation of the document that a session may call, also those that come later.
        let ada = app.user("ada").await;
        let key = app.api_key(&ada, &[]).await;
        let document = app.get("/openapi.json").send().await.json();
        let mut open = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let Some(ways) = operation["security"].as_array() else { continue };
                if ways.iter().any(|way| way.get("api_key").is_some()) {
                    open.push(operation["operationId"].as_str().unwrap());
                    continue;
                }
                let path = path.replace("{id}", &ada.id);
                let call = app.call(method.to_uppercase().parse().unwrap(), &path);
                let answer = call.header(AUTHORIZATION, &format!("Bearer {key}")).json(&json!({})).send().await;
                answer.assert_refused(403, "insufficient_scope");
            }
        }
        open.sort_unstable();
        assert_eq!(json!(open), json!(REACHED));
        assert_eq!(app.me(&ada.access_token).await.status, 200);
    }

    async fn two_credentials_are_refused_even_when_they_agree(app: TestApp) {
        let ada = app.user("ada").await;
        let key = app.api_key(&ada, &[]).await;
        for (path, first) in [(ME, &key), (ME, &ada.access_token), (KEYS, &ada.access_token)] {
            let answer = app.get(path).bearer(first).api_key(&key).send().await;
            answer.assert_refused(400, "invalid_request");
            assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_request""#);
        }
    }
}
