//! Every way to a credential × every state of an account: only an account that may be used gets one.

use gatepost_db::{Statement, params};
use gatepost_testkit::{Answer, Node, PASSWORD, Persona, TestApp, on_each_db};
use serde_json::json;

/// A way in.
#[derive(Clone, Copy, Debug)]
enum Flow {
    LoginByEmail,
    LoginByUsername,
    LoginForACookie,
    PasswordGrant,
    RefreshJson,
    RefreshForm,
    AccessToken,
    ChangePassword,
    ApiKey,
}

/// What became of the account after it handed out its tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Active,
    Disabled,
    Deleted,
    PasswordChanged,
    Reenabled,
    SecondFactor,
    /// An administrator has yet to let its owner in, whatever was handed out before.
    AwaitingApproval,
}

const FLOWS: [Flow; 9] = [
    Flow::LoginByEmail,
    Flow::LoginByUsername,
    Flow::LoginForACookie,
    Flow::PasswordGrant,
    Flow::RefreshJson,
    Flow::RefreshForm,
    Flow::AccessToken,
    Flow::ChangePassword,
    Flow::ApiKey,
];
const STATES: [State; 7] = [
    State::Active,
    State::Disabled,
    State::Deleted,
    State::PasswordChanged,
    State::Reenabled,
    State::SecondFactor,
    State::AwaitingApproval,
];

impl Flow {
    async fn attempt(self, node: &Node, user: &Persona, key: &str) -> Answer {
        match self {
            Self::LoginByEmail => node.login(&user.email, PASSWORD).await,
            Self::LoginByUsername => node.login(&user.username, PASSWORD).await,
            Self::LoginForACookie => node.browser_login(&user.email, PASSWORD, true).await,
            Self::PasswordGrant => {
                let fields = [("grant_type", "password"), ("username", &user.email), ("password", PASSWORD)];
                node.token(&fields).await
            }
            Self::RefreshJson => node.refresh(&user.refresh_token).await,
            Self::RefreshForm => {
                node.token(&[("grant_type", "refresh_token"), ("refresh_token", &user.refresh_token)]).await
            }
            Self::AccessToken => node.me(&user.access_token).await,
            Self::ApiKey => node.get("/api/v1/users/me").api_key(key).send().await,
            Self::ChangePassword => {
                node.change_password(&user.access_token, PASSWORD, "CANARY lanterns over the quay").await
            }
        }
    }

    const fn refusal(self, state: State) -> (u16, &'static str) {
        match self {
            // The password is right, and not enough.
            Self::LoginByEmail | Self::LoginByUsername | Self::LoginForACookie
                if matches!(state, State::SecondFactor) =>
            {
                (401, "mfa_required")
            }
            Self::PasswordGrant if matches!(state, State::SecondFactor) => (400, "mfa_required"),
            // Said only after the right password, which each of these brings.
            Self::LoginByEmail | Self::LoginByUsername | Self::LoginForACookie
                if matches!(state, State::AwaitingApproval) =>
            {
                (403, "awaiting_approval")
            }
            Self::LoginByEmail | Self::LoginByUsername | Self::LoginForACookie => {
                (401, "invalid_credentials")
            }
            Self::PasswordGrant | Self::RefreshForm => (400, "invalid_grant"),
            Self::RefreshJson => (401, "invalid_refresh_token"),
            Self::AccessToken | Self::ChangePassword | Self::ApiKey => (401, "invalid_token"),
        }
    }

    /// Whether the proof is the password, and not something that an earlier sign-in left.
    const fn proves_the_password(self) -> bool {
        match self {
            Self::LoginByEmail | Self::LoginByUsername | Self::LoginForACookie | Self::PasswordGrant => true,
            Self::RefreshJson
            | Self::RefreshForm
            | Self::AccessToken
            | Self::ChangePassword
            | Self::ApiKey => false,
        }
    }
}

impl State {
    async fn bring_about(self, app: &TestApp, user: &Persona) {
        match self {
            Self::Active => {}
            Self::Disabled => app.set_active(user.user_id(), false).await,
            Self::Deleted => app.delete_account(user.user_id()).await,
            Self::PasswordChanged => {
                let new = "CANARY lighthouse above the reef";
                let answer = app.change_password(&user.access_token, PASSWORD, new).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
            Self::Reenabled => {
                app.set_active(user.user_id(), false).await;
                app.set_active(user.user_id(), true).await;
            }
            Self::SecondFactor => drop(app.with_totp(user).await),
            Self::AwaitingApproval => {
                let (id, identities) = (user.user_id(), app.app.identities.clone());
                let done = app.db().write(move |tx| {
                    identities.forget_after_commit(tx, id);
                    tx.execute(&AWAIT, &params![id])
                });
                assert_eq!(done.await.unwrap(), 1);
            }
        }
    }

    const fn lets_in(self, flow: Flow) -> bool {
        match self {
            Self::Active => true,
            Self::Disabled | Self::Deleted | Self::AwaitingApproval => false,
            // A key is no sign-in: it goes on.
            Self::PasswordChanged | Self::SecondFactor => matches!(flow, Flow::ApiKey),
            Self::Reenabled => flow.proves_the_password(),
        }
    }
}

static AWAIT: Statement = Statement::new("AWAIT", "UPDATE users SET awaiting_approval = TRUE WHERE id = ?1");

async fn sessions(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM sessions", &[]).await
}

on_each_db! {
    async fn bru_09_only_an_account_that_may_be_used_gets_a_credential(app: TestApp) {
        // A node that has not seen the account yet reads it from the database, as does one that just learned of the change.
        let second = app.second_node().await;
        for state in STATES {
            for (number, flow) in FLOWS.into_iter().enumerate() {
                for (place, node) in [(0, &*app), (1, &second)] {
                    let user = app.user(&format!("{}-{number}-{place}", format!("{state:?}").to_lowercase())).await;
                    let key = app.api_key(&user, &[]).await;
                    state.bring_about(&app, &user).await;
                    let before = sessions(&app).await;
                    let answer = flow.attempt(node, &user, &key).await;
                    if state.lets_in(flow) {
                        assert_eq!(answer.status, 200, "{flow:?} × {state:?}: {}", answer.text());
                    } else {
                        let (status, code) = flow.refusal(state);
                        answer.assert_refused(status, code);
                        assert!(!answer.text().contains("access_token"), "{flow:?} × {state:?}");
                        assert_eq!(sessions(&app).await, before, "{flow:?} × {state:?} opened a session");
                    }
                }
            }
        }
    }

    async fn bru_09_every_operation_that_answers_tokens_is_in_the_matrix(app: TestApp) {
        // A new way in must be added above, or stand here with its reason.
        let document = app.get("/openapi.json").send().await.json();
        let mut minting = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let answers = operation["responses"].to_string();
                if ["AuthResponse", "SignInResponse", "TokenResponse", "SecondFactorEnabled"].iter().any(|name| answers.contains(name)) {
                    minting.push(format!("{method} {path}"));
                }
            }
        }
        minting.sort();
        assert_eq!(json!(minting), json!([
            "post /api/v1/auth/accept-invitation", // makes the account
            "post /api/v1/auth/login",
            "post /api/v1/auth/login/second-factor",
            "post /api/v1/auth/refresh",
            "post /api/v1/auth/register", // makes the account
            "post /api/v1/setup", // makes the account
            "post /api/v1/users/me/2fa/totp/confirm", // a session that was confirmed in the transaction
            "post /oauth/token",
            "put /api/v1/users/me/password",
        ]));
    }
}
