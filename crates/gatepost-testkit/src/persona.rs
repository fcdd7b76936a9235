//! Who makes requests.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::app::Node;
use crate::client::Answer;

/// The password of every persona. The marker makes it easy to search for.
pub const PASSWORD: &str = "CANARY lanterns under the pier";

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
        let body = answer.json();
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

impl Node {
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

    /// Reads one's own account.
    pub async fn me(&self, access_token: &str) -> Answer {
        self.get("/api/v1/users/me").bearer(access_token).send().await
    }
}
