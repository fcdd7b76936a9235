//! A new password from the operator, for an account whose owner cannot sign in.

use gatepost_db::DbError;
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Check, Problem};

use super::password::{PasswordField, believe_new_password, hash_problem, password_changed};
use crate::accounts::{self, User};
use crate::app::App;
use crate::audit::{self, Event};
use crate::http::storage_problem;
use crate::outbox::Gone;
use crate::passwords;

/// Gives an account a password and ends every session that it has.
///
/// # Errors
/// `validation_failed` for a weak password, 404 for an account that was deleted meanwhile, 503 when the database or the
/// hasher is busy.
pub async fn set_password(app: &App, user: &User, typed: Secret<String>) -> ApiResult<()> {
    let field = PasswordField {
        pointer: "/password",
        email: Some(user.email.clone()),
        username: user.username.clone(),
    };
    let mut check = Check::new();
    let password = believe_new_password(app, &mut check, typed, field).await.map_err(hash_problem)?;
    let (password,) = check.values((password,))?;
    let hash = app.hasher.hash(password).await.map_err(hash_problem)?;

    let (act, user, history) = (app.operator_act(), user.id, app.config.passwords.history);
    let outbox = app.outbox.clone();
    let found = app
        .db
        .write(move |tx| {
            if accounts::by_id(tx, user)?.is_none_or(|user| user.deleted_at.is_some()) {
                return Ok::<_, DbError>(false);
            }
            passwords::set(tx, &act, user, &hash, history)?;
            let user = accounts::bump_epoch(tx, user, act.at)?;
            outbox.owe(tx, act.at, &password_changed(&user, &act, Gone::default()))?;
            audit::record(tx, &act, &Event::PasswordChanged { user: user.id })?;
            Ok(true)
        })
        .await
        .map_err(storage_problem)?;
    if found { Ok(()) } else { Err(Problem::not_found()) }
}
