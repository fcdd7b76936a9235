//! Recovery codes.

use gatepost_testkit::{Enrolled, TestApp, on_each_db};

async fn enrolled(app: &TestApp) -> Enrolled {
    let ada = app.user("ada").await;
    app.with_totp(&ada).await
}

on_each_db! {
    async fn brief3_ten_recovery_codes_each_good_once_however_they_are_typed(app: TestApp) {
        let ada = enrolled(&app).await;
        for (number, code) in ada.recovery_codes.iter().enumerate() {
            let typed = if number % 2 == 0 { code.replace('-', "").to_lowercase() } else { code.replace('-', " ") };
            let challenge = app.challenge("ada").await;
            assert_eq!(app.second_factor(&challenge, "recovery_code", &typed).await.status, 200, "{number}");
            let challenge = app.challenge("ada").await;
            app.second_factor(&challenge, "recovery_code", code).await.assert_refused(401, "invalid_code");
        }
        assert_eq!(app.number("SELECT count(*) FROM audit_log WHERE action = 'recovery_code_used'", &[]).await, 10);
        assert_eq!(app.number("SELECT count(*) FROM outbox WHERE kind = 'recovery_code_used'", &[]).await, 10);
        // None is left, and nothing says that one were.
        let begun = app.login("ada", gatepost_testkit::PASSWORD).await.json();
        assert_eq!(begun["methods"], serde_json::json!(["totp"]));
    }

    async fn mfa_07_of_many_who_show_one_code_one_gets_in(app: TestApp) {
        let ada = enrolled(&app).await;
        let other = app.second_node().await;
        let mut challenges = Vec::new();
        for _ in 0..8 {
            challenges.push(app.challenge("ada").await);
        }
        let calls: Vec<_> = challenges.into_iter().enumerate().map(|(number, challenge)| {
            let node = if number % 2 == 0 { (*app).clone() } else { other.clone() };
            let code = ada.recovery_codes[3].clone();
            tokio::spawn(async move { node.second_factor(&challenge, "recovery_code", &code).await })
        }).collect();
        let mut won = 0;
        for call in calls {
            let answer = call.await.unwrap();
            if answer.status == 200 { won += 1 } else { answer.assert_refused(401, "invalid_code") }
        }
        assert_eq!(won, 1);
    }

    async fn mfa_07_a_code_of_somebody_else_is_wrong(app: TestApp) {
        enrolled(&app).await;
        let eve = app.user("eve").await;
        let eve = app.with_totp(&eve).await;
        let challenge = app.challenge("ada").await;
        app.second_factor(&challenge, "recovery_code", &eve.recovery_codes[0]).await.assert_refused(401, "invalid_code");
    }
}
