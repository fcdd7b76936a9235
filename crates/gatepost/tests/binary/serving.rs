//! `gatepost serve`.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::process::{Installation, PASSWORD, setup_token, text};

/// Registers an account and returns its tokens.
fn register(server: &crate::process::Server, name: &str) -> (String, String) {
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
    let (status, answer) = server.post("/api/v1/auth/register", &body);
    assert_eq!(status, 201, "{answer}");
    let token = |kind: &str| answer[kind].as_str().unwrap().to_owned();
    (token("access_token"), token("refresh_token"))
}

fn the_main_job(installation: &Installation) {
    let server = installation.serve();
    assert_eq!(server.get("/readyz").0, 200);
    let (access, refresh) = register(&server, "ada");
    assert_eq!(server.me(&access), 200);
    let (status, next) = server.post("/api/v1/auth/refresh", &json!({ "refresh_token": refresh }));
    assert_eq!(status, 200, "{next}");
    let next = next["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {next}");
    assert_eq!(server.request("POST", "/api/v1/auth/logout", &[("Authorization", &bearer)], "").0, 204);
    assert_eq!(server.me(next), 401);
    assert_eq!(server.me(&access), 401);
    let (status, _) = server.post("/api/v1/auth/refresh", &json!({ "refresh_token": refresh }));
    assert_eq!(status, 401);
    assert_eq!(server.get("/docs/").0, 200);
}

#[test]
fn the_main_job_runs_in_an_empty_folder() {
    the_main_job(&Installation::on_sqlite());
}

#[tokio::test]
async fn the_main_job_runs_on_postgresql() {
    the_main_job(&Installation::on_postgres().await);
}

#[test]
fn reg_07_the_setup_link_is_in_a_private_file_and_works_once() {
    let installation = Installation::on_sqlite();
    let server = installation.serve();
    let file = installation.path("data/setup-link");
    server.until("the setup link", || file.exists().then_some(()));
    let mode = |name: &str| std::fs::metadata(installation.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data/setup-link"), 0o600);
    assert_eq!(mode("data/master.key"), 0o600);
    assert_eq!(mode("data/gatepost.db"), 0o600);
    assert_eq!(mode("data"), 0o700);

    let body = json!({ "token": setup_token(installation.folder.path()), "email": "owner@example.com", "password": PASSWORD });
    let (status, answer) = server.post("/api/v1/setup", &body);
    assert_eq!(status, 201, "{answer}");
    assert_eq!(server.post("/api/v1/setup", &body).0, 404);
    let output = installation.run(&["setup-link"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("owner already"));
}

#[test]
fn reg_07_a_new_setup_link_ends_the_one_before_beside_a_running_server() {
    let installation = Installation::on_sqlite();
    let server = installation.serve();
    let file = installation.path("data/setup-link");
    server.until("the setup link", || file.exists().then_some(()));
    let first = setup_token(installation.folder.path());
    let link = installation.succeed(&["setup-link", "--public-url", "https://auth.example.com"]);
    assert!(link.starts_with("https://auth.example.com/setup#gps_"), "{link}");
    let second = link.trim().split_once('#').unwrap().1.to_owned();
    let with = |token: &str| json!({ "token": token, "email": "owner@example.com", "password": PASSWORD });
    assert_eq!(server.post("/api/v1/setup", &with(&first)).0, 400);
    assert_eq!(server.post("/api/v1/setup", &with(&second)).0, 201);
}

#[test]
fn reg_07_an_unattended_installation_gets_its_owner_from_the_environment() {
    let installation = Installation::on_sqlite();
    std::fs::write(installation.path("password"), format!("{PASSWORD}\n")).unwrap();
    let mut command = installation.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("GATEPOST_ADMIN_EMAIL", "owner@example.com");
    // Without a password the start is refused, and nothing is half made.
    assert_eq!(command.output().unwrap().status.code(), Some(78));
    command.env("GATEPOST_ADMIN_PASSWORD_FILE", installation.path("password"));
    let mut child = command.spawn().unwrap();
    let server = installation; // its folder lives as long as the child
    let started = std::time::Instant::now();
    while !text(&server.run(&["user", "list"]).stdout).contains("admin,user") {
        assert!(started.elapsed().as_secs() < 60, "the owner was not made");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!server.path("data/setup-link").exists());
}

#[test]
fn rel_06_a_second_server_on_the_same_folder_exits_75_and_says_so() {
    let installation = Installation::on_sqlite();
    let server = installation.serve();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate", "up"]] {
        let output = installation.run(command);
        assert_eq!(output.status.code(), Some(75), "{command:?}");
        assert!(
            text(&output.stderr).contains("locked by another gatepost process"),
            "{}",
            text(&output.stderr)
        );
    }
    assert_eq!(server.get("/livez").0, 200);
}

#[test]
fn rel_20_a_server_that_is_told_to_stop_finishes_and_exits_0() {
    let installation = Installation::on_sqlite();
    let server = installation.serve();
    let (access, _) = register(&server, "ada");
    server.signal("TERM");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped"), "{log}");
    assert!(!log.contains(&access) && !log.contains(PASSWORD), "a secret is in the log");
    // What was acknowledged is there after the restart, and so is the session.
    assert_eq!(installation.serve_on_issuer_of(&access), 200);
}

#[test]
fn rel_01_what_was_acknowledged_survives_kill_9() {
    let installation = Installation::on_sqlite();
    for round in 0..5 {
        let server = installation.serve();
        let email = format!("round-{round}@example.com");
        let body = json!({ "email": email, "password": PASSWORD });
        assert_eq!(server.post("/api/v1/auth/register", &body).0, 201);
        server.signal("KILL");
        server.end();
    }
    let listed = installation.succeed(&["user", "list"]);
    for round in 0..5 {
        assert!(listed.contains(&format!("round-{round}@example.com")), "{listed}");
    }
}

#[test]
fn jwt_07_keys_that_are_rotated_and_revoked_beside_the_server_are_seen_by_it() {
    keys_change_beside_the_server(&Installation::on_sqlite());
}

#[tokio::test]
async fn jwt_07_keys_that_are_rotated_and_revoked_beside_the_server_are_seen_by_it_on_postgresql() {
    keys_change_beside_the_server(&Installation::on_postgres().await);
}

fn keys_change_beside_the_server(installation: &Installation) {
    let server = installation.serve();
    let (access, refresh) = register(&server, "ada");
    let kids = || -> Vec<String> {
        let jwks: serde_json::Value = serde_json::from_str(&server.get("/.well-known/jwks.json").1).unwrap();
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let first = kids();
    assert_eq!(first.len(), 1);
    installation.succeed(&["keys", "rotate", "--now"]);
    server.until("the new key", || (kids().len() == 2).then_some(()));
    assert_eq!(server.me(&access), 200, "a token of the retiring key is still good");
    installation.succeed(&["keys", "revoke", &first[0]]);
    server.until("the end of the revoked key", || (server.me(&access) == 401).then_some(()));
    assert!(!kids().contains(&first[0]));
    let (status, next) = server.post("/api/v1/auth/refresh", &json!({ "refresh_token": refresh }));
    assert_eq!(status, 200, "sessions survive: {next}");
    assert_eq!(server.me(next["access_token"].as_str().unwrap()), 200);
}

#[test]
fn ses_11_a_user_who_is_disabled_beside_the_server_is_out() {
    a_user_is_disabled_beside_the_server(&Installation::on_sqlite());
}

#[tokio::test]
async fn ses_11_a_user_who_is_disabled_beside_the_server_is_out_on_postgresql() {
    a_user_is_disabled_beside_the_server(&Installation::on_postgres().await);
}

fn a_user_is_disabled_beside_the_server(installation: &Installation) {
    let server = installation.serve();
    let (access, refresh) = register(&server, "ada");
    assert_eq!(server.me(&access), 200);
    installation.succeed(&["user", "disable", "ADA@example.com"]);
    server.until("the end of the session", || (server.me(&access) == 401).then_some(()));
    assert_eq!(server.post("/api/v1/auth/refresh", &json!({ "refresh_token": refresh })).0, 401);
    installation.succeed(&["user", "enable", "ada@example.com"]);
    assert_eq!(server.me(&access), 401, "what ended stays ended");
    let login = json!({ "identifier": "ada@example.com", "password": PASSWORD });
    assert_eq!(server.post("/api/v1/auth/login", &login).0, 200);
}

#[test]
fn an_operator_ends_all_sessions_of_an_account_beside_the_server() {
    let installation = Installation::on_sqlite();
    let server = installation.serve();
    let ((access, refresh), (other, _)) = (register(&server, "ada"), register(&server, "bob"));
    assert_eq!(server.me(&access), 200);
    assert!(installation.succeed(&["user", "revoke-sessions", "ADA@example.com"]).contains("1 ended"));
    server.until("the end of the session", || (server.me(&access) == 401).then_some(()));
    assert_eq!(server.post("/api/v1/auth/refresh", &json!({ "refresh_token": refresh })).0, 401);
    assert_eq!(server.me(&other), 200);
    let login = json!({ "identifier": "ada@example.com", "password": PASSWORD });
    assert_eq!(server.post("/api/v1/auth/login", &login).0, 200);
    assert_eq!(installation.run(&["user", "revoke-sessions", "nobody"]).status.code(), Some(1));
}

impl Installation {
    /// Starts the server again and asks it who has this token. Its issuer has another port, so the port is taken from the
    /// token's own issuer.
    fn serve_on_issuer_of(&self, access: &str) -> u16 {
        use base64_url::decode;
        let claims: serde_json::Value =
            serde_json::from_slice(&decode(access.split('.').nth(1).unwrap())).unwrap();
        let address = claims["iss"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let server = self.serve_at(&address);
        server.me(access)
    }
}

mod base64_url {
    /// Base64url without padding, for a token that the server itself made.
    pub(super) fn decode(text: &str) -> Vec<u8> {
        let value = |byte: u8| match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            _ => 63,
        };
        let mut bytes = Vec::new();
        let (mut bits, mut held) = (0_u32, 0);
        for byte in text.bytes() {
            bits = (bits << 6) | u32::from(value(byte));
            held += 6;
            if held >= 8 {
                held -= 8;
                bytes.push(u8::try_from((bits >> held) & 0xff).unwrap());
            }
        }
        bytes
    }
}
