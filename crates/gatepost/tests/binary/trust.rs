//! What an operator relies on without looking: secrets that stay secret, a way in that stays open, output that can be cut.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use gatepost_db::Target;
use gatepost_db::testing::{Engine, scratch};

use crate::process::{Installation, PASSWORD, text};

#[tokio::test]
async fn jwt_08_a_password_on_the_command_line_is_warned_of_and_not_repeated() {
    let scratch = scratch(Engine::Postgres, Default::default()).await;
    let Target::Postgres { url, .. } = &scratch.target else { panic!("not PostgreSQL") };
    let (user, rest) = url.expose().split_once('@').unwrap();
    let url = format!("{user}:CANARY@{rest}");
    let installation = Installation::on_sqlite();
    let mut child = installation
        .command(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        log.push_str(&line);
        if line.contains("\"address\":") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(log.contains("on the command line"), "{log}");
    assert!(!log.contains("CANARY"), "{log}");
}

#[test]
fn a_database_url_comes_from_a_file_that_a_flag_names() {
    let installation = Installation::on_sqlite();
    std::fs::write(installation.path("url"), "sqlite:elsewhere.db\n").unwrap();
    installation.succeed(&["migrate", "up", "--database-url-file", "url"]);
    assert!(installation.path("elsewhere.db").exists());
    assert!(!installation.path("data/gatepost.db").exists());
}

#[test]
fn the_last_administrator_cannot_be_disabled() {
    let installation = Installation::on_sqlite();
    installation.succeed(&["migrate", "up"]);
    let create = |email: &str| {
        let create = ["user", "create-admin", "--email", email, "--password-stdin"];
        let output = installation.run_with_input(&create, PASSWORD);
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    create("first@example.com");
    let refused = installation.run(&["user", "disable", "first@example.com"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("last administrator"), "{}", text(&refused.stderr));
    create("second@example.com");
    installation.succeed(&["user", "disable", "first@example.com"]);
    // One that is disabled administers nothing.
    assert_eq!(installation.run(&["user", "disable", "second@example.com"]).status.code(), Some(1));
    installation.succeed(&["user", "enable", "first@example.com"]);
    installation.succeed(&["user", "disable", "second@example.com"]);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let installation = Installation::on_sqlite();
    installation.succeed(&["migrate", "up"]);
    for arguments in [&["config", "init"][..], &["openapi"], &["user", "list"], &["completions", "zsh"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = installation.command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(74), "{arguments:?}");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}

/// cargo hands what a build script sets on to the programs that it runs, as it does to this test.
#[test]
fn cargo_run_adds_nothing_that_the_configuration_refuses() {
    let installation = Installation::on_sqlite();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gatepost"));
    let output = command.args(["config", "check"]).current_dir(installation.folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn an_example_configuration_is_private_and_never_overwrites() {
    let installation = Installation::on_sqlite();
    let init = ["config", "init", "--output", "gatepost.toml"];
    installation.succeed(&init);
    let file = installation.path("gatepost.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&file, "listen = '127.0.0.1:1'").unwrap();
    assert_eq!(installation.run(&init).status.code(), Some(74));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "listen = '127.0.0.1:1'");
}

#[test]
fn a_setup_link_is_not_made_for_an_address_that_nobody_knows() {
    let installation = Installation::on_sqlite();
    installation.succeed(&["migrate", "up"]);
    let output = installation.run(&["setup-link", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("--public-url"), "{}", text(&output.stderr));
    let link = installation.succeed(&["setup-link"]);
    assert!(link.starts_with("http://127.0.0.1:8080/setup#gps_"), "{link}");
}

#[cfg(target_os = "linux")]
#[test]
fn http_07_a_server_may_open_as_many_files_as_the_system_allows() {
    let installation = Installation::on_sqlite();
    // A login shell gives 1,024 of many more.
    let mut child = std::process::Command::new("sh")
        .args(["-c", "ulimit -Sn 512 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_gatepost")])
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(installation.folder.path())
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stdout.take().unwrap());
    assert!(log.lines().any(|line| line.unwrap().contains("\"address\":")), "it did not start");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let columns: Vec<_> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(columns[0], columns[1], "the soft limit and the hard one");
    assert_ne!(columns[1], "512", "the machine of this test allows no more");
}

#[test]
fn metrics_on_an_address_of_their_own_answer_to_any_name() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let installation = Installation::on_sqlite();
    let settings = format!("[metrics]\nlisten = '0.0.0.0:{free}'\n");
    std::fs::write(installation.path("gatepost.toml"), settings).unwrap();
    let server = installation.serve();
    assert_eq!(server.get("/metrics").0, 404, "the main listener keeps them to itself");
    let scrape = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", free)).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: gatepost.monitoring:9090\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let metrics = scrape("/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 ") && metrics.contains("http_requests_total"), "{metrics}");
    assert!(scrape("/openapi.json").starts_with("HTTP/1.1 404 "));
}

#[test]
fn jwt_08_a_database_that_others_can_read_is_refused() {
    let installation = Installation::on_sqlite();
    drop(installation.serve());
    let file = installation.path("data/gatepost.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "list"]] {
        let output = installation.run(command);
        assert_eq!(output.status.code(), Some(78));
        assert!(text(&output.stderr).contains("chmod 600"), "{}", text(&output.stderr));
    }
}

#[test]
fn jwt_07_a_command_leaves_the_keys_of_the_server_alone() {
    let installation = Installation::on_sqlite();
    let _server = installation.serve();
    let mut command = installation.command(&["user", "list"]);
    assert!(command.env("GATEPOST_TOKENS_ALGORITHM", "HS256").output().unwrap().status.success());
    let keys = installation.succeed(&["keys", "list"]);
    assert!(keys.contains("EdDSA") && !keys.contains("HS256"), "{keys}");
}
