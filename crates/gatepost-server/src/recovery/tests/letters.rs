//! The mails that are owed, as their readers would see them, and what the tests do with the links.

use std::time::Duration;

use gatepost_db::{DbError, Statement, params};
use gatepost_server::recovery::answer_requests;
use gatepost_testkit::{Answer, Node, Persona, TestApp, master_key};
use serde_json::{Value, json};

/// A mail that is owed.
pub(super) struct Letter {
    pub(super) kind: String,
    pub(super) to: String,
    pub(super) says: Value,
}

impl Letter {
    /// The token of its link.
    #[track_caller]
    pub(super) fn token(&self) -> String {
        let link = self.says["link"].as_str().unwrap();
        link.split_once("#token=").unwrap().1.to_owned()
    }
}

/// Every mail that is owed, in order.
pub(super) async fn letters(app: &TestApp) -> Vec<Letter> {
    static OWED: Statement = Statement::new("OWED", "SELECT id, kind, sealed FROM outbox ORDER BY position");
    let rows = app.db().read(|tx| {
        tx.query_all(&OWED, &[], |row| {
            Ok((row.get::<uuid::Uuid>(0)?, row.get::<String>(1)?, row.get::<Vec<u8>>(2)?))
        })
    });
    let rows: Result<_, DbError> = rows.await;
    let key = master_key().derive("gatepost outbox");
    let open = |(id, kind, sealed): (uuid::Uuid, String, Vec<u8>)| {
        let text = key.open(id.as_bytes(), &sealed).unwrap();
        let mut payload: Value = serde_json::from_slice(text.expose()).unwrap();
        Letter { kind, to: payload["to"].as_str().unwrap().to_owned(), says: payload["letter"].take() }
    };
    let letters: Vec<_> = rows.unwrap().into_iter().map(open).collect();
    for letter in &letters {
        if let Some((_, token)) = letter.says["link"].as_str().and_then(|link| link.split_once("#token=")) {
            app.is_secret("mailed token", token);
        }
    }
    letters
}

/// The kinds of mails to an address, in order.
pub(super) async fn kinds(app: &TestApp, to: &str) -> Vec<String> {
    letters(app).await.into_iter().filter(|letter| letter.to == to).map(|letter| letter.kind).collect()
}

/// The newest mail of a kind to an address.
pub(super) async fn newest(app: &TestApp, to: &str, kind: &str) -> Letter {
    letters(app).await.into_iter().rfind(|letter| letter.to == to && letter.kind == kind).unwrap()
}

pub(super) async fn ask(node: &Node, path: &str, email: &str) -> Answer {
    node.post(&format!("/api/v1/auth/{path}")).json(&json!({ "email": email })).send().await
}

/// Asks for a reset link, and reads it from the mailbox.
pub(super) async fn reset_token(app: &TestApp, email: &str) -> String {
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(ask(app, "forgot-password", email).await.status, 202);
    answer_requests(&app.app).await.unwrap();
    newest(app, email, "reset_password").await.token()
}

/// The link of the sign-up.
pub(super) async fn verify_token(app: &TestApp, email: &str) -> String {
    newest(app, email, "verify_address").await.token()
}

pub(super) async fn present(node: &Node, path: &str, token: &str) -> Answer {
    node.post(&format!("/api/v1/auth/{path}")).json(&json!({ "token": token })).send().await
}

/// Asks for another address.
pub(super) async fn change(node: &Node, access_token: &str, new: &str) -> Answer {
    let call = node.post("/api/v1/users/me/email").bearer(access_token);
    call.json(&json!({ "new_email": new })).send().await
}

/// A signed-in user whose address is verified.
pub(super) async fn verified(app: &TestApp, name: &str) -> Persona {
    let user = app.user(name).await;
    verify(app, &user.email).await;
    user
}

/// Asks for another address, and returns the token that confirms it.
pub(super) async fn confirm_token(app: &TestApp, user: &Persona, new: &str) -> String {
    app.clock.advance(Duration::from_secs(60));
    let answer = change(app, &user.access_token, new).await;
    assert_eq!((answer.status, answer.json()), (202, json!({ "status": "check_email" })));
    newest(app, new, "confirm_address").await.token()
}

/// Changes the address of a user, whole way.
pub(super) async fn changed(app: &TestApp, user: &Persona, new: &str) {
    let token = confirm_token(app, user, new).await;
    assert_eq!(present(app, "confirm-email", &token).await.status, 204);
}

/// The token that takes a change back, from the newest mail to this address.
pub(super) async fn undo_token(app: &TestApp, old: &str) -> String {
    newest(app, old, "address_changing").await.token()
}

/// The address that the account has, and whether it is verified.
pub(super) async fn address(app: &TestApp, user: &Persona) -> (String, bool) {
    let id = user.user_id();
    let email = app.text("SELECT email FROM users WHERE id = ?1", &params![id]).await.unwrap();
    let verified = "SELECT count(*) FROM users WHERE id = ?1 AND email_verified";
    (email, app.number(verified, &params![id]).await == 1)
}

pub(super) async fn reset(node: &Node, token: &str, password: &str) -> Answer {
    let body = json!({ "token": token, "new_password": password });
    node.post("/api/v1/auth/reset-password").json(&body).send().await
}

/// Verifies the address of somebody who just signed up.
pub(super) async fn verify(app: &TestApp, email: &str) {
    let token = verify_token(app, email).await;
    assert_eq!(present(app, "verify-email", &token).await.status, 204);
}
