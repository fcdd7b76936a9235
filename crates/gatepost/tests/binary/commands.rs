//! The commands beside `serve`.

use crate::process::{Installation, PASSWORD, text};

#[test]
fn every_problem_of_a_configuration_is_said_at_once_with_exit_78() {
    let installation = Installation::on_sqlite();
    std::fs::write(
        installation.path("gatepost.toml"),
        "listne = '127.0.0.1:1'\n[tokens]\naccess_ttl = '1s'\n[sign_up]\nmode = 'verify-first'\n",
    )
    .unwrap();
    for command in [&["serve"][..], &["config", "check"], &["user", "list"]] {
        let output = installation.run(command);
        assert_eq!(output.status.code(), Some(78), "{command:?}");
        let said = text(&output.stderr);
        for part in ["listne", "did you mean", "access_ttl", "sign_up.mode"] {
            assert!(said.contains(part), "{part} is missing: {said}");
        }
    }
    assert!(!installation.path("data").exists(), "a refused start left something behind");
}

#[test]
fn a_reachable_address_needs_a_public_url() {
    let installation = Installation::on_sqlite();
    let output = installation.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("public_url = \"https://"), "{}", text(&output.stderr));
}

/// One id in 64 begins like a flag.
#[test]
fn a_key_whose_id_begins_with_a_hyphen_can_be_named() {
    let installation = Installation::on_sqlite();
    drop(installation.serve());
    let output = installation.run(&["keys", "revoke", "-eIUwV2Jx-1Zj4ereCc0SHFitxSaeyNFwgAlUYbq6Bc"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("there is no key -eIU"), "{}", text(&output.stderr));
}

#[test]
fn jwt_08_another_master_key_is_refused_with_exit_78() {
    let installation = Installation::on_sqlite();
    drop(installation.serve());
    let key = installation.path("data/master.key");
    std::fs::remove_file(&key).unwrap();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["keys", "list"]] {
        let output = installation.run(command);
        assert_eq!(output.status.code(), Some(78));
        assert!(text(&output.stderr).contains("is missing"), "{}", text(&output.stderr));
        assert!(!key.exists(), "a key that opens nothing took the place of the missing one");
    }
    let mut command = installation.command(&["serve", "--listen", "127.0.0.1:0"]);
    let output = command
        .env("GATEPOST_KEYS_MASTER_KEY", "Xq3vLw9ZtB0nR5yKc7HdE2mJf8sPgU4aVi6oNx1Wk_c")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("another master key"), "{}", text(&output.stderr));
}

#[test]
fn jwt_08_a_known_or_short_master_key_is_refused() {
    let installation = Installation::on_sqlite();
    for key in ["your-super-secret-key", "short"] {
        let mut command = installation.command(&["serve", "--listen", "127.0.0.1:0"]);
        let output = command.env("GATEPOST_KEYS_MASTER_KEY", key).output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        assert!(!text(&output.stderr).contains(key), "the secret is repeated: {}", text(&output.stderr));
    }
}

#[test]
fn create_admin_is_idempotent_and_reads_the_password_from_standard_input() {
    let installation = Installation::on_sqlite();
    installation.succeed(&["migrate", "up"]);
    let create = ["user", "create-admin", "--email", "owner@example.com", "--password-stdin"];
    let weak = installation.run_with_input(&create, "12345\n");
    assert_eq!(weak.status.code(), Some(1));
    assert!(text(&weak.stderr).contains("at least 12 characters"), "{}", text(&weak.stderr));
    let made = installation.run_with_input(&create, &format!("{PASSWORD}\n"));
    assert!(made.status.success(), "{}", text(&made.stderr));
    let again = installation.run_with_input(&create, "another password entirely\n");
    assert!(again.status.success());
    assert!(text(&again.stdout).contains("already"));
    let shown = installation.succeed(&["user", "show", "OWNER@example.com"]);
    assert!(shown.contains("\"admin\"") && !shown.contains("argon2"), "{shown}");
    // The password of the first call is the one that counts.
    let server = installation.serve();
    let with =
        |password: &str| serde_json::json!({ "identifier": "owner@example.com", "password": password });
    assert_eq!(server.post("/api/v1/auth/login", &with(PASSWORD)).0, 200);
    assert_eq!(server.post("/api/v1/auth/login", &with("another password entirely")).0, 401);
}

#[test]
fn accounts_wait_are_approved_and_come_by_invitation() {
    let installation = Installation::on_sqlite();
    std::fs::write(installation.path("gatepost.toml"), "[sign_up]\nmode = 'admin_approval'\n").unwrap();
    let server = installation.serve();
    let ada = serde_json::json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(server.post("/api/v1/auth/register", &ada).0, 202);
    let waits = |line: &str| line.contains("waiting") && line.ends_with("ada@example.com");
    assert!(installation.succeed(&["user", "list"]).lines().any(waits));
    assert!(
        installation.succeed(&["user", "show", "ada@example.com"]).contains("\"awaiting_approval\": true")
    );
    let said = installation.succeed(&["user", "approve", "ada@example.com"]);
    assert!(said.contains("once the address is verified"), "{said}");
    assert!(installation.succeed(&["user", "approve", "ada@example.com"]).contains("was not waiting"));
    assert!(!installation.succeed(&["user", "list"]).lines().any(waits));

    let said = installation.succeed(&["user", "invite", "bob@example.com", "--role", "admin"]);
    let (_, token) = said.trim_end().split_once("/accept-invitation#token=").unwrap();
    let body = serde_json::json!({ "token": token, "password": PASSWORD });
    let (status, answer) = server.post("/api/v1/auth/accept-invitation", &body);
    assert_eq!((status, &answer["user"]["roles"]), (201, &serde_json::json!(["admin", "user"])));
    let refused = installation.run(&["user", "invite", "BOB@example.com"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("has an account already"), "{}", text(&refused.stderr));
    let refused = installation.run(&["user", "invite", "eve@example.com", "--role", "king"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("there is no role king"), "{}", text(&refused.stderr));
}

#[test]
fn accounts_are_given_roles_deleted_and_brought_back() {
    let installation = Installation::on_sqlite();
    let server = installation.serve();
    for name in ["ada", "bob", "eve"] {
        let body = serde_json::json!({ "email": format!("{name}@example.com"), "username": name, "password": PASSWORD });
        assert_eq!(server.post("/api/v1/auth/register", &body).0, 201);
    }
    let roles = |more: &[&str]| installation.run(&[&["user", "roles"], more].concat());
    assert_eq!(text(&roles(&["ada"]).stdout), "ada@example.com: user\n");
    assert_eq!(text(&roles(&["ada", "admin"]).stdout), "ada@example.com: admin, user\n");
    for (more, why) in
        [(&["ada", "user"][..], "last administrator"), (&["ada", "admin", "king"], "no role king")]
    {
        let refused = roles(more);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused.stderr).contains(why), "{}", text(&refused.stderr));
    }
    assert_eq!(text(&roles(&["ADA@example.com"]).stdout), "ada@example.com: admin, user\n");

    let refused = installation.run(&["user", "delete", "ada"]);
    assert!(text(&refused.stderr).contains("last administrator"), "{}", text(&refused.stderr));
    let refused = installation.run(&["user", "delete", "bob", "--transfer-to", "BOB"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = installation.succeed(&["user", "delete", "bob", "--transfer-to", "eve"]);
    assert!(said.contains("what it owned is eve@example.com's"), "{said}");
    let bob = serde_json::json!({ "identifier": "bob", "password": PASSWORD });
    assert_eq!(server.post("/api/v1/auth/login", &bob).0, 401);
    assert_eq!(installation.run(&["user", "restore", "eve"]).status.code(), Some(1));
    assert!(installation.succeed(&["user", "restore", "BOB@example.com"]).contains("is back"));
    assert_eq!(server.post("/api/v1/auth/login", &bob).0, 200);
}

#[test]
fn set_password_ends_every_session() {
    let installation = Installation::on_sqlite();
    let server = installation.serve();
    let body = serde_json::json!({ "email": "ada@example.com", "password": PASSWORD });
    let (_, answer) = server.post("/api/v1/auth/register", &body);
    let access = answer["access_token"].as_str().unwrap();
    let set = ["user", "set-password", "ada@example.com", "--password-stdin"];
    let output = installation.run_with_input(&set, "seven crates of green tea\n");
    assert!(output.status.success(), "{}", text(&output.stderr));
    server.until("the end of the session", || (server.me(access) == 401).then_some(()));
    let with = |password: &str| serde_json::json!({ "identifier": "ada@example.com", "password": password });
    assert_eq!(server.post("/api/v1/auth/login", &with(PASSWORD)).0, 401);
    assert_eq!(server.post("/api/v1/auth/login", &with("seven crates of green tea")).0, 200);
}

fn migrations_go_up_and_down(installation: &Installation) {
    assert!(installation.succeed(&["migrate", "status"]).contains("pending"));
    let stale = installation.run(&["user", "list"]);
    assert_eq!(stale.status.code(), Some(78));
    installation.succeed(&["migrate", "up"]);
    assert!(!installation.succeed(&["migrate", "status"]).contains("pending"));
    assert_eq!(installation.run(&["migrate", "down", "--to", "0"]).status.code(), Some(1), "without --yes");
    assert!(!installation.succeed(&["migrate", "status"]).contains("pending"));
    installation.succeed(&["migrate", "down", "--to", "0", "--yes"]);
    assert!(!installation.succeed(&["migrate", "status"]).contains("applied 2"));
    installation.succeed(&["migrate", "up"]);
    assert!(installation.succeed(&["user", "list"]).contains("E-MAIL"));
}

#[test]
fn migrations_go_up_and_down_on_sqlite() {
    migrations_go_up_and_down(&Installation::on_sqlite());
}

#[tokio::test]
async fn migrations_go_up_and_down_on_postgresql() {
    migrations_go_up_and_down(&Installation::on_postgres().await);
}

#[test]
fn commands_without_a_database_say_where_they_looked() {
    let installation = Installation::on_sqlite();
    let output = installation.run(&["user", "list"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("data/gatepost.db"), "{}", text(&output.stderr));
    assert!(!installation.path("data").exists());
}

#[test]
fn a_database_that_is_down_is_exit_69() {
    let installation = Installation::on_sqlite();
    let url = "postgres://nobody@127.0.0.1:9/nothing";
    let output = installation.run(&["serve", "--listen", "127.0.0.1:0", "--database-url", url]);
    assert_eq!(output.status.code(), Some(69), "{}", text(&output.stderr));
}

#[test]
fn the_configuration_is_shown_without_its_secrets() {
    let installation = Installation::on_sqlite();
    let mut command = installation.command(&["config", "show", "--redacted"]);
    let secret = "canary-canary-canary-canary-canary";
    let output = command.env("GATEPOST_METRICS_TOKEN", secret).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.contains("metrics") && !shown.contains(secret), "{shown}");
}

#[test]
fn the_example_configuration_can_be_used_as_it_is() {
    let installation = Installation::on_sqlite();
    installation.succeed(&["config", "init", "--output", "gatepost.toml"]);
    installation.succeed(&["config", "check"]);
    let again = installation.run(&["config", "init", "--output", "gatepost.toml"]);
    assert_eq!(again.status.code(), Some(74), "an existing file is not overwritten");
}

#[test]
fn what_needs_no_database_needs_no_folder() {
    let installation = Installation::on_sqlite();
    let document: serde_json::Value = serde_json::from_str(&installation.succeed(&["openapi"])).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(installation.succeed(&["completions", "bash"]).contains("gatepost"));
    assert!(installation.succeed(&["--version"]).contains(env!("CARGO_PKG_VERSION")));
    assert!(installation.succeed(&["--help"]).contains("Exit codes"));
    assert!(!installation.path("data").exists());
}

#[test]
fn the_operator_reads_the_local_mailbox_and_the_queue() {
    let here = Installation::on_sqlite();
    here.succeed(&["migrate", "up"]);
    let id = "019b76da-a800-7b30-9a44-3f1d5c2e8b10";
    std::fs::create_dir_all(here.path("data/mailbox")).unwrap();
    let mail = "To: ada@example.com\r\nSubject: Gatepost: \x1b[31mhello\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\
        Content-Type: multipart/alternative;\r\n boundary=\"gatepost-1\"\r\n\r\n--gatepost-1\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\r\nClick=20here\x1b[2J\r\n--gatepost-1--\r\n";
    std::fs::write(here.path(&format!("data/mailbox/{id}.eml")), mail).unwrap();
    let list = here.succeed(&["mail", "list"]);
    assert!(list.contains(id) && list.contains("ada@example.com"), "{list}");
    let shown = here.succeed(&["mail", "show", id]);
    assert!(shown.contains("Click here"), "{shown}");
    // Whoever writes a mail does not write on the operator's terminal.
    assert!(!list.contains('\x1b') && !shown.contains('\x1b'));
    assert_eq!(here.run(&["mail", "show", "../../master.key"]).status.code(), Some(1));
    assert_eq!(here.succeed(&["mail", "queue"]).lines().count(), 1);
    let link = here.succeed(&["mail", "link"]);
    assert!(link.starts_with("http://") && link.contains("/dev/mailbox?key="), "{link}");
    assert_eq!(here.succeed(&["mail", "link"]), link, "it stays the same");
    assert_eq!(here.run(&["mail", "link", "--public-url", "https://id.example.com"]).status.code(), Some(1));
    assert_eq!(here.succeed(&["mail", "retry", "--all"]).trim(), "there is no dead letter");
    assert_eq!(here.run(&["mail", "retry", id]).status.code(), Some(1));
    assert_eq!(here.run(&["mail", "retry"]).status.code(), Some(2));
    here.succeed(&["mail", "templates", "mails"]);
    assert!(here.path("mails/layout.html").is_file());
    assert_eq!(here.run(&["mail", "templates", "mails"]).status.code(), Some(74), "nothing is overwritten");
}
