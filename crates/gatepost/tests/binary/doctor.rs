//! `gatepost doctor`, on installations that are sound and on others.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use gatepost_db::DirectoryLock;

use crate::audit::behind;
use crate::process::{Installation, PASSWORD, text};

/// The exit code, and the line about this.
#[track_caller]
fn line_about(installation: &Installation, about: &str) -> (Option<i32>, String) {
    let output = installation.run(&["doctor"]);
    let said = text(&output.stdout);
    let line = said.lines().find(|line| line.get(6..).is_some_and(|rest| rest.starts_with(about)));
    let line = line.unwrap_or_else(|| panic!("nothing about {about}: {said}{}", text(&output.stderr)));
    (output.status.code(), line.to_owned())
}

#[track_caller]
fn is(installation: &Installation, grade: &str, about: &str, seen: &str) {
    let (code, line) = line_about(installation, about);
    assert!(line.starts_with(grade) && line.contains(seen), "{line}");
    assert_eq!(code, Some(i32::from(grade == "fail")), "{line}");
}

fn configure(installation: &Installation, settings: &str) {
    std::fs::write(installation.path("gatepost.toml"), settings).unwrap();
}

fn with_an_administrator(installation: &Installation) {
    installation.succeed(&["migrate", "up"]);
    let create = ["user", "create-admin", "--email", "owner@example.com", "--password-stdin"];
    let made = installation.run_with_input(&create, &format!("{PASSWORD}\n"));
    assert!(made.status.success(), "{}", text(&made.stderr));
}

async fn a_sound_installation_is_said_to_be_sound(installation: &Installation) {
    installation.succeed(&["migrate", "up"]);
    for about in
        ["configuration", "database", "administrators", "audit log", "dead letters", "mail", "limits"]
    {
        is(installation, "ok", about, "");
    }
    is(installation, "ok", "master key", "the first start makes it");
    assert!(!installation.path("data/master.key").exists(), "looking made a key");

    with_an_administrator(installation);
    is(installation, "ok", "master key", "belongs to this database");
    is(installation, "warn", "administrators", "without a second factor: 1");
    configure(installation, "[second_factor]\nrequired_for = ['admin']\n");
    is(installation, "ok", "administrators", "");
    configure(installation, "");
    behind(installation, &["UPDATE users SET two_factor_enabled = TRUE"]).await;
    is(installation, "ok", "administrators", "");

    // The entry of the new administrator waits for a server, for as long as it takes.
    is(installation, "ok", "audit log", "when a server runs");
    let dead = "INSERT INTO outbox (id, kind, recipient, position, created_at, state, due_at, give_up_at, attempts, fence, \
        ended_at) SELECT id, 'welcome', {bytes}, 0, 0, 'dead', 0, 0, 1, 1, 0 FROM users";
    let bytes = if installation.database_url().is_some() { "decode('00', 'hex')" } else { "x'00'" };
    behind(installation, &[dead.replace("{bytes}", bytes).leak()]).await;
    is(installation, "warn", "dead letters", "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_installation_is_said_to_be_sound_on_sqlite() {
    a_sound_installation_is_said_to_be_sound(&Installation::on_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_installation_is_said_to_be_sound_on_postgresql() {
    a_sound_installation_is_said_to_be_sound(&Installation::on_postgres().await).await;
}

#[test]
fn a_configuration_that_is_not_believed_is_a_finding() {
    let installation = Installation::on_sqlite();
    configure(&installation, "listne = '127.0.0.1:1'\n");
    is(&installation, "fail", "configuration", "");
    assert!(!installation.path("data").exists());
}

#[test]
fn a_database_that_is_not_there_or_old_is_a_finding_and_none_is_made() {
    let installation = Installation::on_sqlite();
    is(&installation, "fail", "database", "no database at");
    assert!(!installation.path("data").exists());
    configure(&installation, "database_url = 'postgres://nobody@127.0.0.1:9/nothing'\n");
    is(&installation, "fail", "database", "");
    configure(&installation, "");
    installation.succeed(&["migrate", "up"]);
    installation.succeed(&["migrate", "down", "--to", "3", "--yes"]);
    is(&installation, "fail", "database", "older than this program");
}

#[test]
fn jwt_08_a_master_key_that_others_read_or_that_is_missing_is_a_finding() {
    let installation = Installation::on_sqlite();
    // A start makes the keys that the master key seals.
    drop(installation.serve());
    let key = installation.path("data/master.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
    is(&installation, "fail", "master key", "can be read by others");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    is(&installation, "ok", "master key", "");
    std::fs::set_permissions(installation.path("data"), PermissionsExt::from_mode(0o777)).unwrap();
    is(&installation, "fail", "master key", "open to other users");
    std::fs::set_permissions(installation.path("data"), PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::write(&key, "Xq3vLw9ZtB0nR5yKc7HdE2mJf8sPgU4aVi6oNx1Wk_c").unwrap();
    is(&installation, "fail", "master key", "another master key");
    std::fs::remove_file(&key).unwrap();
    is(&installation, "fail", "master key", "is missing");
    assert!(!key.exists());
}

#[test]
fn a_mail_server_that_does_not_greet_is_a_finding() {
    let installation = Installation::on_sqlite();
    installation.succeed(&["migrate", "up"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = format!("[mail.smtp]\nhost = '127.0.0.1:{port}'\ntls = 'none'\n");
    configure(&installation, &settings);
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"220 mail.example\r\n").unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(client.try_clone().unwrap()).lines() {
            let line = line.unwrap();
            let answer: &[u8] = if line == "QUIT" { b"221 bye\r\n" } else { b"250 mail.example\r\n" };
            said.push(line);
            // It may not wait for our farewell.
            drop(client.write_all(answer));
        }
        said
    });
    is(&installation, "ok", "mail", "greets");
    let said = server.join().unwrap();
    assert!(said[0].starts_with("EHLO") && said[1..] == ["QUIT"], "a mail was begun: {said:?}");
    // Nobody listens there any more.
    is(&installation, "fail", "mail", &format!("127.0.0.1:{port}"));
}

#[test]
fn what_should_be_meant_is_warned_of() {
    let installation = Installation::on_sqlite();
    installation.succeed(&["migrate", "up"]);
    configure(&installation, "public_url = 'https://id.example.com'\n[limits]\nenabled = false\n");
    is(&installation, "warn", "mail", "local mailbox");
    is(&installation, "warn", "limits", "off");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_entry_without_a_seal_is_warned_of_where_something_serves() {
    let installation = Installation::on_sqlite();
    installation.succeed(&["migrate", "up"]);
    is(&installation, "ok", "audit log", "everything is sealed");
    let old = "INSERT INTO audit_log (id, at, action, details) VALUES (randomblob(16), 1767225600000000, 'locked_out', '{}')";
    behind(&installation, &[old]).await;
    is(&installation, "ok", "audit log", "when a server runs");
    // As a server that does not seal.
    let lock = DirectoryLock::acquire(&installation.path("data")).unwrap();
    is(&installation, "warn", "audit log", "1 entries are not sealed");
    drop(lock);
    is(&installation, "ok", "audit log", "when a server runs");
}

#[test]
fn the_start_reminds_of_administrators_without_a_second_factor() {
    let installation = Installation::on_sqlite();
    let log = |installation: &Installation| {
        let server = installation.serve();
        server.until("readiness", || (server.get("/readyz").0 == 200).then_some(()));
        server.signal("TERM");
        server.end().1
    };
    const REMINDER: &str = "administrators without a second factor";
    assert!(!log(&installation).contains(REMINDER), "there is no administrator");
    with_an_administrator(&installation);
    let said = log(&installation);
    assert_eq!(said.matches(REMINDER).count(), 1, "{said}");
    assert!(said.contains("second_factor.required_for"), "{said}");
    configure(&installation, "[second_factor]\nrequired_for = ['admin']\n");
    assert!(!log(&installation).contains(REMINDER));
}
