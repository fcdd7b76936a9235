//! Who may act on whose account.

use super::*;

/// Every operation on an account, with a body where it takes one.
fn operations(user: &Persona) -> Vec<(Method, String, Option<Value>)> {
    vec![
        (Method::PATCH, of(user, ""), Some(json!({ "first_name": "X" }))),
        (Method::PATCH, of(user, ""), Some(json!({ "is_active": false }))),
        (Method::PATCH, of(user, ""), Some(json!({ "email_verified": true }))),
        (Method::DELETE, of(user, ""), None),
        (Method::POST, of(user, "/restore"), None),
        (Method::POST, of(user, "/revoke-sessions"), None),
        (Method::POST, of(user, "/reset-2fa"), None),
        (Method::POST, of(user, "/unlock"), None),
        (Method::POST, of(user, "/send-reset"), None),
        (Method::PUT, of(user, "/roles"), Some(json!({ "roles": [] }))),
    ]
}

async fn call(app: &TestApp, by: &Persona, (method, path, body): &(Method, String, Option<Value>)) -> Answer {
    let call = app.call(method.clone(), path).bearer(&by.access_token);
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

/// What an account is, and how much was written down and owed.
async fn state(app: &TestApp, admin: &Persona, user: &Persona) -> (Value, i64, usize) {
    let row = get(app, &of(user, ""), admin).await.json();
    (row, app.number("SELECT count(*) FROM audit_log", &[]).await, app.mails().await.len())
}

on_each_db! {
    async fn az_03_whoever_is_no_administrator_reads_and_changes_no_account(app: TestApp) {
        let (admin, bob, eve) = (an_admin(&app, "ada").await, app.user("bob").await, app.user("eve").await);
        app.mails().await;
        let before = state(&app, &admin, &bob).await;
        for target in [&bob, &eve] {
            for operation in operations(target) {
                call(&app, &eve, &operation).await.assert_refused(403, "forbidden");
            }
            get(&app, &of(target, ""), &eve).await.assert_refused(403, "forbidden");
        }
        for path in [USERS.to_owned(), format!("{USERS}?q=bob"), format!("{USERS}?deleted=true")] {
            get(&app, &path, &eve).await.assert_refused(403, "forbidden");
        }
        let body = json!({ "email": "x@example.com", "password": PASSWORD });
        send(&app, Method::POST, USERS, &eve, &body).await.assert_refused(403, "forbidden");
        // Nor does one of the permissions stand for another.
        let reader = user_who_may(&app, &admin, "reader", &["users:read"]).await;
        let writer = user_who_may(&app, &admin, "writer", &["users:write"]).await;
        for operation in operations(&bob) {
            call(&app, &reader, &operation).await.assert_refused(403, "forbidden");
        }
        delete(&app, &of(&bob, ""), &writer).await.assert_refused(403, "forbidden");
        get(&app, USERS, &writer).await.assert_refused(403, "forbidden");
        assert_eq!(get(&app, &of(&bob, ""), &admin).await.json(), before.0);
    }

    async fn az_05_support_touches_no_account_that_may_do_more_than_they(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let may = ["users:write", "users:delete", "roles:assign"];
        let support = user_who_may(&app, &admin, "support", &may).await;
        let auditor = user_who_may(&app, &admin, "auditor", &["audit:read"]).await;
        let bob = app.user("bob").await;
        app.mails().await;
        for target in [&admin, &auditor] {
            let before = state(&app, &admin, target).await;
            for operation in operations(target) {
                let refused = call(&app, &support, &operation).await;
                assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"), "{operation:?}: {}", refused.text());
            }
            assert_eq!(state(&app, &admin, target).await, before);
        }
        assert_eq!(app.me(&admin.access_token).await.status, 200);
        // Users and each other they may look after.
        for operation in operations(&bob) {
            let status = call(&app, &support, &operation).await.status;
            assert!(![401, 403].contains(&status), "{operation:?}: {status}");
        }
        // Nor do they bring back who reaches further.
        assert_eq!(delete(&app, &of(&auditor, ""), &admin).await.status, 204);
        post(&app, &of(&auditor, "/restore"), &support).await.assert_refused(403, "forbidden");
        // Nor themselves further than they are.
        assert_eq!(app.me(&support.access_token).await.json()["roles"], json!(["may-support", "user"]));
    }

    async fn az_08_a_key_reaches_no_account_that_may_do_more_than_its_scopes(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        let auditor = user_who_may(&app, &admin, "auditor", &["audit:read"]).await;
        let key = app.api_key(&admin, &["users:write"]).await;
        let off = |user: &Persona| app.patch(&of(user, "")).api_key(&key).json(&json!({ "is_active": false })).send();
        for target in [&admin, &auditor] {
            off(target).await.assert_refused(403, "forbidden");
        }
        assert_eq!(off(&bob).await.status, 200);
        assert_eq!(audited(&app, "user_disabled", &admin).await, 1);
    }

    async fn ses_11_a_permission_that_was_taken_is_gone_in_the_transaction_whatever_a_cache_says(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        assert_eq!(get(&app, USERS, &admin).await.status, 200);
        // Behind the caches, as another node would.
        app.execute("DELETE FROM user_roles WHERE role = 'admin'", &[]).await;
        for operation in operations(&bob) {
            call(&app, &admin, &operation).await.assert_refused(403, "forbidden");
        }
        let body = json!({ "email": "x@example.com", "password": PASSWORD });
        send(&app, Method::POST, USERS, &admin, &body).await.assert_refused(403, "forbidden");
        assert_eq!(app.number("SELECT count(*) FROM users", &[]).await, 2);
    }
}
