//! An authenticator that this project did not write.

use std::process::Command;
use std::time::Duration;

use gatepost_kernel::Timestamp;
use serde_json::json;

use crate::app::{Node, TestApp};
use crate::client::Answer;
use crate::persona::{PASSWORD, Persona};

/// How long a code is the current one.
const STEP: Duration = Duration::from_secs(30);

/// Somebody's authenticator: `oathtool` of the OATH Toolkit, which shares no line with the server's library.
#[derive(Clone)]
pub struct Authenticator {
    secret: String,
}

impl Authenticator {
    /// One that was told this secret, in base32.
    pub fn new(secret: &str) -> Self {
        Self { secret: secret.to_owned() }
    }

    /// What it shows at this time.
    pub fn code_at(&self, time: Timestamp) -> String {
        let now = format!("@{}", time.as_secs());
        let shown = Command::new("oathtool")
            .args(["--totp=sha1", "--base32", &self.secret, "--now", &now])
            .output()
            .unwrap_or_else(|error| panic!("oathtool, which `cargo xtask test` installs: {error}"));
        assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        String::from_utf8(shown.stdout).unwrap().trim().to_owned()
    }
}

/// A user with a second factor.
#[derive(Clone)]
pub struct Enrolled {
    /// The user, signed in with the factor.
    pub persona: Persona,
    /// Their authenticator.
    pub authenticator: Authenticator,
    /// Their recovery codes.
    pub recovery_codes: Vec<String>,
}

impl TestApp {
    /// Gives a user who has just signed in a second factor.
    pub async fn with_totp(&self, user: &Persona) -> Enrolled {
        let begun = self.enrol_totp(&user.access_token).await;
        assert_eq!(begun.status, 201, "{}", begun.text());
        let authenticator = Authenticator::new(begun.json()["secret"].as_str().unwrap());
        let code = self.next_code(&authenticator);
        let confirmed = self.confirm_totp(&user.access_token, &code).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.text());
        let body = confirmed.json();
        let codes = body["recovery_codes"].as_array().unwrap();
        let recovery_codes = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        Enrolled { persona: Persona::of_json(&body["auth"]), authenticator, recovery_codes }
    }

    /// A code that was not used yet: time passes until the authenticator shows one.
    pub fn next_code(&self, authenticator: &Authenticator) -> String {
        self.clock.advance(STEP);
        authenticator.code_at(self.clock.now())
    }

    /// Signs in with the password and a new code.
    pub async fn login_with_totp(&self, user: &Enrolled) -> Persona {
        let challenge = self.challenge(&user.persona.username).await;
        let code = self.next_code(&user.authenticator);
        let answer = self.second_factor(&challenge, "totp", &code).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Persona::of(&answer)
    }
}

impl Node {
    /// `POST /api/v1/users/me/2fa/totp`.
    pub async fn enrol_totp(&self, access_token: &str) -> Answer {
        self.post("/api/v1/users/me/2fa/totp").bearer(access_token).send().await
    }

    /// `POST /api/v1/users/me/2fa/totp/confirm`.
    pub async fn confirm_totp(&self, access_token: &str, code: &str) -> Answer {
        let call = self.post("/api/v1/users/me/2fa/totp/confirm").bearer(access_token);
        call.json(&json!({ "code": code })).send().await
    }

    /// Shows the right password and returns the challenge for the second step.
    pub async fn challenge(&self, identifier: &str) -> String {
        let answer = self.login(identifier, PASSWORD).await;
        answer.assert_refused(401, "mfa_required");
        answer.json()["challenge"].as_str().unwrap().to_owned()
    }

    /// `POST /api/v1/auth/login/second-factor`.
    pub async fn second_factor(&self, challenge: &str, method: &str, code: &str) -> Answer {
        let body = json!({ "challenge": challenge, "method": method, "code": code });
        self.post("/api/v1/auth/login/second-factor").json(&body).send().await
    }
}
