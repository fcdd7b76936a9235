//! `gatepost audit`.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

use gatepost_server::App;
use gatepost_server::audit::{self, Anchor, Entry, EntryBody, Filter, Head, Report};
use gatepost_server::config::Config;

use crate::cli::Audit as Command;
use crate::context::beside;
use crate::failure::{DATA, Failure, REFUSED};
use crate::{output, user};

/// How many entries are read at a time.
const PAGE: i64 = 500;
/// After how many entries a long verification says where it is.
const SAY_EVERY: i64 = 50_000;

pub(crate) async fn run(config: Config, command: Command) -> Result<(), Failure> {
    let anchor = Anchor::in_directory(&config.server.data_dir);
    let app = beside(config).await?;
    let done = match command {
        Command::Verify { head } => verify(&app, &anchor, head).await,
        Command::Head => print_head(&app).await,
        Command::List { user, action, from, to, limit, json } => {
            let filter = Filter { user: None, actor: None, action, address: None, from, to };
            list(&app, filter, user, limit, json).await
        }
    };
    app.db.close().await;
    done
}

async fn verify(app: &App, anchor: &Anchor, head: Option<Head>) -> Result<(), Failure> {
    let mut heads: Vec<Head> = head.into_iter().collect();
    match anchor.read() {
        Ok(Some(anchored)) => heads.push(anchored),
        Ok(None) => note(
            "there is no audit.head in the data folder: only --head can tell whether the end was cut off",
        ),
        Err(error) => return Err(Failure::new(DATA, error.to_string())),
    }
    let mut said = 0;
    let mut unprinted = Ok(());
    let report = audit::verify(
        &app.db,
        &app.chain,
        &heads,
        &mut |finding| {
            // Where nobody reads, the exit code still tells.
            if unprinted.is_ok() {
                unprinted = output::line(finding);
            }
        },
        &mut |reached, last| {
            if reached - said >= SAY_EVERY {
                said = reached;
                note(format_args!("{reached} of {last}"));
            }
        },
    )
    .await?;
    unprinted?;
    let Report { entries, head, floor, unsealed, oldest_unsealed, faults, heads_too_old } = report;
    let head = head.map_or_else(|| "none".to_owned(), |head| head.to_string());
    output::line(format_args!("entries: {entries}\nkept from: {}\nhead: {head}", floor + 1))?;
    match oldest_unsealed {
        Some(oldest) => output::line(format_args!("not sealed yet: {unsealed}, the oldest of {oldest}"))?,
        None => output::line(format_args!("not sealed yet: {unsealed}"))?,
    }
    if heads_too_old > 0 {
        note("a head names an entry that retention has deleted; it says nothing any more");
    }
    if faults == 0 {
        output::line("the audit log is as it was sealed")
    } else {
        Err(Failure::new(DATA, format!("the audit log is not as it was sealed: {faults} faults"))
            .hint("keep a copy of the database as it is; docs/guide/audit.md says what to do"))
    }
}

async fn print_head(app: &App) -> Result<(), Failure> {
    match audit::head(&app.db).await? {
        Some(head) => output::line(head),
        None => Err(Failure::new(REFUSED, "nothing is sealed yet")
            .hint("a running server seals the audit log every second")),
    }
}

async fn list(
    app: &App,
    mut filter: Filter,
    who: Option<String>,
    limit: Option<u32>,
    json: bool,
) -> Result<(), Failure> {
    if let Some(who) = who {
        // Entries outlive the account: an id is believed as it is.
        filter.user = Some(match who.parse() {
            Ok(id) => id,
            Err(_) => user::find(app, &who).await?.0.id,
        });
    }
    if let Some(action) = &filter.action
        && !audit::is_action(action)
    {
        return Err(Failure::new(REFUSED, "actions are words such as signed_in"));
    }
    let mut left = limit.map_or(i64::MAX, i64::from);
    let mut before = None;
    while left > 0 {
        let (filter, rows) = (filter.clone(), left.min(PAGE));
        let page = app.db.read(move |tx| audit::list(tx, &filter, before, rows)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.id);
        left -= rows;
        for entry in page {
            output::line(if json { json_line(entry)? } else { text_line(&entry) })?;
        }
    }
    Ok(())
}

fn json_line(entry: Entry) -> Result<String, Failure> {
    let json = serde_json::to_string(&EntryBody::from(entry)).map_err(Failure::internal)?;
    Ok(visible(&json))
}

fn text_line(entry: &Entry) -> String {
    let Entry { at, action, user, actor, address, user_agent, details, .. } = entry;
    let mut line = format!("{at}  {action}");
    let mut add = |name: &str, value: Option<&dyn Display>| {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = write!(line, "  {name}={value}");
        }
    };
    add("user", user.as_ref().map(|id| id as &dyn Display));
    add("actor", actor.as_ref().map(|id| id as &dyn Display));
    add("ip", address.as_ref().map(|address| address as &dyn Display));
    let agent = user_agent.as_ref().map(|agent| format!("{agent:?}"));
    add("agent", agent.as_ref().map(|agent| agent as &dyn Display));
    add("details", Some(details));
    visible(&line)
}

/// One line that shows what it holds: control characters and those that turn or hide text are escaped as JSON does it. A
/// client chooses what it calls itself, and a terminal would obey.
fn visible(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for character in line.chars() {
        let hidden = matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        );
        if character.is_control() || hidden {
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

/// Says something beside the answer.
fn note(what: impl Display) {
    // Where standard error is closed, nobody wants to know.
    drop(writeln!(std::io::stderr(), "{what}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn az_07_no_line_breaks_no_colours_no_turned_text() {
        let line = visible("a\r\n{\"x\":1}\u{1b}[31m\u{9b}2J\u{202e}\u{2028}\u{7f}é");
        assert_eq!(line, "a\\u000d\\u000a{\"x\":1}\\u001b[31m\\u009b2J\\u202e\\u2028\\u007fé");
    }
}
