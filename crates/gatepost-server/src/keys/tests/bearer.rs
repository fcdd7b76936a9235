//! How a token comes with a request (RFC 6750).

use gatepost_testkit::on_each_db;
use http::header::AUTHORIZATION;

const ME: &str = "/api/v1/users/me";

on_each_db! {
    async fn jwt_05_no_credentials_is_a_bare_challenge(app: TestApp) {
        for call in [app.get(ME), app.get(ME).header(AUTHORIZATION, "Basic YWRhOng=")] {
            let answer = call.send().await;
            answer.assert_refused(401, "authentication_required");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }

    async fn jwt_05_a_token_in_the_query_is_not_looked_at(app: TestApp) {
        let ada = app.user("ada").await;
        let answer = app.get(&format!("{ME}?access_token={}", ada.access_token)).send().await;
        answer.assert_refused(401, "authentication_required");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        let answer = app.get(&format!("{ME}?access_token=garbage")).bearer(&ada.access_token).send().await;
        assert_eq!(answer.status, 200);
        // A form body is no place either.
        let answer = app.call(http::Method::PATCH, ME).form(&[("access_token", &ada.access_token)]).send().await;
        assert_eq!(answer.status, 401);
    }

    async fn jwt_05_two_credentials_are_refused(app: TestApp) {
        let ada = app.user("ada").await;
        let token = format!("Bearer {}", ada.access_token);
        for other in [token.as_str(), "Bearer garbage", "Basic YWRhOng="] {
            let answer = app.get(ME).header(AUTHORIZATION, &token).and_header(AUTHORIZATION, other).send().await;
            answer.assert_refused(400, "invalid_request");
        }
    }

    async fn jwt_05_garbage_is_refused_and_never_more(app: TestApp) {
        let ada = app.user("ada").await;
        let good = &ada.access_token;
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (header, payload) = head.split_once('.').unwrap();
        let mut bent = good.clone().into_bytes();
        let last = bent.len() - 1;
        // 64 bytes leave four unused bits in the last character: another spelling of the same signature.
        bent[last] = if bent[last] == b'A' { b'B' } else { bent[last] + 1 };
        let mebibyte = "a".repeat(1 << 20);
        let huge = format!("{header}.{}.{signature}", "e".repeat(9_000));
        for garbage in [
            "", " ", "a", ".", "..", "...", "a.b.c", "null", "{}", "Bearer", "%00", "\u{7f}", &format!("{good}="), &format!("{good}."), &format!(".{good}"),
            &format!("{good} {good}"), &format!("{good},{good}"), &format!(" {good}"), &format!("\"{good}\""), &format!("{head}."), head, &format!("{header}..{signature}"),
            &format!("{payload}.{header}.{signature}"), &good.to_uppercase(), String::from_utf8(bent).unwrap().as_str(), &huge, &mebibyte,
        ] {
            let mut call = app.get(ME);
            call = match http::HeaderValue::from_str(&format!("Bearer {garbage}")) {
                Ok(_) => call.header(AUTHORIZATION, &format!("Bearer {garbage}")),
                Err(_) => continue,
            };
            let answer = call.send().await;
            // Too much of it is refused before anybody reads it.
            if garbage.len() > 16_000 && answer.status == 431 {
                continue;
            }
            answer.assert_refused(401, "invalid_token");
            assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#);
        }
        assert_eq!(app.get(ME).header(AUTHORIZATION, &format!("bEARER {good}")).send().await.status, 200);
    }

    async fn an_optional_caller_with_a_bad_token_is_not_a_stranger(app: TestApp) {
        let ada = app.user("ada").await;
        let logout = app.post("/api/v1/auth/logout").header(AUTHORIZATION, "Bearer  two spaces").send().await;
        logout.assert_refused(401, "invalid_token");
        let twice = app.post("/api/v1/auth/logout").bearer(&ada.access_token).and_header(AUTHORIZATION, "Bearer x").send().await;
        twice.assert_refused(400, "invalid_request");
        assert_eq!(app.me(&ada.access_token).await.status, 200);
    }
}
