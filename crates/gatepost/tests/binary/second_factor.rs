//! `gatepost user reset-2fa`, beside a running server.

use gatepost_kernel::Clock;
use gatepost_testkit::Authenticator;
use serde_json::{Value, json};

use crate::process::{Installation, PASSWORD, Server, text};

/// What a signed-in user posts, and what they hear.
fn post_as(server: &Server, access_token: &str, path: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {access_token}");
    let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
    let (status, body) = server.request("POST", path, &headers, &body.to_string());
    (status, serde_json::from_str(&body).unwrap_or_default())
}

fn an_operator_takes_a_lost_factor_away(installation: &Installation) {
    const TOTP: &str = "/api/v1/users/me/2fa/totp";
    let server = installation.serve();
    let (_, ada) =
        server.post("/api/v1/auth/register", &json!({ "email": "ada@example.com", "password": PASSWORD }));
    let (status, begun) = post_as(&server, ada["access_token"].as_str().unwrap(), TOTP, &json!({}));
    assert_eq!(status, 201, "{begun}");
    let authenticator = Authenticator::new(begun["secret"].as_str().unwrap());
    let code = json!({ "code": authenticator.code_at(Clock::system().now()) });
    let confirm = format!("{TOTP}/confirm");
    let (status, enabled) = post_as(&server, ada["access_token"].as_str().unwrap(), &confirm, &code);
    assert_eq!(status, 200, "{enabled}");
    let access = enabled["auth"]["access_token"].as_str().unwrap();
    assert_eq!(server.me(access), 200);
    let login = json!({ "identifier": "ada@example.com", "password": PASSWORD });
    let (status, challenge) = server.post("/api/v1/auth/login", &login);
    assert_eq!((status, &challenge["code"]), (401, &json!("mfa_required")));

    let said = installation.succeed(&["user", "reset-2fa", "ada@example.com"]);
    assert!(said.contains("no second factor any more"), "{said}");
    server.until("the end of the session", || (server.me(access) == 401).then_some(()));
    let answer = json!({
        "challenge": challenge["challenge"], "method": "recovery_code", "code": enabled["recovery_codes"][0],
    });
    let (status, late) = server.post("/api/v1/auth/login/second-factor", &answer);
    assert_eq!((status, &late["code"]), (401, &json!("challenge_expired")));
    assert_eq!(server.post("/api/v1/auth/login", &login).0, 200);
    let audited = installation.succeed(&["audit", "list", "--action", "second_factor_disabled"]);
    assert!(audited.contains("operator"), "{audited}");

    let again = installation.succeed(&["user", "reset-2fa", "ada@example.com"]);
    assert!(again.contains("had no second factor"), "{again}");
    let nobody = installation.run(&["user", "reset-2fa", "eve@example.com"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", text(&nobody.stderr));
}

#[test]
fn an_operator_takes_a_lost_factor_away_on_sqlite() {
    an_operator_takes_a_lost_factor_away(&Installation::on_sqlite());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_takes_a_lost_factor_away_on_postgresql() {
    an_operator_takes_a_lost_factor_away(&Installation::on_postgres().await);
}
