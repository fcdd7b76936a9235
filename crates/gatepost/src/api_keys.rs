//! `gatepost user api-keys`.

use gatepost_server::App;
use gatepost_server::accounts::User;
use gatepost_server::api_keys;
use gatepost_server::ids::ApiKeyId;

use crate::failure::{Failure, REFUSED};
use crate::output;

/// How many keys are read at a time.
const PAGE: i64 = 500;

pub(crate) async fn list(app: &App, user: &User) -> Result<(), Failure> {
    output::line(format_args!(
        "{:<36}  {:<4}  {:<27}  {:<27}  NAME AND SCOPES",
        "ID", "ENDS", "UNTIL", "LAST USED"
    ))?;
    let (id, mut before) = (user.id, None);
    loop {
        let page = app.db.read(move |tx| api_keys::page(tx, id, before, PAGE)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.id);
        for key in &page {
            let (until, scopes) = (key.expires_at.to_string(), key.scopes.join(" "));
            let used = key.last_used_at.map_or("never".to_owned(), |at| at.to_string());
            let (id, hint, name) = (key.id, &key.hint, &key.name);
            output::line(format_args!("{id}  {hint:<4}  {until:<27}  {used:<27}  {name} [{scopes}]"))?;
        }
    }
}

pub(crate) async fn revoke(app: &App, user: &User, key: &str) -> Result<(), Failure> {
    let (act, id) = (app.operator_act(), user.id);
    let revoked = match key.parse::<ApiKeyId>() {
        Ok(key) => app.db.write(move |tx| api_keys::revoke(tx, &act, id, key)).await?,
        Err(_) => false,
    };
    if revoked {
        output::line(format_args!("the key {key} of {} is revoked", user.email))
    } else {
        Err(Failure::new(REFUSED, format!("{} has no API key {key}", user.email))
            .hint("name it by its id; `gatepost user api-keys` shows them"))
    }
}
