//! `gatepost user import` and `export`.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::process::{Installation, text};

const OLD_PASSWORD: &str = "correct horse battery staple";
const HASH: &str = "$2b$04$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4.C";

/// Rows of which every hundredth is bad.
fn rows(numbers: std::ops::RangeInclusive<usize>) -> String {
    let mut text = String::new();
    for row in numbers {
        let at = if row % 100 == 0 { "" } else { "@example.com" };
        writeln!(text, "user{row}{at},user{row},{HASH}").unwrap();
    }
    text
}

fn migrated(installation: Installation, rows: usize) -> Installation {
    installation.succeed(&["migrate", "up"]);
    let text = format!("email,username,password_hash\n{}", self::rows(1..=rows));
    std::fs::write(installation.path("users.csv"), text).unwrap();
    installation
}

fn accounts(installation: &Installation) -> usize {
    installation.succeed(&["user", "list", "--json"]).lines().count()
}

fn registrations(installation: &Installation) -> usize {
    let list = ["audit", "list", "--action", "user_registered", "--json", "--limit", "1000000"];
    installation.succeed(&list).lines().count()
}

fn a_run_that_is_killed_goes_on(installation: &Installation) {
    const ROWS: usize = 10_000;
    let import = ["user", "import", "users.csv", "--errors", "bad.txt"];
    let bad = || std::fs::read_to_string(installation.path("bad.txt")).unwrap_or_default();
    let mut child =
        installation.command(&import).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while bad().lines().count() < 15 {
        assert!(started.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let there = accounts(installation);
    assert!((1_485..ROWS / 100 * 99).contains(&there), "it was killed too late: {there}");

    let output = installation.run(&import);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("going on behind its first "), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.starts_with("created 9900, updated 0, unchanged 0, skipped 0, bad 100 ("), "{said}");
    assert_eq!((accounts(installation), registrations(installation)), (9_900, 9_900));
    let expected: String = (1..=100)
        .map(|bad| format!("line {}: email: This is not a mail address.\n", bad * 100 + 1))
        .collect();
    assert_eq!(bad(), expected, "each bad row has one line");

    let again = installation.run(&import);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("imported already: 10000 rows, 100 bad"), "{}", text(&again.stderr));
}

#[test]
fn rel_01_a_run_that_is_killed_goes_on_on_sqlite() {
    a_run_that_is_killed_goes_on(&migrated(Installation::on_sqlite(), 10_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn rel_01_a_run_that_is_killed_goes_on_on_postgresql() {
    a_run_that_is_killed_goes_on(&migrated(Installation::on_postgres().await, 10_000));
}

#[test]
fn a_run_says_what_became_of_the_rows_with_its_exit_code() {
    let installation = migrated(Installation::on_sqlite(), 99);
    let dry = installation.succeed(&["user", "import", "users.csv", "--dry-run"]);
    assert!(dry.starts_with("dry run, nothing was written: created 99,"), "{dry}");
    assert_eq!(accounts(&installation), 0);
    let done = installation.succeed(&["user", "import", "users.csv"]);
    assert!(done.starts_with("created 99, updated 0, unchanged 0, skipped 0, bad 0 ("), "{done}");
    let again = installation.succeed(&["user", "import", "users.csv", "--again"]);
    assert!(again.starts_with("created 0, updated 0, unchanged 99,"), "{again}");

    let refused = |arguments: &[&str], part: &str| {
        let output = installation.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(part), "{arguments:?}: {}", text(&output.stderr));
    };
    std::fs::write(installation.path("new.csv"), "email,password\neve@example.com,hunter2\n").unwrap();
    refused(&["user", "import", "new.csv"], "no passwords in clear");
    std::fs::write(installation.path("new.csv"), "email\neve@example.com\nnobody\n").unwrap();
    refused(&["user", "import", "new.csv"], "line 3: email: This is not a mail address.\n");
    refused(&["user", "import", "-"], "--format");
    assert_eq!(installation.run(&["user", "import", "none.csv"]).status.code(), Some(74));
    assert_eq!(accounts(&installation), 100);
}

#[test]
fn a_run_from_a_pipe_ends_behind_its_batch_when_it_is_asked_to() {
    let installation = migrated(Installation::on_sqlite(), 0);
    let mut child = installation
        .command(&["user", "import", "-", "--format", "csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    write!(pipe, "email,username,password_hash\n{}", rows(1..=2_000)).unwrap();
    assert_eq!(said.next().unwrap(), "line 101: email: This is not a mail address.");
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    assert!(said.any(|line| line.contains("stopping behind the batch")));
    write!(pipe, "{}", rows(2_001..=4_000)).unwrap();
    let rest: Vec<String> = said.collect();
    // How large the second batch is depends on how long the first one took.
    let stopped =
        rest.iter().find_map(|line| line.split_once("stopped behind row ")?.1.parse::<usize>().ok());
    let rows = stopped.unwrap_or_else(|| panic!("{rest:?}"));
    assert!((2_001..=4_000).contains(&rows), "{rows}");
    assert!(rest.iter().any(|line| line.contains("give it all once more")), "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert_eq!(accounts(&installation), rows - rows / 100);
}

fn accounts_move_beside_running_servers(here: &Installation, there: &Installation) {
    let server = here.serve();
    let owner = json!({ "email": "ada@example.com", "username": "ada", "password": OLD_PASSWORD });
    assert_eq!(server.post("/api/v1/auth/register", &owner).0, 201);
    here.succeed(&["user", "import", "users.csv"]);
    let with = |name: &str| json!({ "identifier": name, "password": OLD_PASSWORD });
    assert_eq!(server.post("/api/v1/auth/login", &with("user7")).0, 200);

    let said = here.run(&["user", "export", "--with-password-hashes", "--output", "all.jsonl"]);
    assert!(said.status.success(), "{}", text(&said.stderr));
    assert!(text(&said.stderr).contains("hashes of passwords"), "{}", text(&said.stderr));
    let mode = std::fs::metadata(here.path("all.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = here.run(&["user", "export", "--output", "all.jsonl"]);
    assert_eq!(again.status.code(), Some(74), "a file that is there is not overwritten");
    assert!(!here.succeed(&["user", "export"]).contains("$argon2id$"));

    let other = there.serve();
    std::fs::copy(here.path("all.jsonl"), there.path("all.jsonl")).unwrap();
    let done = there.succeed(&["user", "import", "all.jsonl"]);
    assert!(done.starts_with("created 100, "), "{done}");
    // A hash of another system verifies anywhere; one of ours only under the master key that it was made with.
    assert_eq!(other.post("/api/v1/auth/login", &with("user8")).0, 200);
    assert_eq!(other.post("/api/v1/auth/login", &with("ada")).0, 401);
    there.succeed(&["user", "export", "--output", "back.jsonl"]);
    here.succeed(&["user", "export", "--output", "left.jsonl"]);
    let sorted = |installation: &Installation, name: &str| {
        let text = std::fs::read_to_string(installation.path(name)).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(there, "back.jsonl"), sorted(here, "left.jsonl"));
}

#[test]
fn accounts_move_beside_running_servers_on_sqlite() {
    let here = migrated(Installation::on_sqlite(), 99);
    accounts_move_beside_running_servers(&here, &Installation::on_sqlite());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_move_beside_running_servers_on_postgresql() {
    let here = migrated(Installation::on_postgres().await, 99);
    accounts_move_beside_running_servers(&here, &Installation::on_postgres().await);
}

#[test]
fn a_server_beside_an_import_gets_its_turn() {
    let installation = migrated(Installation::on_sqlite(), 20_000);
    let server = installation.serve();
    let mut import = installation
        .command(&["user", "import", "users.csv"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(import.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.next().unwrap().starts_with("line 101: "));
    let rest = std::thread::spawn(move || said.count());
    for number in 0..4 {
        let body = json!({ "email": format!("new{number}@example.com"), "password": OLD_PASSWORD });
        let (status, answer) = server.post("/api/v1/auth/register", &body);
        assert_eq!(status, 201, "{answer}");
    }
    assert_eq!(import.wait().unwrap().code(), Some(1));
    assert!(rest.join().unwrap() >= 199);
    assert_eq!(accounts(&installation), 19_804);
}
