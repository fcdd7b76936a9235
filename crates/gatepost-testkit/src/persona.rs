//! Who makes requests.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_db::DbError;
use gatepost_server::ids::UserId;
use gatepost_server::{access, accounts};
use serde_json::{Value, json};

use crate::app::Node;
use crate::client::Answer;

/// The password of every persona. The marker makes it easy to search for.
pub const PASSWORD: &str = "CANARY lanterns under the pier";

/// The permissions that the role `user` brings: what everybody may do with what is theirs.
pub const EVERYBODY_MAY: [&str; 4] = ["items:read", "items:write", "tasks:read", "tasks:write"];

/// A signed-in user.
#[derive(Clone, Debug)]
pub struct Persona {
    /// The account's id.
    pub id: String,
    /// The address.
    pub email: String,
    /// The username.
    pub username: String,
    /// The newest access token.
    pub access_token: String,
    /// The newest refresh token.
    pub refresh_token: String,
}

impl Persona {
    /// Reads an `AuthResponse`.
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        Self::of_json(&answer.json())
    }

    /// Reads an `AuthResponse` that stands in another body.
    #[track_caller]
    pub fn of_json(body: &Value) -> Self {
        let text =
            |value: &Value| value.as_str().unwrap_or_else(|| panic!("no AuthResponse: {body}")).to_owned();
        Self {
            id: text(&body["user"]["id"]),
            email: text(&body["user"]["email"]),
            username: body["user"]["username"].as_str().unwrap_or_default().to_owned(),
            access_token: text(&body["access_token"]),
            refresh_token: text(&body["refresh_token"]),
        }
    }
}

impl Persona {
    /// The account's id as the features know it.
    pub fn user_id(&self) -> UserId {
        self.id.parse().unwrap()
    }

    /// The payload of the access token, unverified.
    pub fn claims(&self) -> Value {
        let payload = self.access_token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }
}

/// A browser that is signed in: the values of its cookies.
#[derive(Clone, Debug)]
pub struct Browser {
    /// The session cookie.
    pub cookie: String,
    /// The double-submit token.
    pub csrf: String,
}

impl Browser {
    /// Reads the answer to a sign-in.
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self { cookie: answer.cookie("sid").unwrap(), csrf: answer.cookie("csrf").unwrap() }
    }
}

impl Node {
    /// Signs this user in with [`PASSWORD`] and a session cookie.
    pub async fn browse(&self, identifier: &str) -> Browser {
        Browser::of(&self.browser_login(identifier, PASSWORD, false).await)
    }

    /// Asks for a browser session, from a page of our own.
    pub async fn browser_login(&self, identifier: &str, password: &str, remember: bool) -> Answer {
        let body = json!({ "identifier": identifier, "password": password, "session": "browser", "remember": remember });
        let call = self.post("/api/v1/auth/login").json(&body);
        call.header(http::HeaderName::from_static("sec-fetch-site"), "same-origin").send().await
    }

    /// Reads one's own account with a session cookie.
    pub async fn me_in(&self, browser: &Browser) -> Answer {
        self.get("/api/v1/users/me").browser(browser).send().await
    }

    /// Registers a user of this name, `<name>@example.com`, with [`PASSWORD`].
    pub async fn user(&self, name: &str) -> Persona {
        let body = json!({ "email": format!("{name}@example.com"), "username": name, "password": PASSWORD });
        let answer = self.post("/api/v1/auth/register").json(&body).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        Persona::of(&answer)
    }

    /// Registers a user whose name no other test step uses.
    pub async fn some_user(&self) -> Persona {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        self.user(&format!("user-{}", NUMBER.fetch_add(1, Ordering::Relaxed))).await
    }

    /// Makes the first owner through the setup link.
    pub async fn owner(&self) -> Persona {
        let token = self.setup_token().await;
        let body = json!({ "token": token, "email": "owner@example.com", "username": "owner", "password": PASSWORD });
        let answer = self.post("/api/v1/setup").json(&body).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        Persona::of(&answer)
    }

    /// Makes a setup link and returns its token.
    pub async fn setup_token(&self) -> String {
        let link = gatepost_server::sign_up::make_setup_link(&self.app).await.unwrap();
        let url = link.expect("there is no owner yet").url(&self.app.issuer);
        url.split_once('#').unwrap().1.to_owned()
    }

    /// Signs in with this password.
    pub async fn login(&self, identifier: &str, password: &str) -> Answer {
        let body = json!({ "identifier": identifier, "password": password });
        self.post("/api/v1/auth/login").json(&body).send().await
    }

    /// Exchanges a refresh token.
    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/api/v1/auth/refresh").json(&json!({ "refresh_token": token })).send().await
    }

    /// `POST /oauth/token`.
    pub async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.post("/oauth/token").form(fields).send().await
    }

    /// `PUT /api/v1/users/me/password`.
    pub async fn change_password(&self, access_token: &str, current: &str, new: &str) -> Answer {
        let body = json!({ "current_password": current, "new_password": new });
        self.put("/api/v1/users/me/password").bearer(access_token).json(&body).send().await
    }

    /// Makes an API key for somebody who signed in a moment ago.
    pub async fn api_key(&self, owner: &Persona, scopes: &[&str]) -> String {
        let body = json!({ "name": "a program", "scopes": scopes });
        let answer = self.post("/api/v1/api-keys").bearer(&owner.access_token).json(&body).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["key"].as_str().unwrap().to_owned()
    }

    /// Signs out with an access token.
    pub async fn logout(&self, access_token: &str) -> Answer {
        self.post("/api/v1/auth/logout").bearer(access_token).send().await
    }

    /// Switches an account off or on, as its administrator does.
    pub async fn set_active(&self, user: UserId, active: bool) {
        let (act, identities) = (self.app.operator_act(), self.app.identities.clone());
        let done = self.app.db.write(move |tx| {
            identities.forget_after_commit(tx, user);
            accounts::set_active(tx, &act, user, active)
        });
        done.await.unwrap();
    }

    /// Deletes an account, as its administrator does.
    pub async fn delete_account(&self, user: UserId) {
        let (act, identities) = (self.app.operator_act(), self.app.identities.clone());
        let done = self.app.db.write(move |tx| {
            identities.forget_after_commit(tx, user);
            accounts::delete(tx, &act, user)
        });
        done.await.unwrap();
    }

    /// Gives a role, as an administrator does.
    pub async fn grant_role(&self, user: UserId, role: &'static str) {
        let (act, identities) = (self.app.operator_act(), self.app.identities.clone());
        let done: Result<(), DbError> = self
            .app
            .db
            .write(move |tx| {
                identities.forget_after_commit(tx, user);
                access::grant(tx, &act, user, role)
            })
            .await;
        done.unwrap();
    }

    /// Reads one's own account.
    pub async fn me(&self, access_token: &str) -> Answer {
        self.get("/api/v1/users/me").bearer(access_token).send().await
    }
}
