//! `gatepost user`.

use gatepost_db::{DbError, Options};
use gatepost_server::App;
use gatepost_server::access::{self, Authority};
use gatepost_server::accounts::{self, Email, LoginIdentifier, User, UserBody};
use gatepost_server::administration;
use gatepost_server::config::Config;
use gatepost_server::http::Rights;
use gatepost_server::{attempts, second_factor, sessions, sign_in, sign_up};
use serde::Serialize;

use crate::cli::User as Command;
use crate::context::beside_with;
use crate::failure::{Failure, REFUSED};
use crate::{api_keys, export, import, output, owner, secret_input};

/// An account as the operator sees it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    account: UserBody,
    awaiting_approval: bool,
}

impl Shown {
    fn new(user: &User, rights: &Rights) -> Self {
        Self { account: UserBody::new(user, rights), awaiting_approval: user.awaiting_approval }
    }
}

/// How many accounts are read at a time.
const PAGE: i64 = 500;

pub(crate) async fn run(config: Config, command: Command) -> Result<(), Failure> {
    // Ask before anything is opened: the server may be waiting for the same file.
    let password = match &command {
        Command::CreateAdmin { password_stdin, .. } | Command::SetPassword { password_stdin, .. } => {
            Some(secret_input::new_password(*password_stdin)?)
        }
        Command::List { .. }
        | Command::Import(_)
        | Command::Export(_)
        | Command::Approve { .. }
        | Command::Invite { .. }
        | Command::Show { .. }
        | Command::Disable { .. }
        | Command::Enable { .. }
        | Command::ResetSecondFactor { .. }
        | Command::Roles { .. }
        | Command::Delete { .. }
        | Command::Restore { .. }
        | Command::ApiKeys { .. }
        | Command::RevokeSessions { .. }
        | Command::Unlock { .. } => None,
    };
    let bulk = matches!(command, Command::Import(_));
    let app = beside_with(config, Options { bulk, ..Options::default() }).await?;
    let done = match (command, password) {
        (Command::CreateAdmin { email, username, .. }, Some(password)) => {
            create_admin(&app, email, username, password).await
        }
        (Command::SetPassword { who, .. }, Some(password)) => {
            let (user, _) = find(&app, &who).await?;
            sign_in::set_password(&app, &user, password).await?;
            output::line(format_args!("{} has a new password; all sessions have ended", user.email))
        }
        (Command::List { json }, _) => list(&app, json).await,
        (Command::Import(arguments), _) => import::run(&app, arguments).await,
        (Command::Export(arguments), _) => export::run(&app, arguments).await,
        (Command::Invite { email, roles }, _) => invite(&app, &email, roles).await,
        (Command::Approve { who }, _) => approve(&app, &who).await,
        (Command::Show { who }, _) => show(&app, &who).await,
        (Command::Disable { who }, _) => switch(&app, &who, false).await,
        (Command::Roles { who, roles }, _) => assign(&app, &who, roles).await,
        (Command::Delete { who, transfer_to }, _) => delete(&app, &who, transfer_to.as_deref()).await,
        (Command::Restore { who }, _) => restore(&app, &who).await,
        (Command::ApiKeys { who, revoke }, _) => {
            let (user, _) = find(&app, &who).await?;
            match revoke {
                Some(key) => api_keys::revoke(&app, &user, &key).await,
                None => api_keys::list(&app, &user).await,
            }
        }
        (Command::Enable { who }, _) => switch(&app, &who, true).await,
        (Command::ResetSecondFactor { who }, _) => reset_second_factor(&app, &who).await,
        (Command::RevokeSessions { who }, _) => revoke_sessions(&app, &who).await,
        (Command::Unlock { who }, _) => unlock(&app, &who).await,
        (Command::CreateAdmin { .. } | Command::SetPassword { .. }, None) => Ok(()),
    };
    app.db.close().await;
    done
}

async fn create_admin(
    app: &App,
    email: String,
    username: Option<String>,
    password: gatepost_kernel::Secret<String>,
) -> Result<(), Failure> {
    match look_up(app, &email).await? {
        Some((user, rights)) if rights.roles.iter().any(|role| role == access::ADMIN) => {
            output::line(format_args!("{} is an administrator already; nothing was changed", user.email))
        }
        Some((user, _)) => {
            Err(Failure::new(REFUSED, format!("{} has an account and is no administrator", user.email))
                .hint("use another address: this command makes new accounts only"))
        }
        None => {
            owner::create(app, email.clone(), username, password).await?;
            output::line(format_args!("created the administrator {email}"))
        }
    }
}

async fn list(app: &App, json: bool) -> Result<(), Failure> {
    let mut after = None;
    if !json {
        output::line(format_args!("{:<36}  {:<8}  {:<14}  E-MAIL", "ID", "STATE", "ROLES"))?;
    }
    loop {
        let rules = app.access.clone();
        let page = app
            .db
            .read(move |tx| {
                let users = accounts::page(tx, after, PAGE)?;
                users
                    .into_iter()
                    .map(|user| access::rights_of(tx, &rules, user.id).map(|rights| (user, rights)))
                    .collect::<Result<Vec<_>, DbError>>()
            })
            .await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for (user, rights) in &page {
            if json {
                output::json_line(&Shown::new(user, rights))?;
            } else {
                let state = state(user);
                let roles = rights.roles.join(",");
                output::line(format_args!("{}  {state:<8}  {roles:<14}  {}", user.id, user.email))?;
            }
        }
    }
}

/// One word for what stands in the way, the operator's own decisions first.
const fn state(user: &User) -> &'static str {
    match user {
        User { is_active: false, .. } => "disabled",
        User { awaiting_approval: true, .. } => "waiting",
        _ => "active",
    }
}

async fn invite(app: &App, email: &str, roles: Vec<String>) -> Result<(), Failure> {
    let address = Email::parse(email)
        .map_err(|error| Failure::new(REFUSED, format!("{email} cannot be invited: {error}")))?;
    let named = roles.clone();
    let becomes = if roles.is_empty() { access::USER.to_owned() } else { roles.join(", ") };
    match sign_up::invite(app, address, roles).await {
        Ok(link) => {
            output::line(format_args!(
                "{email} is invited as {becomes} until {}, by mail, with this link:",
                link.expires_at
            ))?;
            output::line(link.url.expose())
        }
        Err(access::Error::Account(accounts::Error::EmailTaken)) => {
            Err(Failure::new(REFUSED, format!("{email} has an account already; nobody was invited"))
                .hint("`gatepost user show` shows it"))
        }
        Err(error) => Err(refused(error, &named)),
    }
}

/// Names the role that does not exist: the error knows only its place.
fn refused(error: access::Error, named: &[String]) -> Failure {
    let access::Error::UnknownRole(place) = error else { return error.into() };
    let role = named.get(place).map_or("", String::as_str);
    Failure::new(REFUSED, format!("there is no role {role}"))
        .hint("administrators make roles, at /api/v1/admin/roles")
}

async fn assign(app: &App, who: &str, roles: Vec<String>) -> Result<(), Failure> {
    let (user, rights) = find(app, who).await?;
    if roles.is_empty() {
        return output::line(format_args!("{}: {}", user.email, rights.roles.join(", ")));
    }
    let (act, rules, identities, id) =
        (app.operator_act(), app.access.clone(), app.identities.clone(), user.id);
    let wanted = roles.clone();
    let assigned = app.db.write(move |tx| {
        identities.forget_after_commit(tx, id);
        access::set_roles(tx, &act, &rules, &Authority::Operator, (id, &wanted))
    });
    assigned.await.map_err(|error| refused(error, &roles))?;
    let (user, rights) = find(app, &user.id.to_string()).await?;
    output::line(format_args!("{}: {}", user.email, rights.roles.join(", ")))
}

async fn delete(app: &App, who: &str, transfer_to: Option<&str>) -> Result<(), Failure> {
    let (user, _) = find(app, who).await?;
    let heir = match transfer_to {
        Some(heir) => Some(find(app, heir).await?.0),
        None => None,
    };
    let (act, id, to) = (app.operator_act(), user.id, heir.as_ref().map(|heir| heir.id));
    let resources = app.owned_resources();
    app.db.write(move |tx| administration::delete(tx, &act, &resources, (id, to))).await?;
    let owned = heir.map_or_else(String::new, |heir| format!("; what it owned is {}'s", heir.email));
    output::line(format_args!(
        "{} is deleted{owned}; for seven days `gatepost user restore {id}` brings it back",
        user.email
    ))
}

async fn restore(app: &App, who: &str) -> Result<(), Failure> {
    let (id, name) = (who.parse().ok(), LoginIdentifier::parse(who).ok());
    let act = app.operator_act();
    let restored = app.db.write(move |tx| {
        let id = match (id, &name) {
            (Some(id), _) => Some(id),
            (None, Some(name)) => administration::find_deleted(tx, name)?.map(|user| user.id),
            (None, None) => None,
        };
        administration::restore(tx, &act, id.ok_or(accounts::Error::NotFound)?)
    });
    match restored.await {
        Ok(user) => output::line(format_args!("{} is back; its owner signs in as before", user.email)),
        Err(administration::Error::Access(access::Error::Account(accounts::Error::NotFound))) => {
            Err(Failure::new(REFUSED, format!("no account {who} was deleted within the last seven days")))
        }
        Err(error) => Err(error.into()),
    }
}

async fn approve(app: &App, who: &str) -> Result<(), Failure> {
    let (user, _) = find(app, who).await?;
    match sign_up::approve(app, &user).await? {
        true if user.email_verified => {
            output::line(format_args!("{} may sign in; a mail says so", user.email))
        }
        true => output::line(format_args!(
            "{} is approved; they may sign in once the address is verified",
            user.email
        )),
        false => output::line(format_args!("{} was not waiting; nothing was changed", user.email)),
    }
}

async fn show(app: &App, who: &str) -> Result<(), Failure> {
    let (user, rights) = find(app, who).await?;
    output::json(&Shown::new(&user, &rights))
}

async fn switch(app: &App, who: &str, active: bool) -> Result<(), Failure> {
    let (user, _) = find(app, who).await?;
    let (act, id) = (app.operator_act(), user.id);
    app.db.write(move |tx| access::set_active(tx, &act, id, active)).await?;
    match active {
        true => output::line(format_args!("{} may sign in again", user.email)),
        false => output::line(format_args!("{} is disabled; all sessions have ended", user.email)),
    }
}

async fn revoke_sessions(app: &App, who: &str) -> Result<(), Failure> {
    let (user, _) = find(app, who).await?;
    let (act, id, identities) = (app.operator_act(), user.id, app.identities.clone());
    let ended = app.db.write(move |tx| sessions::revoke_all(tx, &identities, &act, id, None)).await?;
    output::line(format_args!("{}: {ended} ended; a running server knows within seconds", user.email))
}

async fn unlock(app: &App, who: &str) -> Result<(), Failure> {
    let (user, _) = find(app, who).await?;
    let (act, id, target) = (app.operator_act(), user.id, app.attempts.of_user(&user, None, app.clock.now()));
    let was_locked = app.db.write(move |tx| attempts::unlock(tx, &act, id, &target)).await?;
    match was_locked {
        true => output::line(format_args!("{} may try again at once", user.email)),
        false => output::line(format_args!("{} was not locked out; nothing was changed", user.email)),
    }
}

async fn reset_second_factor(app: &App, who: &str) -> Result<(), Failure> {
    let (user, _) = find(app, who).await?;
    match second_factor::reset(app, &user).await? {
        true => output::line(format_args!(
            "{} has no second factor any more; all sessions have ended, and a mail says so",
            user.email
        )),
        false => output::line(format_args!("{} had no second factor; all sessions have ended", user.email)),
    }
}

/// The account that somebody means.
pub(crate) async fn find(app: &App, who: &str) -> Result<(User, Rights), Failure> {
    look_up(app, who).await?.ok_or_else(|| {
        Failure::new(REFUSED, format!("there is no account {who}"))
            .hint("name it by its address, username or id; `gatepost user list` shows them all")
    })
}

/// The living account with this address, username or id.
async fn look_up(app: &App, who: &str) -> Result<Option<(User, Rights)>, Failure> {
    let id = who.parse().ok();
    let identifier = LoginIdentifier::parse(who).ok();
    let rules = app.access.clone();
    let found = app
        .db
        .read(move |tx| {
            let user = match (id, &identifier) {
                (Some(id), _) => accounts::by_id(tx, id)?.filter(|user| user.deleted_at.is_none()),
                (None, Some(identifier)) => accounts::by_identifier(tx, identifier)?,
                (None, None) => None,
            };
            let Some(user) = user else { return Ok::<_, DbError>(None) };
            let rights = access::rights_of(tx, &rules, user.id)?;
            Ok(Some((user, rights)))
        })
        .await?;
    Ok(found)
}
