//! Why somebody may do something, and who may.

use super::*;

async fn explain(app: &TestApp, by: &Persona, query: &str) -> Answer {
    get(app, &format!("/api/v1/access/explain?{query}"), by).await
}

on_each_db! {
    async fn it_says_which_role_gives_a_right_and_who_gave_it(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let bob = user_who_may(&app, &admin, "bob", &["users:read"]).await;
        let answer = explain(&app, &admin, &format!("permission=users:read&user_id={}", bob.id)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        assert_eq!(body["roles"], json!(["admin", "may-bob"]));
        let told = &body["data"][0];
        assert_eq!((&told["allowed"], &told["user_id"]), (&json!(true), &json!(bob.id)));
        let reasons = told["reasons"].as_array().unwrap();
        assert_eq!(reasons.len(), 1);
        assert_eq!(reasons[0]["role"], json!("may-bob"));
        assert_eq!(reasons[0]["role_given_by"], json!(admin.id));
        assert_eq!(reasons[0]["permission_given_by"], json!(admin.id));

        // Nature gave it to administrators, and the operator made this one.
        let told = explain(&app, &admin, &format!("permission=users:read&user_id={}", admin.id)).await.json()["data"][0].clone();
        assert_eq!(told["reasons"][0]["role"], json!("admin"));
        assert_eq!((&told["reasons"][0]["role_given_by"], &told["reasons"][0]["permission_given_at"]), (&json!(null), &json!(null)));

        let told = explain(&app, &admin, &format!("permission=users:delete&user_id={}", bob.id)).await.json()["data"][0].clone();
        assert_eq!((&told["allowed"], &told["reasons"]), (&json!(false), &json!([])));
        app.set_active(bob.user_id(), false).await;
        let told = explain(&app, &admin, &format!("permission=users:read&user_id={}", bob.id)).await.json()["data"][0].clone();
        assert_eq!((&told["allowed"], &told["obstacle"]), (&json!(false), &json!("disabled")));
    }

    async fn a_right_that_needs_a_second_factor_is_worth_nothing_without_one(app: TestApp = |setup| setup.set("second_factor.required_for", "admin")) {
        let admin = app.with_totp(&an_admin(&app, "ada").await).await.persona;
        let bob = an_admin(&app, "bob").await;
        for (user, allowed) in [(&admin, true), (&bob, false)] {
            let told = explain(&app, &admin, &format!("permission=users:read&user_id={}", user.id)).await.json()["data"][0].clone();
            assert_eq!((&told["allowed"], &told["reasons"][0]["needs_second_factor"]), (&json!(allowed), &json!(true)));
        }
    }

    async fn it_lists_who_can_page_by_page_each_once(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        let mut expected = vec![admin.id.clone()];
        for name in ["bob", "cyd", "dan", "eve"] {
            expected.push(user_who_may(&app, &admin, name, &["users:read", "audit:read"]).await.id);
        }
        let eve = app.login("eve", PASSWORD).await;
        // Two roles that bring it, and one that does not count any more.
        assert_eq!(assign(&app, &admin, &Persona::of(&eve), &["may-eve", "may-dan", "admin"]).await.status, 200);
        app.set_active(expected[1].parse().unwrap(), false).await;
        expected.remove(1);
        // Newest first, and in one millisecond by chance.
        expected.sort_by(|a, b| b.cmp(a));
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = explain(&app, &admin, &format!("permission=users:read&limit=2{cursor}")).await.json();
            found.extend(page["data"].as_array().unwrap().iter().map(|told| told["user_id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, expected);
    }

    async fn what_does_not_exist_is_said(app: TestApp) {
        let admin = an_admin(&app, "ada").await;
        explain(&app, &admin, "permission=no:such").await.assert_invalid("/permission", "unknown_permission");
        explain(&app, &admin, "permission=users:read&user_id=0193b6a0-0000-7000-8000-000000000000").await.assert_refused(404, "not_found");
        explain(&app, &admin, "").await.assert_invalid("/permission", "required");
    }
}
