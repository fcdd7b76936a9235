//! What becomes of a request for a link: a mail to the account that has the address, if there is one that may have it.

use gatepost_db::{DbError, WriteTx};

use super::link::{Desk, DrawnLink};
use super::request::{MailRequest, RequestKind};
use super::sql;
use crate::accounts::{self, Email, LoginIdentifier};
use crate::app::App;
use crate::audit::Act;
use crate::outbox::Kind;

/// How many requests one transaction answers.
const BATCH: u8 = 50;

/// Answers every request that waits. It runs as a job, so that nobody who asks can measure what is done here.
///
/// # Errors
/// What the database says; what was not answered waits for the next turn.
pub async fn answer_requests(app: &App) -> Result<(), DbError> {
    while app.db.read(sql::request_waits).await? {
        let drawn: Vec<_> = (0..BATCH).map(|_| DrawnLink::draw(&app.random)).collect();
        let (act, desk) = (app.operator_act(), Desk::of(app));
        app.db
            .write(move |tx| {
                for (request, drawn) in sql::take_requests(tx, BATCH.into())?.iter().zip(&drawn) {
                    answer(tx, &act, &desk, request, drawn)?;
                }
                Ok::<_, DbError>(())
            })
            .await?;
    }
    Ok(())
}

fn answer(
    tx: &mut WriteTx<'_>,
    act: &Act,
    desk: &Desk,
    request: &MailRequest,
    drawn: &DrawnLink,
) -> Result<(), DbError> {
    // The canonical form of an address is one; it was believed when the request came.
    let Ok(email) = Email::parse(&request.address) else { return Ok(()) };
    let Some(user) = accounts::by_identifier(tx, &LoginIdentifier::Email(email))? else { return Ok(()) };
    if !user.is_active {
        return Ok(());
    }
    match request.kind {
        RequestKind::VerifyEmail if user.email_verified => Ok(()),
        RequestKind::VerifyEmail if !desk.may_send(tx, act, &user, Kind::VerifyAddress)? => Ok(()),
        RequestKind::ResetPassword if !desk.may_send(tx, act, &user, Kind::ResetPassword)? => Ok(()),
        RequestKind::VerifyEmail => desk.send_verification(tx, act, &user, drawn),
        RequestKind::ResetPassword => desk.send_reset(tx, act, &user, drawn),
    }
}
