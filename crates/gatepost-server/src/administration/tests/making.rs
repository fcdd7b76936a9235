//! New accounts and invitations.

use std::time::Duration;

use gatepost_server::outbox::Kind;

use super::*;

fn grace() -> Value {
    json!({ "email": "Grace@example.com", "password": PASSWORD, "username": "grace", "first_name": "Grace" })
}

pub(super) async fn make(node: &Node, by: &Persona, body: &Value) -> Answer {
    send(node, Method::POST, USERS, by, body).await
}

pub(super) async fn accept(app: &TestApp, email: &str) -> Answer {
    let token = app.mail(Kind::Invitation, email).await.token().to_owned();
    let body = json!({ "token": token, "password": PASSWORD });
    app.post("/api/v1/auth/accept-invitation").json(&body).send().await
}

/// An administrator whose mails have been read.
async fn settled_admin(app: &TestApp) -> Persona {
    let admin = an_admin(app, "ada").await;
    app.mails().await;
    admin
}

on_each_db! {
    async fn an_account_with_a_password_is_there_at_once_and_verified(app: TestApp = |setup| setup.set("sign_up.mode", "closed")) {
        let admin = app.owner().await;
        let answer = make(&app, &admin, &grace()).await;
        let user = answer.json();
        assert_eq!((answer.status, &user["email"], &user["email_verified"], &user["roles"]), (201, &json!("Grace@example.com"), &json!(true), &json!(["user"])));
        assert_eq!(app.login("grace", PASSWORD).await.status, 200);
        assert_eq!(audited(&app, "user_registered", &admin).await, 1);
        make(&app, &admin, &grace()).await.assert_refused(409, "email_taken");
        let body = json!({ "email": "other@example.com", "password": PASSWORD, "username": "GRACE" });
        make(&app, &admin, &body).await.assert_refused(409, "username_taken");
        let body = json!({ "email": "other", "password": "short", "username": "x" });
        let wrong = make(&app, &admin, &body).await;
        wrong.assert_invalid("/email", "invalid_email");
        wrong.assert_invalid("/password", "password_too_short");
        wrong.assert_invalid("/username", "too_short");
        make(&app, &admin, &json!({ "email": "o@example.com", "is_active": true })).await.assert_invalid("/is_active", "unknown_field");
    }

    async fn without_a_password_its_owner_is_invited(app: TestApp = |setup| setup.set("sign_up.mode", "closed")) {
        let admin = app.owner().await;
        app.mails().await;
        let answer = make(&app, &admin, &json!({ "email": "grace@example.com" })).await;
        assert_eq!((answer.status, answer.json()), (202, json!({ "status": "invited" })));
        assert_eq!(audited(&app, "invitation_sent", &admin).await, 1);
        make(&app, &admin, &json!({ "email": "grace@example.com" })).await.assert_refused(429, "rate_limited");
        let made = accept(&app, "grace@example.com").await;
        assert_eq!((made.status, &made.json()["user"]["roles"]), (201, &json!(["user"])));
        app.clock.advance(Duration::from_secs(61));
        make(&app, &admin, &json!({ "email": "GRACE@example.com" })).await.assert_refused(409, "email_taken");
        let body = json!({ "email": "o@example.com", "first_name": "O", "bio": null });
        let answer = make(&app, &admin, &body).await;
        answer.assert_invalid("/first_name", "not_with_invitation");
        answer.assert_invalid("/bio", "not_with_invitation");
    }

    async fn az_05_roles_come_along_only_from_whoever_may_give_them_and_has_them(app: TestApp) {
        let admin = settled_admin(&app).await;
        let clerk = user_who_may(&app, &admin, "clerk", &["users:write", "audit:read"]).await;
        let lead = user_who_may(&app, &admin, "lead", &["users:write", "roles:assign"]).await;
        app.mails().await;
        let with = |email: &str, password: bool, roles: &[&str]| {
            let mut body = json!({ "email": email, "roles": roles });
            if password {
                body["password"] = json!(PASSWORD);
            }
            body
        };
        for password in [true, false] {
            // Not even their own role without `roles:assign`, and nothing above with it.
            make(&app, &clerk, &with("x@example.com", password, &["may-clerk"])).await.assert_refused(403, "forbidden");
            for beyond in ["admin", "may-clerk"] {
                make(&app, &lead, &with("x@example.com", password, &["user", beyond])).await.assert_refused(403, "forbidden");
            }
            make(&app, &admin, &with("x@example.com", password, &["user", "no-such"])).await.assert_invalid("/roles/1", "unknown_role");
        }
        let known = "SELECT count(*) FROM users WHERE email_canonical = 'x@example.com'";
        assert_eq!((app.number(known, &[]).await, app.mails().await.len()), (0, 0));
        let made = make(&app, &lead, &with("x@example.com", true, &["may-lead", "user"])).await;
        assert_eq!((made.status, &made.json()["roles"]), (201, &json!(["may-lead", "user"])));
        let invited = make(&app, &lead, &with("y@example.com", false, &["may-lead"])).await;
        assert_eq!(invited.status, 202);
        assert_eq!(accept(&app, "y@example.com").await.json()["user"]["roles"], json!(["may-lead", "user"]));
        assert_eq!(make(&app, &clerk, &with("z@example.com", true, &["user"])).await.status, 201);
    }

    async fn az_05_an_invitation_gives_no_more_than_its_maker_could_give_when_it_is_accepted(app: TestApp) {
        let admin = settled_admin(&app).await;
        let lead = user_who_may(&app, &admin, "lead", &["users:write", "roles:assign"]).await;
        let eve = an_admin(&app, "eve").await;
        app.mails().await;
        let invite = async |by: &Persona, email: &str, role: &str| {
            let answer = make(&app, by, &json!({ "email": email, "roles": [role] })).await;
            assert_eq!(answer.status, 202, "{}", answer.text());
            app.mail(Kind::Invitation, email).await.token().to_owned()
        };
        let accept = async |token: &str| {
            let body = json!({ "token": token, "password": PASSWORD });
            let answer = app.post("/api/v1/auth/accept-invitation").json(&body).send().await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            answer.json()["user"]["roles"].clone()
        };
        let (by_eve, also_by_eve) = (invite(&eve, "a@example.com", "admin").await, invite(&eve, "b@example.com", "may-lead").await);
        let (by_lead, by_admin) = (invite(&lead, "c@example.com", "may-lead").await, invite(&admin, "d@example.com", "admin").await);
        // Whoever was an administrator and is none any more, or is gone, leaves nobody behind.
        assert_eq!(assign(&app, &admin, &eve, &[]).await.status, 200);
        assert_eq!(accept(&by_eve).await, json!(["user"]));
        assert_eq!(delete(&app, &of(&eve, ""), &admin).await.status, 204);
        assert_eq!(accept(&also_by_eve).await, json!(["user"]));
        assert_eq!(accept(&by_admin).await, json!(["admin", "user"]));
        // A role that is gone is not given.
        assert_eq!(assign(&app, &admin, &lead, &[]).await.status, 200);
        assert_eq!(delete(&app, "/api/v1/admin/roles/may-lead", &admin).await.status, 204);
        assert_eq!(accept(&by_lead).await, json!(["user"]));
    }

    async fn credentials_and_roles_are_given_by_a_fresh_session_only(app: TestApp) {
        let admin = settled_admin(&app).await;
        let key = app.api_key(&admin, &["users:write", "roles:assign"]).await;
        let by_key = |body: Value| app.post(USERS).api_key(&key).json(&body).send();
        by_key(grace()).await.assert_refused(403, "insufficient_scope");
        by_key(json!({ "email": "grace@example.com", "roles": ["user", "admin"] })).await.assert_refused(403, "insufficient_scope");
        assert_eq!(by_key(json!({ "email": "grace@example.com", "roles": ["user"] })).await.status, 202);
        app.clock.advance(Duration::from_secs(601));
        make(&app, &admin, &grace()).await.assert_refused(401, "insufficient_user_authentication");
        let body = json!({ "email": "o@example.com", "roles": ["admin"] });
        make(&app, &admin, &body).await.assert_refused(401, "insufficient_user_authentication");
        assert_eq!(make(&app, &admin, &json!({ "email": "o@example.com" })).await.status, 202);
    }
}
