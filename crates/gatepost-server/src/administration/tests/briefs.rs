//! Flaws of the designs that Gatepost grew from, which must not come back.

use super::*;

on_each_db! {
    async fn brief1_the_directory_is_for_those_who_may_read_it(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let (bob, eve) = (app.user("bob").await, app.user("eve").await);
        get(&app, USERS, &eve).await.assert_refused(403, "forbidden");
        get(&app, &of(&bob, ""), &eve).await.assert_refused(403, "forbidden");
        let body = json!({ "email": "x@example.com", "password": PASSWORD });
        send(&app, Method::POST, USERS, &eve, &body).await.assert_refused(403, "forbidden");
        let seen = get(&app, &format!("/api/v1/users/{}", bob.id), &eve).await.json();
        assert!(seen.get("email").is_none() && seen.get("roles").is_none(), "{seen}");
        // Who is not there is absent, and nothing breaks.
        get(&app, &format!("{USERS}/0193b6a0-0000-7000-8000-000000000000"), &admin).await.assert_refused(404, "not_found");
    }

    async fn brief1_and_brief3_roles_are_given_by_an_operation_and_count_at_the_next_request(app: TestApp) {
        let (admin, bob) = (an_admin(&app, "ada").await, app.user("bob").await);
        get(&app, USERS, &bob).await.assert_refused(403, "forbidden");
        assert_eq!(assign(&app, &admin, &bob, &["admin"]).await.status, 200);
        assert_eq!(get(&app, USERS, &bob).await.status, 200);
    }

    async fn brief2_a_missing_right_is_403_and_a_missing_credential_401(app: TestApp) {
        let eve = app.user("eve").await;
        app.get(USERS).send().await.assert_refused(401, "authentication_required");
        get(&app, USERS, &eve).await.assert_refused(403, "forbidden");
    }
}
