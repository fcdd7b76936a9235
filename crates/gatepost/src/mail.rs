//! `gatepost mail`.

use gatepost_kernel::Timestamp;
use gatepost_server::config::Config;
use gatepost_server::outbox::{self, Mailbox, MailboxKey, Queued, State, TEMPLATES};

use crate::cli::Mail as Command;
use crate::context::beside;
use crate::failure::{CONFIGURATION, Failure, REFUSED};
use crate::output;

/// How many mails a list shows.
const LIMIT: u32 = 1_000;

pub(crate) async fn run(config: Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::List => list(&config),
        Command::Show { id } => show(&config, &id),
        Command::Link => link(config).await,
        Command::Templates { output } => write_templates(&output),
        Command::Queue => {
            let app = beside(config).await?;
            let queued = outbox::queue(&app, LIMIT).await?;
            app.db.close().await;
            print(&queued, app.clock.now())
        }
        Command::Retry { id, .. } => {
            let id = id.map(|id| id.parse()).transpose();
            let id = id.map_err(|_| Failure::new(REFUSED, "that is not the id of a mail").hint(HINT))?;
            let app = beside(config).await?;
            let retried = outbox::retry(&app, id).await?;
            app.db.close().await;
            match (retried, id) {
                (0, Some(id)) => {
                    Err(Failure::new(REFUSED, format!("there is no dead letter {id}")).hint(HINT))
                }
                (0, None) => output::line("there is no dead letter"),
                (1, _) => {
                    output::line("one mail is owed again; a running server sends it within ten seconds")
                }
                (more, _) => output::line(format_args!(
                    "{more} mails are owed again; a running server begins within ten seconds"
                )),
            }
        }
    }
}

const HINT: &str = "`gatepost mail queue` shows what is owed and what is dead";

/// The local mailbox.
fn list(config: &Config) -> Result<(), Failure> {
    if config.mail.smtp.is_some() {
        return Err(Failure::new(REFUSED, "mails leave through the mail server; there is no local mailbox")
            .hint(HINT));
    }
    let mailbox = Mailbox::in_directory(&config.server.data_dir);
    let mails = mailbox
        .list(usize::try_from(LIMIT).unwrap_or(usize::MAX))
        .map_err(|error| Failure::io("read the mailbox", &error))?;
    output::line(format_args!("{:<36}  {:<31}  {:<30}  SUBJECT", "ID", "DATE", "TO"))?;
    for mail in mails {
        let [date, to, subject] = [&mail.date, &mail.to, &mail.subject].map(|text| plain(text));
        output::line(format_args!("{}  {date:<31}  {to:<30}  {subject}", mail.id))?;
    }
    Ok(())
}

fn show(config: &Config, id: &str) -> Result<(), Failure> {
    let mailbox = Mailbox::in_directory(&config.server.data_dir);
    let mail = mailbox.show(id).map_err(|error| Failure::io("read the mail", &error))?;
    let mail = mail.ok_or_else(|| {
        Failure::new(REFUSED, format!("there is no mail {} in the mailbox", plain(id)))
            .hint("`gatepost mail list` shows them")
    })?;
    let head = [("To", &mail.to), ("Date", &mail.date), ("Subject", &mail.subject)];
    for (name, value) in head {
        output::line(format_args!("{name}: {}", plain(value)))?;
    }
    let text: String = mail.text.lines().map(|line| plain(line) + "\n").collect();
    output::line(format_args!("\n{}", text.trim_end()))
}

/// The link to the local mailbox.
async fn link(config: Config) -> Result<(), Failure> {
    if config.server.public_url.is_none() && config.server.listen.port() == 0 {
        return Err(Failure::new(
            CONFIGURATION,
            "the server took a free port, so its address is not known here",
        )
        .hint("add --public-url with the address that the server said when it started"));
    }
    let app = beside(config).await?;
    let link = MailboxKey::link(&app);
    app.db.close().await;
    output::line(link.ok_or_else(|| {
        let why = "the mailbox is in no browser: mails leave through a mail server, or others can reach this server";
        Failure::new(REFUSED, why).hint("`gatepost mail list` reads a local mailbox here")
    })?)
}

fn print(queued: &[Queued], now: Timestamp) -> Result<(), Failure> {
    output::line(format_args!(
        "{:<36}  {:<5}  {:<22}  {:>5}  {:<30}  NEXT, AND WHY IT WAITS",
        "ID", "STATE", "LETTER", "TRIED", "TO"
    ))?;
    for mail in queued {
        let next = match mail.state {
            State::Owed if mail.due_at <= now => "now".to_owned(),
            State::Owed => minute(mail.due_at),
            State::Dead => "never".to_owned(),
            State::Sent | State::Expired => "-".to_owned(),
        };
        let to = plain(mail.to.as_deref().unwrap_or("(sealed under another key)"));
        let why = mail.problem.as_deref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
        let (id, state, kind, tried) = (mail.id, mail.state.name(), plain(&mail.kind), mail.attempts);
        output::line(format_args!("{id}  {state:<5}  {kind:<22}  {tried:>5}  {to:<30}  {next}{why}"))?;
    }
    Ok(())
}

/// Writes the built-in templates to a folder, as a beginning for one's own.
fn write_templates(folder: &std::path::Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::io(format_args!("write to {}", folder.display()), &error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    for (name, text) in TEMPLATES {
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).open(folder.join(name));
        std::io::Write::write_all(&mut file.map_err(failed)?, text.as_bytes()).map_err(failed)?;
    }
    output::line(format_args!(
        "wrote {} templates; name the folder in mail.templates_dir and delete what you do not change",
        TEMPLATES.len()
    ))
}

/// A time to the minute.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..16).map_or_else(|| text.clone(), |minute| format!("{}Z", minute.replace('T', " ")))
}

/// A text without anything that could draw on a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
