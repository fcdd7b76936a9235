//! Letting somebody in who has waited for an administrator.

use gatepost_db::DbError;

use crate::accounts::{self, User};
use crate::app::App;
use crate::outbox::{Letter, Mail};

/// Lets somebody in, and tells them. Whether they were waiting. It does not verify their address.
///
/// # Errors
/// What the database says.
pub async fn approve(app: &App, user: &User) -> Result<bool, DbError> {
    let (act, user) = (app.operator_act(), user.clone());
    let (identities, outbox, sign_in) = (app.identities.clone(), app.outbox.clone(), app.sign_in_url());
    app.db
        .write(move |tx| {
            let waited = accounts::approve(tx, &act, user.id)?;
            if waited {
                identities.forget_after_commit(tx, user.id);
                let letter = Letter::AccountApproved { sign_in: sign_in.clone() };
                let mail = Mail { user: Some(user.id), to: user.mailbox(), letter, not_after: None };
                outbox.owe(tx, act.at, &mail)?;
            }
            Ok(waited)
        })
        .await
}
