//! Guessing codes with a password that is known.

use std::time::Duration;

use gatepost_testkit::{Enrolled, PASSWORD, TestApp, on_each_db};
use serde_json::json;

async fn enrolled(app: &TestApp) -> Enrolled {
    let ada = app.user("ada").await;
    app.with_totp(&ada).await
}

/// Shows so many wrong codes, five for each challenge.
async fn guess(app: &TestApp, times: usize) {
    let mut challenge = String::new();
    for number in 0..times {
        if number % 5 == 0 {
            challenge = app.challenge("ada").await;
        }
        app.second_factor(&challenge, "totp", "none").await.assert_refused(401, "invalid_code");
    }
}

on_each_db! {
    async fn brief3_five_wrong_codes_end_a_challenge(app: TestApp) {
        let ada = enrolled(&app).await;
        let challenge = app.challenge("ada").await;
        for _ in 0..5 {
            app.second_factor(&challenge, "totp", "none").await.assert_refused(401, "invalid_code");
        }
        let code = app.next_code(&ada.authenticator);
        app.second_factor(&challenge, "totp", &code).await.assert_refused(401, "challenge_expired");
        assert_eq!(app.second_factor(&app.challenge("ada").await, "totp", &code).await.status, 200);
    }

    async fn bru_07_five_wrong_recovery_codes_end_a_challenge_and_close_nothing(app: TestApp) {
        let ada = enrolled(&app).await;
        for _ in 0..5 {
            let challenge = app.challenge("ada").await;
            for _ in 0..5 {
                app.second_factor(&challenge, "recovery_code", "0000-0000-0000-0000").await.assert_refused(401, "invalid_code");
            }
            let answer = app.second_factor(&challenge, "recovery_code", &ada.recovery_codes[0]).await;
            answer.assert_refused(401, "challenge_expired");
        }
        app.login_with_totp(&ada).await;
    }

    async fn bru_07_ten_wrong_codes_in_a_quarter_of_an_hour_close_the_authenticator_for_a_day(app: TestApp) {
        let ada = enrolled(&app).await;
        guess(&app, 9).await;
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'second_factor_closed'", &[]).await, 0);
        let challenge = app.challenge("ada").await;
        app.second_factor(&challenge, "totp", "none").await.assert_refused(401, "invalid_code");
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'second_factor_closed'", &[]).await, 1);
        // One for switching it on, one for this.
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE kind = 'second_factor_changed'", &[]).await, 2);

        let code = app.next_code(&ada.authenticator);
        let answer = app.second_factor(&challenge, "totp", &code).await;
        answer.assert_refused(429, "too_many_attempts");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((86_300..=86_400).contains(&wait), "{wait}");

        // Recovery codes still work, and the challenge says so.
        let begun = app.login("ada", PASSWORD).await.json();
        assert_eq!(begun["methods"], json!(["recovery_code"]));
        assert_eq!(app.second_factor(&challenge, "recovery_code", &ada.recovery_codes[0]).await.status, 200);
        // Neither they nor the password open what was closed.
        let code = app.next_code(&ada.authenticator);
        app.second_factor(&app.challenge("ada").await, "totp", &code).await.assert_refused(429, "too_many_attempts");

        app.clock.advance(Duration::from_secs(wait));
        app.login_with_totp(&ada).await;
    }

    async fn bru_07_twenty_wrong_codes_in_a_day_close_it_too(app: TestApp) {
        let ada = enrolled(&app).await;
        for round in 0..4 {
            guess(&app, 5).await;
            app.clock.advance(Duration::from_secs(3_600));
            if round < 3 {
                let open = app.login("ada", PASSWORD).await.json();
                assert_eq!(open["methods"], json!(["totp", "recovery_code"]), "round {round}");
            }
        }
        let code = app.next_code(&ada.authenticator);
        app.second_factor(&app.challenge("ada").await, "totp", &code).await.assert_refused(429, "too_many_attempts");
    }

    async fn bru_07_old_failures_are_forgotten_one_by_one(app: TestApp) {
        let ada = enrolled(&app).await;
        // Nine within the quarter before, and nine within the one after, never ten in any.
        guess(&app, 9).await;
        app.clock.advance(Duration::from_secs(15 * 60));
        guess(&app, 9).await;
        app.login_with_totp(&ada).await;
    }

    async fn bru_07_a_right_code_clears_the_counter_and_a_right_password_does_not(app: TestApp) {
        let ada = enrolled(&app).await;
        guess(&app, 9).await;
        app.login_with_totp(&ada).await;
        guess(&app, 9).await;
        // Each challenge was a right password; a recovery code is another factor.
        let challenge = app.challenge("ada").await;
        assert_eq!(app.second_factor(&challenge, "recovery_code", &ada.recovery_codes[0]).await.status, 200);
        guess(&app, 1).await;
        let code = app.next_code(&ada.authenticator);
        app.second_factor(&app.challenge("ada").await, "totp", &code).await.assert_refused(429, "too_many_attempts");
    }

    async fn bru_07_of_many_guesses_at_once_no_more_are_judged_than_may_be_wrong(app: TestApp) {
        enrolled(&app).await;
        let other = app.second_node().await;
        let mut challenges = Vec::new();
        for _ in 0..6 {
            challenges.push(app.challenge("ada").await);
        }
        let calls: Vec<_> = (0..36).map(|number| {
            let node = if number % 2 == 0 { (*app).clone() } else { other.clone() };
            let challenge = challenges[number % 6].clone();
            tokio::spawn(async move { node.second_factor(&challenge, "totp", "none").await })
        }).collect();
        let mut judged = 0;
        for call in calls {
            let answer = call.await.unwrap();
            match answer.status {
                401 if answer.code() == "invalid_code" => judged += 1,
                401 => answer.assert_refused(401, "challenge_expired"),
                _ => answer.assert_refused(429, "too_many_attempts"),
            }
        }
        assert_eq!(judged, 10);
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'second_factor_closed'", &[]).await, 1);
    }
}
