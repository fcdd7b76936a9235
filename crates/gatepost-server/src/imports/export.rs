//! The way out: accounts as an import reads them.

use gatepost_db::DbError;
use gatepost_kernel::{Secret, Timestamp};
use serde::Serialize;

use super::columns::{COLUMNS, PASSWORD_HASH};
use super::csv::cell;
use super::source::Format;
use crate::access;
use crate::accounts::{self, User};
use crate::app::App;
use crate::ids::UserId;
use crate::passwords;

/// How many accounts are read at a time.
const PAGE: i64 = 500;

/// An export on its way. It reads page after page, each in a snapshot of its own: one long snapshot would hold the log of
/// the database back. What changes meanwhile is in the file as it was or as it is.
pub struct Export<'a> {
    app: &'a App,
    format: Format,
    with_hashes: bool,
    begun: bool,
    after: Option<UserId>,
}

/// Some accounts.
pub struct Page {
    /// As they are written. It may hold password hashes.
    pub text: Secret<String>,
    /// How many accounts.
    pub rows: usize,
}

/// An account as it leaves.
#[derive(Serialize)]
struct Leaving {
    email: String,
    email_verified: bool,
    username: Option<String>,
    phone_number: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    bio: Option<String>,
    avatar_url: Option<String>,
    country: Option<String>,
    is_active: bool,
    awaiting_approval: bool,
    roles: Vec<String>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
}

impl<'a> Export<'a> {
    /// All living accounts, the oldest first.
    pub const fn new(app: &'a App, format: Format, with_hashes: bool) -> Self {
        Self { app, format, with_hashes, begun: false, after: None }
    }

    /// The next accounts, `None` at the end. The first page of CSV begins with the header, also where there is no account.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next(&mut self) -> Result<Option<Page>, DbError> {
        let (after, with_hashes) = (self.after, self.with_hashes);
        let accounts = self
            .app
            .db
            .read(move |tx| {
                let users = accounts::page(tx, after, PAGE)?;
                let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
                let roles = access::roles_of_all(tx, &ids)?;
                let hashes = if with_hashes { passwords::hashes_of(tx, &ids)? } else { Vec::new() };
                let mut leaving = Vec::with_capacity(users.len());
                for user in users {
                    let id = user.id;
                    let mut roles: Vec<String> = roles
                        .iter()
                        .filter(|(whose, _)| *whose == id)
                        .map(|(_, role)| role.clone())
                        .collect();
                    roles.sort();
                    let hash = hashes.iter().find(|(whose, _)| *whose == id);
                    let hash = hash.map(|(_, hash)| hash.expose().to_owned());
                    leaving.push((id, Leaving::new(user, roles, hash)));
                }
                Ok::<_, DbError>(leaving)
            })
            .await?;
        let is_first = !std::mem::replace(&mut self.begun, true);
        let Some((last, _)) = accounts.last() else {
            let text = Secret::new(self.header());
            return Ok((is_first && self.format == Format::Csv).then_some(Page { text, rows: 0 }));
        };
        self.after = Some(*last);
        let mut text = Secret::new(if is_first { self.header() } else { String::new() });
        for (_, account) in &accounts {
            account.write(self.format, self.with_hashes, text.expose_mut())?;
        }
        Ok(Some(Page { text, rows: accounts.len() }))
    }

    fn header(&self) -> String {
        let columns: Vec<&str> =
            COLUMNS.iter().copied().filter(|column| self.with_hashes || *column != PASSWORD_HASH).collect();
        match self.format {
            Format::Csv => columns.join(",") + "\n",
            Format::Jsonl => String::new(),
        }
    }
}

impl Leaving {
    fn new(user: User, roles: Vec<String>, password_hash: Option<String>) -> Self {
        Self {
            email: user.email,
            email_verified: user.email_verified,
            username: user.username,
            phone_number: user.phone_number,
            first_name: user.first_name,
            last_name: user.last_name,
            bio: user.bio,
            avatar_url: user.avatar_url,
            country: user.country,
            is_active: user.is_active,
            awaiting_approval: user.awaiting_approval,
            roles,
            created_at: user.created_at,
            password_hash,
        }
    }

    fn write(&self, format: Format, with_hashes: bool, out: &mut String) -> Result<(), DbError> {
        match format {
            Format::Csv => self.write_csv(with_hashes, out),
            Format::Jsonl => {
                let line = serde_json::to_string(self).map_err(|error| DbError::Engine {
                    context: "write an account as JSON",
                    source: std::sync::Arc::new(error),
                })?;
                out.push_str(&line);
            }
        }
        out.push('\n');
        Ok(())
    }

    fn write_csv(&self, with_hashes: bool, out: &mut String) {
        let boolean = |value: bool| if value { "true" } else { "false" }.to_owned();
        let optional = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut cells = vec![
            self.email.clone(),
            boolean(self.email_verified),
            optional(&self.username),
            optional(&self.phone_number),
            optional(&self.first_name),
            optional(&self.last_name),
            optional(&self.bio),
            optional(&self.avatar_url),
            optional(&self.country),
            boolean(self.is_active),
            boolean(self.awaiting_approval),
            self.roles.join("|"),
            self.created_at.to_string(),
        ];
        if with_hashes {
            cells.push(optional(&self.password_hash));
        }
        for (position, text) in cells.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            cell(text, out);
        }
    }
}
