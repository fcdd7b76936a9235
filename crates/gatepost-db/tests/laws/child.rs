//! A second process, to be killed: this test program once more, with a role.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use gatepost_db::{Db, DbError, Target};
use gatepost_kernel::Secret;

use crate::testing::patient;

const ROLE: &str = "GATEPOST_TEST_CHILD_ROLE";
const PLACE: &str = "GATEPOST_TEST_CHILD_PLACE";

/// A running child. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    _input: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts a child in a role, at a place: a database or a folder.
    pub(crate) fn start(role: &str, place: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child::plays_its_role", "--exact", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .env(PLACE, place)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            // A last line without its end was cut by the kill; it says nothing.
            while output.read_line(&mut text).is_ok() && text.ends_with('\n') {
                if line.send(text.trim().to_owned()).is_err() {
                    return;
                }
                text.clear();
            }
        });
        Self { child, _input: input, lines }
    }

    /// The next line that begins with this word, without the word. `None` when the child has ended.
    pub(crate) fn next(&self, word: &str) -> Option<String> {
        self.lines.iter().find_map(|line| line.strip_prefix(word).map(|rest| rest.trim().to_owned()))
    }

    /// `kill -9`, and what it had said until then.
    pub(crate) fn kill(mut self, word: &str) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next(word)).collect()
    }

    /// Waits for its end, and returns its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The place of a database, as text for a child.
pub(crate) fn place(target: &Target) -> String {
    match target {
        Target::Sqlite(path) => path.to_str().unwrap().to_owned(),
        Target::Postgres { url, .. } => url.expose().clone(),
    }
}

fn target(place: &str) -> Target {
    if place.starts_with("postgres") {
        Target::Postgres {
            url: Secret::new(place.to_owned()),
            connections: 4,
            statement_timeout: Duration::from_secs(30),
        }
    } else {
        Target::Sqlite(place.into())
    }
}

/// Speaks to the parent. The line break before the words ends what the test runner may have begun.
pub(crate) fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{words}\n").as_bytes()).and_then(|()| out.flush()).expect("the parent listens");
}

/// Waits for the end of the input: for ever, unless the parent ends.
pub(crate) fn stay() {
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
}

#[expect(clippy::disallowed_methods, reason = "how a parent test speaks to its child")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "other tests start this one as a process of its own"]
async fn plays_its_role() {
    let (Some(role), Some(place)) = (variable(ROLE), variable(PLACE)) else { return };
    let open = async || -> Result<Db, DbError> { Db::open(&target(&place), patient()).await };
    match role.as_str() {
        "lock" => crate::lock::hold(place.as_ref()),
        "insert" => crate::crash::insert_for_ever(open().await.unwrap()).await,
        "migrate" => crate::migrations_in_trouble::migrate_slowly(open().await.unwrap()).await,
        other => panic!("no role {other}"),
    }
}
