//! More sign-ins than can be hashed.

use std::sync::Arc;

use gatepost_testkit::{PASSWORD, Setup, on_each_db};
use serde_json::json;
use tokio::sync::Barrier;

const LOGINS: u64 = 400;

/// One real hash at a time, and a hundred that may wait: far fewer than come.
fn narrow(setup: Setup) -> Setup {
    setup
        .set("password.hash.memory_kib", "19456")
        .set("password.hash.permits", "1")
        .set("password.hash.wait", "2s")
}

on_each_db! {
    async fn pwd_07_a_flood_of_logins_is_turned_away_and_the_rest_goes_on(app: TestApp = narrow) {
        let ada = app.user("ada").await;
        let line = Arc::new(Barrier::new(usize::try_from(LOGINS).unwrap() + 1));
        let flood: Vec<_> = (0..LOGINS)
            .map(|number| {
                let (node, line) = ((*app).clone(), Arc::clone(&line));
                let name = format!("user-{number}");
                let call = if number % 2 == 0 {
                    node.post("/api/v1/auth/login").json(&json!({ "identifier": name, "password": PASSWORD }))
                } else {
                    node.post("/oauth/token").form(&[("grant_type", "password"), ("username", &name), ("password", PASSWORD)])
                };
                tokio::spawn(async move {
                    line.wait().await;
                    call.may_fail().send().await
                })
            })
            .collect();
        line.wait().await;
        // Nothing here asks for a hash, so nothing here waits for one.
        assert_eq!(app.get("/.well-known/jwks.json").send().await.status, 200);
        assert_eq!(app.me(&ada.access_token).await.status, 200);
        assert_eq!(app.refresh(&ada.refresh_token).await.status, 200);
        let (mut hashed, mut busy) = (0, 0);
        for (number, login) in flood.into_iter().enumerate() {
            let answer = login.await.unwrap();
            let is_form = number % 2 == 1;
            if answer.status == 503 {
                answer.assert_refused(503, if is_form { "temporarily_unavailable" } else { "busy" });
                let seconds: u64 = answer.header("retry-after").parse().unwrap();
                assert!((1..=5).contains(&seconds));
                busy += 1;
            } else if is_form {
                answer.assert_refused(400, "invalid_grant");
                hashed += 1;
            } else {
                answer.assert_refused(401, "invalid_credentials");
                hashed += 1;
            }
        }
        assert!(busy > 0, "{LOGINS} logins at once were all hashed");
        let stats = app.app.hasher.stats();
        // One for the registration, one for each login that had its turn, none for those that had not.
        assert_eq!((stats.argon2, stats.rejected), (1 + hashed, busy));
        assert_eq!(app.login("ada", PASSWORD).await.status, 200, "the flood is over and the door is open");
    }
}
