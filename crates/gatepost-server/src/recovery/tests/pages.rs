//! The pages behind links.

use gatepost_testkit::{PASSWORD, on_each_db};
use http::Method;

use super::letters::{confirm_token, present, reset, reset_token, undo_token, verified, verify_token};

on_each_db! {
    async fn rec_04_brief3_looking_at_a_link_never_uses_it_up(app: TestApp) {
        let ada = app.user("ada").await;
        let (verify, new) = (verify_token(&app, &ada.email).await, reset_token(&app, &ada.email).await);
        let bob = verified(&app, "bob").await;
        let confirm = confirm_token(&app, &bob, "new@example.com").await;
        let undo = undo_token(&app, &bob.email).await;
        for (page, token) in [
            ("/verify-email", &verify),
            ("/reset-password", &new),
            ("/confirm-email", &confirm),
            ("/undo-email", &undo),
            ("/secure-account", &undo),
        ] {
            for method in [Method::HEAD, Method::GET] {
                // A scanner may put the fragment anywhere.
                for path in [page.to_owned(), format!("{page}?token={token}")] {
                    let answer = app.call(method.clone(), &path).send().await;
                    assert_eq!(answer.status, 200, "{method} {path}");
                    assert_eq!(answer.header("set-cookie"), "");
                    assert_eq!(answer.header("cache-control"), "no-store");
                    assert_eq!(answer.header("referrer-policy"), "no-referrer");
                    assert!(!answer.text().contains(token.as_str()), "nothing of a request is in the page");
                }
            }
        }
        app.get("/api/v1/auth/verify-email").send().await.assert_refused(405, "method_not_allowed");
        assert_eq!(present(&app, "verify-email", &verify).await.status, 204);
        assert_eq!(present(&app, "confirm-email", &confirm).await.status, 204);
        assert_eq!(present(&app, "undo-email", &undo).await.status, 204);
        assert_eq!(reset(&app, &new, PASSWORD.to_uppercase().as_str()).await.status, 204);
    }
}
