//! The same operations among a thousand accounts and among a million: what must not depend on how many others there are.
//!
//! Both houses stand on the same machine, and their rounds take turns, so the small one is the limit of the large one. The
//! accounts come from a file that `gatepost user import` reads, which is measured, too; the file is kept for the next run.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::client::{Connection, request};
use crate::load::{Script, round};
use crate::operations::Bench;
use crate::people::{Login, PASSWORD, logins_as, move_in, sign_in, text_field};
use crate::process::Process;
use crate::report::{Aim, Report};
use crate::subject::{Place, Subject};
use crate::{Plan, Result};

/// How much slower it may be among a million.
const SLOWER: f64 = 1.5;
/// How many accounts a page has, here.
const PAGE: usize = 50;
/// Who looks at the others.
const OWNER: &str = "owner@bench.example";
/// The hash of a password that nobody types here, as another system would have kept it.
const HASH: &str = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";

/// Measures both houses on one database.
pub(crate) async fn measure(subject: &Subject, plan: &Plan, report: &mut Report) -> Result {
    let bench = Bench { subject, plan };
    let [few, many] = [(Place::Few, plan.few), (Place::Many, plan.many)];
    for (place, accounts) in [few, many] {
        let seconds = fill(subject, place, accounts)?;
        if matches!(place, Place::Many) {
            let rate = accounts as f64 / seconds;
            let mut row = bench.row("import", 0);
            row.figures = vec![("rows", accounts as f64), ("seconds", seconds), ("per_second", rate)];
            row.aims.push(Aim::at_least("rows a second", 20_000.0, rate));
            report.add(row);
        }
    }
    let (few, many) = (House::open(subject, few).await?, House::open(subject, many).await?);
    for connections in [1, 16] {
        for (name, look) in [
            ("users, first page", Look::First),
            ("users, deep page", Look::Deep),
            ("users by address", Look::ByAddress),
            ("task list", Look::Tasks),
            ("permission check", Look::Guarded),
        ] {
            let scripts =
                |house: &House| (0..connections).map(|number| house.look(look, number)).collect::<Vec<_>>();
            compare(&bench, (name, connections), (&few, scripts(&few)), (&many, scripts(&many)), report)
                .await?;
        }
    }
    for connections in [1, 64] {
        let scripts = |house: &House| (0..connections).map(|number| house.create(number)).collect::<Vec<_>>();
        compare(&bench, ("task create", connections), (&few, scripts(&few)), (&many, scripts(&many)), report)
            .await?;
    }
    few.server.stop().await?;
    many.server.stop().await
}

async fn compare(
    bench: &Bench<'_>,
    (name, connections): (&'static str, usize),
    (few, mut limit): (&House, Vec<Ask>),
    (many, mut scripts): (&House, Vec<Ask>),
    report: &mut Report,
) -> Result {
    let (pair, peak) = bench
        .pair(&many.server, &mut scripts, async || round(&few.server, &mut limit, bench.plan).await)
        .await?;
    let mut row = bench.row(name, connections);
    row.figures = pair.figures(peak);
    row.aims.push(Aim::at_most("times as long as among few", SLOWER, 1.0 / pair.ratio()));
    if name == "task create" && connections == 64 && bench.subject.postgres.is_none() {
        row.aims.push(Aim::at_least("a second", 8_000.0, pair.subject.per_second()));
    }
    report.add(row);
    Ok(())
}

/// A server among its accounts, and who asks it.
struct House {
    server: Process,
    accounts: usize,
    owner: String,
    people: Vec<Login>,
    deep: String,
}

/// What somebody looks at.
#[derive(Clone, Copy)]
enum Look {
    First,
    Deep,
    ByAddress,
    Tasks,
    Guarded,
}

impl House {
    async fn open(subject: &Subject, (place, accounts): (Place, usize)) -> Result<Self> {
        make_owner(subject, place)?;
        let (server, _) = subject.start_at(place, &[]).await?;
        move_in(&server).await?;
        let people = sign_in(&server).await?;
        let owner = crate::load::once(server.address, logins_as(&[OWNER]), 1).await?;
        let Some(owner) = owner.into_iter().next() else { return Err("the owner did not sign in".into()) };
        let mut house = Self { server, accounts, owner: owner.access_token, people, deep: String::new() };
        house.deep = house.cursor_of_the_middle().await?;
        // So that the lists are not empty.
        let first: Vec<_> =
            (0..house.people.len()).flat_map(|number| vec![house.create(number); PAGE]).collect();
        crate::load::once(house.server.address, first, 16).await?;
        Ok(house)
    }

    /// Goes through the list as a client does, page by page to its middle.
    async fn cursor_of_the_middle(&self) -> Result<String> {
        let mut connection = Connection::open(self.server.address).await?;
        let mut cursor = String::new();
        for _ in 0..(self.accounts / 200).max(1) {
            let path = format!("/api/v1/admin/users?limit=100{cursor}");
            let answer = connection.exchange(&request("GET", &path, &bearer(&self.owner), "")).await?;
            let next = text_field(answer.body, "next_cursor").ok_or("a page of the list has no next one")?;
            cursor = format!("&cursor={next}");
        }
        Ok(cursor)
    }

    fn look(&self, look: Look, number: usize) -> Ask {
        let path = match look {
            Look::First => format!("/api/v1/admin/users?limit={PAGE}"),
            Look::Deep => format!("/api/v1/admin/users?limit={PAGE}{}", self.deep),
            // A hundred accounts begin like this in either house.
            Look::ByAddress => {
                format!("/api/v1/admin/users?limit={PAGE}&q={}", prefix_of(number % (self.accounts / 100)))
            }
            Look::Tasks => format!("/api/v1/tasks?limit={PAGE}"),
            Look::Guarded => "/api/v1/admin/roles/user".to_owned(),
        };
        let token = match look {
            Look::Tasks => self.token(number),
            Look::First | Look::Deep | Look::ByAddress | Look::Guarded => &self.owner,
        };
        Ask { request: request("GET", &path, &bearer(token), ""), hoped: 200 }
    }

    fn create(&self, number: usize) -> Ask {
        let body = r#"{"title":"Water the plants","description":"All but the cactus"}"#;
        Ask { request: request("POST", "/api/v1/tasks", &bearer(self.token(number)), body), hoped: 201 }
    }

    fn token(&self, number: usize) -> &str {
        self.people.get(number % self.people.len().max(1)).map_or("", |login| login.access_token.as_str())
    }
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

/// One request, again and again.
#[derive(Clone)]
struct Ask {
    request: Vec<u8>,
    hoped: u16,
}

impl Script for Ask {
    fn request(&mut self) -> &[u8] {
        &self.request
    }

    fn answer(&mut self, status: u16, _: &[u8]) -> bool {
        status == self.hoped
    }
}

/// The beginning of a hundred addresses.
fn prefix_of(hundred: usize) -> String {
    format!("resident-{hundred:06}")
}

/// Imports the accounts, and says how many seconds that took.
fn fill(subject: &Subject, place: Place, accounts: usize) -> Result<f64> {
    let file = accounts_file(accounts)?;
    run(&mut subject.command_at(place, &["migrate", "up"]), None)?;
    let began = Instant::now();
    let mut import = subject.command_at(place, &["user", "import"]);
    run(import.arg(&file), None)?;
    Ok(began.elapsed().as_secs_f64())
}

fn make_owner(subject: &Subject, place: Place) -> Result {
    let mut command =
        subject.command_at(place, &["user", "create-admin", "--email", OWNER, "--password-stdin"]);
    run(&mut command, Some(PASSWORD))
}

fn run(command: &mut Command, input: Option<&str>) -> Result {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        writeln!(stdin, "{input}")?;
    }
    let done = child.wait_with_output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} ended with {}: {}", done.status, String::from_utf8_lossy(&done.stderr)).into())
}

/// The file of so many accounts, made once.
fn accounts_file(accounts: usize) -> Result<PathBuf> {
    let folder = Path::new("target/bench");
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("accounts-{accounts}.csv"));
    if path.exists() {
        return Ok(path.canonicalize()?);
    }
    let unfinished = path.with_extension("unfinished");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&unfinished)?);
    writeln!(file, "email,username,first_name,email_verified,is_active,password_hash")?;
    let mut line = String::new();
    for number in 0..accounts {
        let (hundred, within) = (number / 100, number % 100);
        // One in a thousand is switched off.
        let active = number % 1_000 != 999;
        line.clear();
        writeln!(
            line,
            "{}{within:02}@town.example,resident{number},Resident,true,{active},{HASH}",
            prefix_of(hundred)
        )?;
        file.write_all(line.as_bytes())?;
    }
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&unfinished, &path)?;
    Ok(path.canonicalize()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_addresses_begin_alike() {
        let addresses: Vec<_> =
            (0..1_000).map(|number| format!("{}{:02}", prefix_of(number / 100), number % 100)).collect();
        let alike = addresses.iter().filter(|address| address.starts_with(&prefix_of(3))).count();
        assert_eq!(alike, 100);
    }
}
