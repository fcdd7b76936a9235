//! Asking for a link by naming an address.

use std::time::Duration;

use gatepost_server::recovery::answer_requests;
use gatepost_testkit::{TestApp, on_each_db};
use http::HeaderName;
use serde_json::json;

use super::letters::{ask, kinds, letters, verify};

const MINUTE: Duration = Duration::from_secs(60);

/// Asks, and lets the server answer.
async fn asked(app: &TestApp, path: &str, email: &str) {
    assert_eq!(ask(app, path, email).await.status, 202);
    answer_requests(&app.app).await.unwrap();
}

async fn resets(app: &TestApp, email: &str) -> usize {
    kinds(app, email).await.iter().filter(|kind| *kind == "reset_password").count()
}

on_each_db! {
    async fn rec_05_brief3_everybody_who_asks_hears_the_same(app: TestApp) {
        app.user("verified").await;
        verify(&app, "verified@example.com").await;
        let disabled = app.user("disabled").await;
        app.set_active(disabled.user_id(), false).await;
        let deleted = app.user("deleted").await;
        app.delete_account(deleted.user_id()).await;
        app.user("unverified").await;
        app.user("without-password").await;
        app.execute("DELETE FROM passwords WHERE user_id = (SELECT id FROM users WHERE username = 'without-password')", &[]).await;
        let before = letters(&app).await.len();
        let hashes = app.app.hasher.stats().argon2;
        for path in ["forgot-password", "resend-verification"] {
            let mut answers = Vec::new();
            for name in ["verified", "disabled", "deleted", "unverified", "without-password", "unknown"] {
                answers.push(ask(&app, path, &format!("{name}@example.com")).await);
            }
            assert_eq!(answers[0].json(), json!({ "status": "accepted" }));
            for answer in &answers {
                assert_eq!(answer.status, 202);
                answer.assert_uniform(&answers[0]);
            }
        }
        // The same work: one row each, and nothing looked up, hashed or mailed while somebody waits.
        assert_eq!(app.number("SELECT count(*) FROM mail_requests", &[]).await, 12);
        assert_eq!(letters(&app).await.len(), before);
        assert_eq!(app.app.hasher.stats().argon2, hashes);
    }

    async fn rec_05_a_mail_goes_only_to_an_account_that_may_have_one(app: TestApp) {
        app.user("verified").await;
        verify(&app, "verified@example.com").await;
        app.user("unverified").await;
        let disabled = app.user("disabled").await;
        app.set_active(disabled.user_id(), false).await;
        app.clock.advance(MINUTE);
        for path in ["forgot-password", "resend-verification"] {
            for name in ["verified", "unverified", "disabled", "unknown"] {
                ask(&app, path, &format!("{name}@example.com")).await;
            }
        }
        answer_requests(&app.app).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM mail_requests", &[]).await, 0);
        assert_eq!(kinds(&app, "verified@example.com").await, ["verify_address", "reset_password"]);
        let mut both = kinds(&app, "unverified@example.com").await;
        both.sort();
        assert_eq!(both, ["reset_password", "verify_address", "verify_address"]);
        assert_eq!(kinds(&app, "disabled@example.com").await, ["verify_address"]);
        assert_eq!(kinds(&app, "unknown@example.com").await, Vec::<String>::new());
    }

    async fn reg_03_mail_goes_to_the_stored_address_whatever_was_typed(app: TestApp) {
        let body = json!({ "email": "Ada.L@Example.com", "password": gatepost_testkit::PASSWORD });
        assert_eq!(app.post("/api/v1/auth/register").json(&body).send().await.status, 201);
        asked(&app, "forgot-password", " ADA.l@EXAMPLE.COM. ").await;
        assert_eq!(letters(&app).await.last().unwrap().to, "Ada.L@example.com");
    }

    async fn rec_09_at_most_one_mail_a_minute_and_five_a_day(app: TestApp) {
        app.user("ada").await;
        for (seconds, mails) in [(0, 1), (59, 1), (1, 2), (60, 3), (60, 4), (60, 5), (60, 5), (3_600, 5)] {
            app.clock.advance(Duration::from_secs(seconds));
            asked(&app, "forgot-password", "ada@example.com").await;
            assert_eq!(resets(&app, "ada@example.com").await, mails, "after {seconds} s");
        }
        // Another purpose and another address have limits of their own.
        asked(&app, "resend-verification", "ada@example.com").await;
        assert_eq!(kinds(&app, "ada@example.com").await.last().unwrap(), "verify_address");
        app.clock.advance(Duration::from_secs(24 * 60 * 60));
        asked(&app, "forgot-password", "ada@example.com").await;
        assert_eq!(resets(&app, "ada@example.com").await, 6);
    }

    async fn rec_09_a_line_break_in_an_address_is_refused(app: TestApp) {
        for email in ["ada@example.com\r\nBcc: eve@example.com", "ada\n@example.com", "ada@example.com\0"] {
            ask(&app, "forgot-password", email).await.assert_invalid("/email", "invalid_email");
        }
        assert_eq!(app.number("SELECT count(*) FROM mail_requests", &[]).await, 0);
    }

    async fn rec_04_pages_of_other_sites_can_neither_ask_nor_present(app: TestApp) {
        let site: HeaderName = "sec-fetch-site".parse().unwrap();
        for (path, body) in [
            ("forgot-password", json!({ "email": "ada@example.com" })),
            ("resend-verification", json!({ "email": "ada@example.com" })),
            ("verify-email", json!({ "token": "gpl_none" })),
            ("confirm-email", json!({ "token": "gpl_none" })),
            ("undo-email", json!({ "token": "gpl_none" })),
            ("secure-account", json!({ "token": "gpl_none" })),
            ("reset-password", json!({ "token": "gpl_none", "new_password": gatepost_testkit::PASSWORD })),
        ] {
            let path = format!("/api/v1/auth/{path}");
            for foreign in ["cross-site", "same-site"] {
                let answer = app.post(&path).header(site.clone(), foreign).json(&body).send().await;
                answer.assert_refused(403, "csrf_rejected");
            }
            let answer = app.post(&path).header(http::header::ORIGIN, "https://evil.example").json(&body).send().await;
            answer.assert_refused(403, "csrf_rejected");
            let answer = app.post(&path).header(site.clone(), "same-origin").json(&body).send().await;
            assert_ne!(answer.status, 403, "{path}");
        }
    }

    async fn two_nodes_answer_a_request_once(app: TestApp) {
        app.user("ada").await;
        let second = app.second_node().await;
        ask(&app, "forgot-password", "ada@example.com").await;
        let (one, two) = tokio::join!(answer_requests(&app.app), answer_requests(&second.app));
        one.and(two).unwrap();
        assert_eq!(resets(&app, "ada@example.com").await, 1);
    }
}
