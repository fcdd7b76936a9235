//! What becomes of a request for a link: a mail to the account that has the address, if there is one that may have it. And of
//! an alert about failed sign-ins: a mail with the link that ends every session.

use gatepost_db::{DbError, ReadTx, WriteTx};

use super::link::{Desk, DrawnLink};
use super::request::{MailRequest, RequestKind};
use super::sql;
use crate::accounts::{self, Email, LoginIdentifier};
use crate::app::App;
use crate::attempts;
use crate::audit::Act;
use crate::outbox::Kind;

/// How many requests one transaction answers.
const BATCH: u8 = 50;

/// Answers every request and every alert that waits. It runs as a job, so that nobody who asks can measure what is done
/// here.
///
/// # Errors
/// What the database says; what was not answered waits for the next turn.
pub async fn answer_requests(app: &App) -> Result<(), DbError> {
    while app.db.read(waits).await? {
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
        let drawn: Vec<_> = (0..BATCH).map(|_| DrawnLink::draw(&app.random)).collect();
        let (act, desk) = (app.operator_act(), Desk::of(app));
        app.db.write(move |tx| answer_alerts(tx, &act, &desk, &drawn)).await?;
    }
    Ok(())
}

fn waits(tx: &mut ReadTx<'_>) -> Result<bool, DbError> {
    Ok(sql::request_waits(tx)? || !attempts::unanswered_alerts(tx, 1)?.is_empty())
}

/// Mails to those whose accounts somebody tries to get into. How often is for `attempts` to say.
fn answer_alerts(tx: &mut WriteTx<'_>, act: &Act, desk: &Desk, drawn: &[DrawnLink]) -> Result<(), DbError> {
    for ((user, _), drawn) in attempts::unanswered_alerts(tx, BATCH.into())?.into_iter().zip(drawn) {
        if !attempts::answer_alert(tx, user)? {
            continue;
        }
        match accounts::by_id(tx, user)? {
            Some(user) if user.is_active && user.deleted_at.is_none() => {
                desk.send_alert(tx, act, &user, drawn)?;
            }
            Some(_) | None => {}
        }
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
