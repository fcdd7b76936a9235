//! Requests for a link, noted and not answered: whoever asks, for whichever address, the same row is written.

use std::sync::Arc;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Id, Timestamp};
use gatepost_problem::{ApiResult, Check, Problem};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use utoipa::ToSchema;

use super::link::LinkPurpose;
use super::sql;
use crate::accounts::Email;
use crate::app::App;
use crate::audit::Origin;
use crate::http::storage_problem;

/// Which link somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    VerifyEmail,
    ResetPassword,
}

impl RequestKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => LinkPurpose::VerifyEmail.name(),
            Self::ResetPassword => LinkPurpose::ResetPassword.name(),
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::VerifyEmail, Self::ResetPassword].into_iter().find(|kind| kind.name() == name)
    }
}

/// A request that waits.
pub(super) struct MailRequest {
    pub(super) kind: RequestKind,
    /// In canonical form.
    pub(super) address: String,
}

/// Wakes whoever answers requests. Cloning shares it.
#[derive(Clone, Default)]
pub struct Requests(Arc<Notify>);

impl Requests {
    /// Resolves when a request was noted on this node since the last time.
    pub async fn noted(&self) {
        self.0.notified().await;
    }
}

/// An address to send a link to.
#[derive(Deserialize, ToSchema)]
#[schema(as = MailRequest, example = json!({ "email": "ada@example.com" }))]
pub(super) struct Request {
    /// The address of the account.
    email: String,
}

/// What everybody hears who asks for a link.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    /// Always `accepted`: whether a mail leaves is for its reader alone to know.
    #[schema(example = "accepted")]
    status: &'static str,
}

/// Notes a request. Nothing is looked up here.
pub(super) async fn note(
    app: &App,
    origin: Origin,
    kind: RequestKind,
    request: Request,
) -> ApiResult<Accepted> {
    let mut check = Check::new();
    let email = check.field("/email", Email::parse(&request.email));
    let (email,) = check.values((email,))?;
    let (now, random, requests) = (app.clock.now(), origin.random, app.mail_requests.clone());
    let id = Id::generate(now, &random);
    let noted = app.db.write(move |tx| insert(tx, &requests, (id, kind), email.canonical(), now));
    noted.await.map_err(|error: DbError| -> Problem { storage_problem(error) })?;
    Ok(Accepted { status: "accepted" })
}

fn insert(
    tx: &mut WriteTx<'_>,
    requests: &Requests,
    (id, kind): (Id<sql::RequestRow>, RequestKind),
    address: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    sql::insert_request(tx, id, kind, address, now)?;
    let requests = requests.clone();
    tx.after_commit(move || requests.0.notify_one());
    Ok(())
}
