//! Roles that count only where a second factor was shown.

use gatepost_server::access;
use gatepost_testkit::{EVERYBODY_MAY, Persona, Setup, on_each_db};
use serde_json::json;

fn strict(setup: Setup) -> Setup {
    setup.set("second_factor.required_for", "admin")
}

on_each_db! {
    async fn mfa_01_a_role_that_needs_a_second_factor_counts_only_with_one(app: TestApp = strict) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        app.grant_role(ada.user_id(), access::ADMIN).await;
        // Without one: every way to ask says the same, on every node, for sessions old and new.
        let again = app.login("ada", gatepost_testkit::PASSWORD).await;
        assert_eq!(again.json()["user"]["roles"], json!(["user"]));
        let again = Persona::of(&again);
        let refreshed = Persona::of(&app.refresh(&again.refresh_token).await);
        for persona in [&ada, &again, &refreshed] {
            assert_eq!(persona.claims()["roles"], json!(["user"]));
            for node in [&*app, &second] {
                let me = node.me(&persona.access_token).await.json();
                assert_eq!((&me["roles"], &me["permissions"]), (&json!(["user"]), &json!(EVERYBODY_MAY)));
            }
        }
        // With one: from the confirmation on.
        let enrolled = app.with_totp(&again).await;
        let signed_in = app.login_with_totp(&enrolled).await;
        let refreshed = Persona::of(&app.refresh(&signed_in.refresh_token).await);
        for persona in [&enrolled.persona, &signed_in, &refreshed] {
            assert_eq!(persona.claims()["roles"], json!(["admin", "user"]));
            let me = app.me(&persona.access_token).await.json();
            assert_eq!(me["roles"], json!(["admin", "user"]));
            assert!(me["permissions"].as_array().unwrap().contains(&json!("users:write")));
        }
    }

    async fn mfa_01_the_first_owner_is_no_administrator_before_they_enrol(app: TestApp = strict) {
        let owner = app.owner().await;
        assert_eq!(owner.claims()["roles"], json!(["user"]));
        let enrolled = app.with_totp(&owner).await;
        assert_eq!(enrolled.persona.claims()["roles"], json!(["admin", "user"]));
    }
}
