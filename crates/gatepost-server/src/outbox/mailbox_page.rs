//! `GET /dev/mailbox`: the local mailbox in a browser, for whoever develops on this machine.
//!
//! The mails hold links that open accounts. So the page is there only while nobody but this machine can reach the server:
//! it listens on a loopback address, is called by a loopback name, and no proxy carries the world to it. A proxy that
//! rewrites what we go by makes all of that look true, so it also takes the [`MailboxKey`](super::MailboxKey).

use std::net::IpAddr;

use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Path, Problem, ProblemType, parse_query};
use http::HeaderMap;
use minijinja::{AutoEscape, Environment, context};
use serde::Deserialize;
use url::Host;

use super::mailbox::{Mailbox, StoredMail};
use crate::app::App;
use crate::audit::Origin;
use crate::http::Cookies;

/// Where the list is.
pub(super) const PATH: &str = "/dev/mailbox";
/// How many mails the list shows.
const LIMIT: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    key: Option<Secret<String>>,
}

pub(super) async fn list(
    State(app): State<App>,
    origin: Origin,
    headers: HeaderMap,
    cookies: Cookies,
    RawQuery(query): RawQuery,
) -> ApiResult<Response> {
    find(&app, &origin, &headers)?;
    let Parameters { key } = parse_query(query.as_deref().unwrap_or_default())?;
    if let Some(key) = key {
        return if app.mailbox_key.is(&key) { Ok(app.mailbox_key.keep(app.cookies)) } else { Err(no_key()) };
    }
    let mailbox = open(&app, &cookies)?;
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
    headers: HeaderMap,
    cookies: Cookies,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    find(&app, &origin, &headers)?;
    let mailbox = open(&app, &cookies)?;
    let mail = read(move || mailbox.show(&id)).await?.ok_or_else(Problem::not_found)?;
    let link = link_of(&mail, &app.issuer);
    let StoredMail { date, to, subject, text, html, .. } = mail;
    page(MAIL, context! { date, to, subject, text, html, link })
}

/// Whether there are such pages on this server.
pub(super) fn is_served(app: &App) -> bool {
    let server = &app.config.server;
    app.config.mail.smtp.is_none()
        && is_here(server.listen.ip())
        && server.trusted_proxies.is_empty()
        && is_loopback_url(&app.issuer)
}

/// Answers 404 to whoever is not at this machine.
fn find(app: &App, origin: &Origin, headers: &HeaderMap) -> Result<(), Problem> {
    let is_local = is_served(app) && origin.address.is_none_or(is_here) && !came_through_a_proxy(headers);
    if is_local { Ok(()) } else { Err(Problem::not_found()) }
}

fn is_here(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a proxy left its traces. Not every proxy does.
fn came_through_a_proxy(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .map(http::HeaderName::as_str)
        .any(|name| matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-"))
}

/// The mailbox, for a browser that has the key.
fn open(app: &App, cookies: &Cookies) -> Result<Mailbox, Problem> {
    if app.mailbox_key.is_in(cookies) {
        Ok(Mailbox::in_directory(&app.config.server.data_dir))
    } else {
        Err(no_key())
    }
}

fn no_key() -> Problem {
    Problem::new(ProblemType::Forbidden)
        .detail("This page opens with a link that holds its key. `gatepost mail link` prints it.")
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
