//! `GET /dev/mailbox`: the local mailbox in a browser, for whoever develops on this machine.
//!
//! The mails hold links that open accounts. So the page is there only while nobody but this machine can reach the server:
//! it listens on a loopback address, is called by a loopback name, and no proxy carries the world to it.

use std::net::IpAddr;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use gatepost_problem::{ApiResult, Path, Problem};
use minijinja::{AutoEscape, Environment, context};
use url::Host;

use super::mailbox::{Mailbox, StoredMail};
use crate::app::App;
use crate::audit::Origin;

/// How many mails the list shows.
const LIMIT: usize = 200;

pub(super) async fn list(State(app): State<App>, origin: Origin) -> ApiResult<Response> {
    let mailbox = open(&app, &origin)?;
    let mails = read(move || mailbox.list(LIMIT)).await?;
    let rows: Vec<_> = mails
        .into_iter()
        .map(|mail| context! { id => mail.id, date => mail.date, to => mail.to, subject => mail.subject })
        .collect();
    page(LIST, context! { mails => rows })
}

pub(super) async fn show(
    State(app): State<App>,
    origin: Origin,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let mailbox = open(&app, &origin)?;
    let mail = read(move || mailbox.show(&id)).await?.ok_or_else(Problem::not_found)?;
    let link = link_of(&mail, &app.issuer);
    let StoredMail { date, to, subject, text, html, .. } = mail;
    page(MAIL, context! { date, to, subject, text, html, link })
}

/// The mailbox, if this page may be there.
fn open(app: &App, origin: &Origin) -> Result<Mailbox, Problem> {
    let server = &app.config.server;
    let here = |address: IpAddr| address.to_canonical().is_loopback();
    let is_private = app.config.mail.smtp.is_none()
        && here(server.listen.ip())
        && server.trusted_proxies.is_empty()
        && is_loopback_url(&app.issuer)
        && origin.address.is_none_or(here);
    if is_private { Ok(Mailbox::in_directory(&server.data_dir)) } else { Err(Problem::not_found()) }
}

fn is_loopback_url(issuer: &str) -> bool {
    let url = url::Url::parse(issuer).ok();
    url.and_then(|url| {
        Some(match url.host()? {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => IpAddr::V6(address).to_canonical().is_loopback(),
        })
    })
    .unwrap_or(false)
}

/// The first link of a mail that leads to this server.
fn link_of(mail: &StoredMail, issuer: &str) -> Option<String> {
    let start = format!("{issuer}/");
    mail.text.split_whitespace().find(|word| word.starts_with(&start)).map(str::to_owned)
}

async fn read<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> ApiResult<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(Problem::internal)
}

fn page(template: &'static str, context: minijinja::Value) -> ApiResult<Response> {
    let mut environment = Environment::new();
    // Mails hold text from outside.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let page = environment.render_str(template, context).map_err(Problem::internal)?;
    Ok(Html(page).into_response())
}

const LIST: &str = include_str!("mailbox_list.html");
const MAIL: &str = include_str!("mailbox_mail.html");
