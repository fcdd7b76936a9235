//! Who waits, and who does not.

use std::sync::Arc;
use std::time::Duration;

use gatepost_testkit::{PASSWORD, Setup, TestApp, on_each_db};
use http::header::{COOKIE, ORIGIN};
use tokio::sync::Barrier;

use super::{WRONG, device_cookie, known_device, lock_out, login_with, retry_after};

const NEW: &str = "CANARY lighthouse above the reef";

/// Fails until nobody without a cookie is let in any more, waiting as long as it takes.
async fn close(app: &TestApp, identifier: &str) {
    for _ in 0..100 {
        app.clock.advance(Duration::from_secs(900));
        app.login(identifier, WRONG).await.assert_refused(401, "invalid_credentials");
    }
}

on_each_db! {
    async fn bru_01_whoever_guesses_waits_longer_each_time_before_anything_is_hashed(app: TestApp) {
        app.user("ada").await;
        let mut waits = Vec::new();
        for _ in 0..17 {
            app.login("ada", WRONG).await.assert_refused(401, "invalid_credentials");
            let hashed = app.app.hasher.stats().argon2;
            let next = app.login("ada", WRONG).await;
            if next.status == 429 {
                assert_eq!(app.app.hasher.stats().argon2, hashed, "a refused attempt was hashed");
                let wait = retry_after(&next);
                waits.push(wait);
                app.clock.advance(Duration::from_secs(wait));
            } else {
                // One of the free ones; the next round makes one more.
                next.assert_refused(401, "invalid_credentials");
            }
            if waits.len() == 12 { break; }
        }
        assert_eq!(waits[..11], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]);
        // A success clears it.
        app.clock.advance(Duration::from_secs(900));
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        assert_eq!(lock_out(&app, "ada").await, 1);
    }

    async fn bru_01_a_name_that_nobody_has_waits_like_one_that_somebody_has(app: TestApp) {
        app.user("ada").await;
        for _ in 0..12 {
            let (known, unknown) = (app.login("ada", WRONG).await, app.login("nobody", WRONG).await);
            known.assert_uniform(&unknown);
            let known = app.token(&[("grant_type", "password"), ("username", "ada"), ("password", WRONG)]).await;
            let unknown = app.token(&[("grant_type", "password"), ("username", "nobody"), ("password", WRONG)]).await;
            known.assert_uniform(&unknown);
            app.clock.advance(Duration::from_secs(3));
        }
        let (known, unknown) = (app.login("ada", WRONG).await, app.login("nobody", WRONG).await);
        assert!(retry_after(&known) > 1);
        known.assert_uniform(&unknown);
        // RFC 6749 has no word for it; the status and the header say it.
        let form = app.token(&[("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)]).await;
        form.assert_refused(429, "temporarily_unavailable");
    }

    async fn bru_01_after_a_hundred_failures_only_another_proof_opens_the_door(app: TestApp) {
        app.user("ada").await;
        let cookie = known_device(&app, "ada").await;
        close(&app, "ada").await;
        app.clock.advance(Duration::from_secs(40 * 24 * 3_600));
        gatepost_server::attempts::forget(app.db(), app.clock.now()).await.unwrap();
        let closed = app.login("ada", PASSWORD).await;
        closed.assert_refused(429, "too_many_attempts");
        close(&app, "nobody").await;
        closed.assert_uniform(&app.login("nobody", PASSWORD).await);
        // The device that she has signed in with before is such a proof.
        assert_eq!(login_with(&app, "ada", PASSWORD, &cookie).await.status, 200);
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }

    async fn bru_01_failures_are_forgotten_a_day_after_the_last_one(app: TestApp) {
        app.user("ada").await;
        lock_out(&app, "ada").await;
        app.clock.advance(Duration::from_secs(24 * 3_600));
        assert_eq!(lock_out(&app, "ada").await, 1, "it began where it had ended");
    }

    async fn bru_02_nobody_can_lock_a_user_out_of_a_device_of_theirs(app: TestApp) {
        app.user("ada").await;
        let cookie = known_device(&app, "ada").await;
        close(&app, "ada").await;
        app.login("ada", PASSWORD).await.assert_refused(429, "too_many_attempts");
        assert_eq!(login_with(&app, "ada", PASSWORD, &cookie).await.status, 200);
    }

    async fn bru_02_a_known_device_is_let_in_by_the_token_endpoint_too(app: TestApp) {
        app.user("ada").await;
        let cookie = known_device(&app, "ada").await;
        close(&app, "ada").await;
        let form = || app.post("/oauth/token").form(&[("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)]);
        form().send().await.assert_refused(429, "temporarily_unavailable");
        let known = form().header(COOKIE, &cookie).send().await;
        assert_eq!(known.status, 200, "{}", known.text());
    }

    async fn bru_02_a_cookie_of_another_account_or_one_that_failed_ten_times_counts_for_nothing(app: TestApp) {
        app.user("ada").await;
        app.user("mallory").await;
        let (hers, his) = (known_device(&app, "ada").await, known_device(&app, "mallory").await);
        // Who has stolen the cookie has ten guesses with it, and then those of everybody.
        for _ in 0..15 {
            login_with(&app, "ada", WRONG, &hers).await.assert_refused(401, "invalid_credentials");
        }
        retry_after(&login_with(&app, "ada", WRONG, &hers).await);
        retry_after(&login_with(&app, "ada", PASSWORD, &his).await);
        // The cookie stays worthless, also when the others are forgotten.
        app.clock.advance(Duration::from_secs(48 * 3_600));
        gatepost_server::attempts::forget(app.db(), app.clock.now()).await.unwrap();
        for _ in 0..5 {
            login_with(&app, "ada", WRONG, &hers).await.assert_refused(401, "invalid_credentials");
        }
        retry_after(&login_with(&app, "ada", WRONG, &hers).await);
    }

    async fn bru_03_two_hundred_wrong_passwords_at_once_make_no_more_hashes_than_are_left(app: TestApp) {
        app.user("ada").await;
        let second = app.second_node().await;
        let hashes = || app.app.hasher.stats().argon2 + second.app.hasher.stats().argon2;
        let (before, line) = (hashes(), Arc::new(Barrier::new(200)));
        let flood: Vec<_> = (0..200)
            .map(|number| {
                let node = if number % 2 == 0 { (*app).clone() } else { second.clone() };
                let line = Arc::clone(&line);
                // Every way to write the name is the same account.
                let name = ["ada", "ADA", "ada@example.com", "Ada@Example.COM"][number % 4];
                tokio::spawn(async move {
                    line.wait().await;
                    node.login(name, WRONG).await
                })
            })
            .collect();
        let (mut verified, mut refused) = (0, 0);
        for login in flood {
            let answer = login.await.unwrap();
            if answer.status == 429 {
                refused += 1;
            } else {
                answer.assert_refused(401, "invalid_credentials");
                verified += 1;
            }
        }
        assert_eq!((verified, refused), (5, 195));
        assert_eq!(hashes() - before, 5);
    }

    async fn bru_04_brief3_an_attempt_while_locked_does_not_make_the_lock_longer(app: TestApp) {
        app.user("ada").await;
        for _ in 0..10 {
            app.clock.advance(Duration::from_secs(40));
            app.login("ada", WRONG).await.assert_refused(401, "invalid_credentials");
        }
        let failed_at = app.clock.now();
        let mut last = u64::MAX;
        for _ in 0..8 {
            let wait = retry_after(&app.login("ada", WRONG).await);
            assert!(wait < last, "{wait} after {last}");
            last = wait;
            app.clock.advance(Duration::from_secs(3));
        }
        // Nor does it keep the failures in mind: they are forgotten a day after the last one that counted.
        app.clock.advance(Duration::from_secs(24 * 3_600) - app.clock.now().since(failed_at));
        assert_eq!(lock_out(&app, "ada").await, 1, "a refused attempt kept the count alive");
    }

    async fn bru_04_brief3_no_letter_case_and_no_other_account_opens_a_lock(app: TestApp) {
        app.user("ada").await;
        app.user("mallory").await;
        lock_out(&app, "ada").await;
        assert_eq!(app.login("mallory", PASSWORD).await.status, 200);
        for name in ["ada", "ADA", " Ada", "ada@example.com", "ADA@EXAMPLE.COM"] {
            retry_after(&app.login(name, WRONG).await);
        }
        lock_out(&app, "nobody").await;
        for name in ["NOBODY", " Nobody "] {
            retry_after(&app.login(name, WRONG).await);
        }
    }

    async fn brief3_a_success_clears_the_count(app: TestApp) {
        app.user("ada").await;
        for _ in 0..4 {
            for _ in 0..4 {
                app.login("ada", WRONG).await.assert_refused(401, "invalid_credentials");
            }
            assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        }
    }

    async fn a_success_on_a_known_device_gives_it_all_of_its_tries_back(app: TestApp) {
        app.user("ada").await;
        let cookie = known_device(&app, "ada").await;
        lock_out(&app, "ada").await;
        for _ in 0..3 {
            for _ in 0..9 {
                login_with(&app, "ada", WRONG, &cookie).await.assert_refused(401, "invalid_credentials");
            }
            assert_eq!(login_with(&app, "ada", PASSWORD, &cookie).await.status, 200);
        }
    }

    async fn brief3_a_right_password_is_no_failure_when_the_new_one_is_refused(app: TestApp) {
        let ada = app.user("ada").await;
        for _ in 0..10 {
            let answer = app.change_password(&ada.access_token, PASSWORD, PASSWORD).await;
            answer.assert_invalid("/new_password", "password_reused");
        }
        assert_eq!(app.number("SELECT max(failures) FROM lockouts", &[]).await, 0);
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }

    async fn pwd_05_a_locked_account_that_is_disabled_answers_like_any_other(app: TestApp) {
        let ada = app.user("ada").await;
        app.set_active(ada.user_id(), false).await;
        // The right password of a disabled account must count like a wrong one, or the wait would tell.
        for _ in 0..5 {
            app.login("ada", PASSWORD).await.assert_uniform(&app.login("nobody", PASSWORD).await);
        }
        let locked = app.login("ada", PASSWORD).await;
        retry_after(&locked);
        locked.assert_uniform(&app.login("nobody", PASSWORD).await);
    }

    async fn pwd_08_a_wrong_current_password_counts_like_a_wrong_password_at_the_door(app: TestApp) {
        let ada = app.user("ada").await;
        for _ in 0..5 {
            app.change_password(&ada.access_token, WRONG, NEW).await.assert_refused(403, "invalid_current_password");
        }
        let hashed = app.app.hasher.stats().argon2;
        let locked = app.change_password(&ada.access_token, PASSWORD, NEW).await;
        retry_after(&locked);
        retry_after(&app.login("ada", PASSWORD).await);
        assert_eq!(app.app.hasher.stats().argon2, hashed);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(app.change_password(&ada.access_token, PASSWORD, NEW).await.status, 200);
        assert_eq!(app.login("ada", NEW).await.status, 200);
    }

    async fn every_sign_in_makes_the_browser_a_known_device(app: TestApp) {
        app.user("ada").await;
        let json = device_cookie(&app.login("ada", PASSWORD).await);
        let form = app.post("/oauth/token").form(&[("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)]);
        let form = form.header(ORIGIN, "http://127.0.0.1:8080").send().await;
        assert_ne!(device_cookie(&form), json, "two sign-ins are two devices");
        let refused = app.login("ada", WRONG).await;
        assert_eq!(refused.header("set-cookie"), "", "a refused sign-in makes no device known");
    }
}

/// One hash at a time, and nobody waits for it.
fn impatient(setup: Setup) -> Setup {
    setup.set("password.hash.permits", "1").set("password.hash.wait", "50ms")
}

on_each_db! {
    async fn pwd_07_an_attempt_that_could_not_be_verified_does_not_count(app: TestApp = impatient) {
        // The name is nobody's: an account would need a hash of its own first.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (hasher, (began, begun)) = (app.app.hasher.clone(), tokio::sync::oneshot::channel());
        let holding = tokio::spawn(async move {
            hasher.turn(move || { let _ = began.send(()); let _ = held.recv(); }).await
        });
        begun.await.unwrap();
        for _ in 0..20 {
            let body = serde_json::json!({ "identifier": "nobody", "password": WRONG });
            let busy = app.post("/api/v1/auth/login").json(&body).may_fail().send().await;
            busy.assert_refused(503, "busy");
        }
        release.send(()).unwrap();
        holding.await.unwrap().unwrap();
        let failures = app.number("SELECT failures FROM lockouts", &[]).await;
        assert_eq!(failures, 0);
    }

    async fn pwd_07_a_right_password_is_no_failure_when_the_session_cannot_be_written(app: TestApp) {
        app.user("ada").await;
        app.execute("ALTER TABLE refresh_families RENAME TO lost", &[]).await;
        for _ in 0..8 {
            let body = serde_json::json!({ "identifier": "ada", "password": PASSWORD });
            let failed = app.post("/api/v1/auth/login").json(&body).may_fail().send().await;
            assert!(failed.status >= 500, "{}", failed.text());
        }
        assert_eq!(app.number("SELECT failures FROM lockouts", &[]).await, 0);
        app.execute("ALTER TABLE lost RENAME TO refresh_families", &[]).await;
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }
}
