//! Accounts by invitation.

use std::time::Duration;

use gatepost_server::access::{self, ADMIN, USER};
use gatepost_server::accounts::{self, Email};
use gatepost_server::outbox::Kind;
use gatepost_server::sign_up::{invite, purge};
use gatepost_testkit::{Answer, Node, PASSWORD, Persona, Setup, TestApp, on_each_db};
use http::HeaderName;
use serde_json::{Value, json};

use super::register;

const LIFE: Duration = Duration::from_secs(72 * 60 * 60);

fn closed(setup: Setup) -> Setup {
    setup.set("sign_up.mode", "closed")
}

fn admin_approval(setup: Setup) -> Setup {
    setup.set("sign_up.mode", "admin_approval").set("sign_up.allowed_domains", "example.org")
}

/// Invites, and returns the token of the link, which is also the one of the mail.
async fn invited(app: &TestApp, email: &str, role: &str) -> String {
    let roles = vec![role.to_owned()];
    let link = invite(&app.app, Email::parse(email).unwrap(), roles).await.unwrap();
    assert_eq!(link.expires_at, app.clock.now().plus(LIFE));
    let (page, token) = link.url.expose().split_once("#token=").unwrap();
    assert_eq!(page, "http://127.0.0.1:8080/accept-invitation");
    app.is_secret("invitation", token);
    assert_eq!(app.mail(Kind::Invitation, email).await.token(), token);
    token.to_owned()
}

async fn accept(node: &Node, body: Value) -> Answer {
    node.post("/api/v1/auth/accept-invitation").json(&body).send().await
}

fn with(token: &str) -> Value {
    json!({ "token": token, "password": PASSWORD })
}

async fn users(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM users", &[]).await
}

on_each_db! {
    async fn an_invitation_makes_a_verified_account_where_sign_up_is_closed(app: TestApp = closed) {
        let token = invited(&app, "Ada.L@example.com", USER).await;
        assert_eq!(users(&app).await, 0, "no account exists before the invitation is accepted");
        let mut body = with(&token);
        body["username"] = json!("ada");
        body["first_name"] = json!("Ada");
        body["email"] = json!(" ada.l@EXAMPLE.com");
        let answer = accept(&app, body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let user = &answer.json()["user"];
        assert_eq!((&user["email"], &user["email_verified"]), (&json!("Ada.L@example.com"), &json!(true)));
        assert_eq!((&user["username"], &user["first_name"], &user["roles"]), (&json!("ada"), &json!("Ada"), &json!(["user"])));
        assert_eq!(app.me(&Persona::of(&answer).access_token).await.status, 200);
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        for action in ["invitation_sent", "invitation_accepted"] {
            let rows = app.number("SELECT count(*) FROM audit_log WHERE action = ?1", &gatepost_db::params![action]).await;
            assert_eq!(rows, 1, "{action}");
        }
        register(&app, json!({ "email": "b@example.com", "password": PASSWORD })).await.assert_refused(403, "signup_disabled");
    }

    async fn an_invited_administrator_waits_for_nobody(app: TestApp = admin_approval) {
        // Neither for an approval nor because of the domain.
        let token = invited(&app, "ada@example.com", ADMIN).await;
        let answer = accept(&app, with(&token)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.json()["user"]["roles"], json!(["admin", "user"]));
        assert_eq!(app.login("ada@example.com", PASSWORD).await.status, 200);
    }

    async fn reg_08_an_invitation_works_once_for_its_address_until_an_exact_moment(app: TestApp) {
        let token = invited(&app, "ada@example.com", USER).await;
        let hashes = app.app.hasher.stats().argon2;
        let mut other = with(&token);
        other["email"] = json!("eve@example.com");
        accept(&app, other).await.assert_refused(400, "invalid_token");
        for wrong in ["gpi_none", "", &token[..46], &token.replace("gpi_", "gpl_")] {
            accept(&app, with(wrong)).await.assert_refused(400, "invalid_token");
        }
        app.clock.advance(LIFE);
        accept(&app, with(&token)).await.assert_refused(400, "invalid_token");
        assert_eq!((users(&app).await, app.app.hasher.stats().argon2), (0, hashes), "a stranger made the server hash");
        let token = invited(&app, "ada@example.com", USER).await;
        app.clock.advance(LIFE - Duration::from_micros(1));
        assert_eq!(accept(&app, with(&token)).await.status, 201);
        accept(&app, with(&token)).await.assert_refused(400, "invalid_token");
        assert_eq!(users(&app).await, 1);
    }

    async fn reg_08_of_parallel_uses_of_an_invitation_one_wins(app: TestApp) {
        let token = invited(&app, "ada@example.com", USER).await;
        let second = app.second_node().await;
        let contenders: Vec<_> = (0..20).map(|number| {
            let node: Node = if number % 2 == 0 { (*app).clone() } else { second.clone() };
            let body = with(&token);
            tokio::spawn(async move { accept(&node, body).await })
        }).collect();
        let mut made = 0;
        for contender in contenders {
            let answer = contender.await.unwrap();
            if answer.status == 201 {
                made += 1;
            } else {
                answer.assert_refused(400, "invalid_token");
            }
        }
        assert_eq!((made, users(&app).await), (1, 1));
    }

    async fn reg_08_a_refused_form_does_not_use_an_invitation_up(app: TestApp) {
        app.user("bob").await;
        let _ = app.mails().await;
        let token = invited(&app, "ada@example.com", USER).await;
        let mut weak = with(&token);
        weak["password"] = json!("short");
        accept(&app, weak).await.assert_invalid("/password", "password_too_short");
        let mut taken = with(&token);
        taken["username"] = json!("BOB");
        accept(&app, taken).await.assert_refused(409, "username_taken");
        let mut rights = with(&token);
        rights["role"] = json!("admin");
        accept(&app, rights).await.assert_invalid("/role", "unknown_field");
        assert_eq!(accept(&app, with(&token)).await.status, 201);
    }

    async fn inviting_again_replaces_the_link_and_an_account_is_not_invited(app: TestApp) {
        let first = invited(&app, "ada@example.com", ADMIN).await;
        let second = invited(&app, "ADA@example.com", USER).await;
        accept(&app, with(&first)).await.assert_refused(400, "invalid_token");
        let answer = accept(&app, with(&second)).await;
        assert_eq!((answer.status, &answer.json()["user"]["roles"]), (201, &json!(["user"])));
        let again = invite(&app.app, Email::parse("Ada@Example.com").unwrap(), Vec::new()).await;
        assert!(matches!(again, Err(access::Error::Account(accounts::Error::EmailTaken))));
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn an_invitation_does_not_take_an_account_over(app: TestApp) {
        let token = invited(&app, "ada@example.com", ADMIN).await;
        app.user("ada").await;
        accept(&app, with(&token)).await.assert_refused(409, "email_taken");
        assert_eq!(app.number("SELECT count(*) FROM user_roles WHERE role = 'admin'", &[]).await, 0);
    }

    async fn rec_04_pages_of_other_sites_accept_no_invitation(app: TestApp) {
        let token = invited(&app, "ada@example.com", USER).await;
        let site = HeaderName::from_static("sec-fetch-site");
        let call = app.post("/api/v1/auth/accept-invitation").json(&with(&token));
        call.header(site, "cross-site").send().await.assert_refused(403, "csrf_rejected");
        assert_eq!(app.get("/accept-invitation").send().await.status, 200);
        assert_eq!(accept(&app, with(&token)).await.status, 201);
    }

    async fn an_expired_invitation_is_forgotten_after_a_day(app: TestApp) {
        invited(&app, "ada@example.com", USER).await;
        for (seconds, gone) in [(72 * 3_600 + 86_400, 0), (1, 1)] {
            app.clock.advance(Duration::from_secs(seconds));
            let now = app.clock.now();
            assert_eq!(app.db().write(move |tx| purge(tx, now)).await.unwrap(), gone);
        }
    }
}
