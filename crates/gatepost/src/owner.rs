//! The first owner: by link, by environment, never by a default password.

use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gatepost_kernel::Secret;
use gatepost_server::App;
use gatepost_server::accounts::{Patch, ProfileInput};
use gatepost_server::config::Config;
use gatepost_server::sign_up::{Enrolment, NewAccount, Terms, enroll, has_owner, make_setup_link};

use crate::context::beside;
use crate::failure::{CONFIGURATION, Failure, REFUSED};
use crate::output;

/// Sees to it that an installation without an owner can get one: makes the owner that the environment describes, or
/// offers a link.
pub(crate) async fn offer(app: &App, data_dir: &Path) -> Result<(), Failure> {
    if app.db.read(has_owner).await? {
        // A link that was not used is dead; its file would only mislead.
        return remove_link(data_dir);
    }
    if let Some((email, password)) = from_environment()? {
        create(app, email, None, password).await?;
        tracing::info!("created the first owner from GATEPOST_ADMIN_EMAIL");
        return Ok(());
    }
    let Some(link) = make_setup_link(app).await? else { return Ok(()) };
    let url = link.url(&app.issuer);
    if std::io::stderr().is_terminal() {
        let said = "  Create the first owner within an hour, with this link (it works once):";
        drop(writeln!(std::io::stderr(), "{said}\n\n    {url}\n"));
    } else {
        let file = write_link(data_dir, &url)?;
        let said = "The link that creates the first owner works once, for an hour. It is in";
        drop(writeln!(std::io::stderr(), "{said} {}", file.display()));
    }
    Ok(())
}

/// `gatepost setup-link`: a new link, and the end of the one before.
pub(crate) async fn print_new_link(config: Config) -> Result<(), Failure> {
    if config.server.public_url.is_none() && config.server.listen.port() == 0 {
        return Err(Failure::new(
            CONFIGURATION,
            "the server took a free port, so its address is not known here",
        )
        .hint("add --public-url with the address that the server said when it started"));
    }
    let app = beside(config).await?;
    let link = make_setup_link(&app).await?;
    let link = link.ok_or_else(|| {
        Failure::new(REFUSED, "this installation has an owner already")
            .hint("`gatepost user set-password` gives an account a new password")
    })?;
    app.db.close().await;
    output::line(link.url(&app.issuer))
}

/// Makes an administrator.
pub(crate) async fn create(
    app: &App,
    email: String,
    username: Option<String>,
    password: Secret<String>,
) -> Result<(), Failure> {
    let profile =
        ProfileInput { username: username.map_or(Patch::Keep, Patch::Set), ..ProfileInput::default() };
    let account = NewAccount { email, password, profile };
    let enrolment = Enrolment::prepare(app, account, Terms::owner("command_line")).await;
    let enrolment = enrolment.map_err(gatepost_problem::Problem::from)?;
    let act = app.operator_act();
    app.db.write(move |tx| enroll(tx, &act, enrolment.clone())).await?;
    Ok(())
}

/// The owner that an unattended installation is given.
fn from_environment() -> Result<Option<(String, Secret<String>)>, Failure> {
    #[expect(clippy::disallowed_methods, reason = "this is where configuration is read and handed down")]
    let read = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let Some(email) = read("GATEPOST_ADMIN_EMAIL") else { return Ok(None) };
    let password = match (read("GATEPOST_ADMIN_PASSWORD"), read("GATEPOST_ADMIN_PASSWORD_FILE")) {
        (Some(password), None) => password,
        (None, Some(file)) => {
            let text = std::fs::read_to_string(&file);
            let text =
                text.map_err(|error| Failure::new(CONFIGURATION, format!("cannot read {file}: {error}")))?;
            text.strip_suffix('\n').unwrap_or(&text).to_owned()
        }
        _ => {
            let message = "GATEPOST_ADMIN_EMAIL needs a password";
            return Err(Failure::new(CONFIGURATION, message)
                .hint("set one of GATEPOST_ADMIN_PASSWORD and GATEPOST_ADMIN_PASSWORD_FILE"));
        }
    };
    Ok(Some((email, Secret::new(password))))
}

const LINK_FILE: &str = "setup-link";

fn remove_link(data_dir: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(data_dir.join(LINK_FILE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::io(format!("remove {LINK_FILE}"), &error))
        }
        _ => Ok(()),
    }
}

/// Nobody watches: the link must not end up in a log.
fn write_link(data_dir: &Path, url: &str) -> Result<PathBuf, Failure> {
    remove_link(data_dir)?;
    let path = data_dir.join(LINK_FILE);
    let failed = |error| Failure::io(format!("write {}", path.display()), &error);
    // Whoever finds the file finds a whole link in it.
    let draft = path.with_extension("draft");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed)?;
    writeln!(file, "{url}").map_err(failed)?;
    std::fs::rename(&draft, &path).map_err(failed)?;
    Ok(path)
}
