//! `POST /api/v1/admin/users`: an account for somebody, or an invitation to make one.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use gatepost_db::WriteTx;
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Check, Json, Problem};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Error;
use super::reach::require_fresh_session;
use crate::access::{self, AccessRules, Authority, RolesAssign, USER};
use crate::accounts::{self, Email, Patch, ProfileInput, User, UserBody, UsersWrite};
use crate::app::App;
use crate::attempts::{self, Attempts};
use crate::audit::{Act, Origin};
use crate::http::{Denied, Permission as _, Require, created};
use crate::outbox::Kind;
use crate::recovery::Desk;
use crate::sign_up::{self, DrawnInvitation, Enrolment, NewAccount, Terms, enroll};

/// How many roles can be named.
const MOST_ROLES: usize = 200;

/// A new account.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewUser, example = json!({
    "email": "grace@example.com", "password": "correct horse battery staple", "username": "grace", "first_name": "Grace"
}))]
pub(super) struct Request {
    /// Its owner's address.
    email: String,
    /// Without one the owner is invited by mail, and chooses one.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret<String>>,
    /// What they become besides a user.
    #[serde(default)]
    roles: Vec<String>,
    /// 3 to 32 letters, digits, `.`, `_` or `-`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    username: Patch<String>,
    /// E.164, such as `+441632960961`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    phone_number: Patch<String>,
    /// At most 100 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    first_name: Patch<String>,
    /// At most 100 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    last_name: Patch<String>,
    /// At most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    bio: Patch<String>,
    /// An https address of at most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    avatar_url: Patch<String>,
    /// ISO 3166-1 alpha-2, such as `GB`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    country: Patch<String>,
}

/// Somebody was invited.
#[derive(Serialize, ToSchema)]
#[schema(as = UserInvited)]
pub(super) struct Invited {
    /// Always `invited`: there is no account before the invitation is accepted.
    #[schema(example = "invited")]
    status: &'static str,
}

/// Make an account, or invite somebody to make theirs
///
/// With a password the account is there at once, and its address counts as verified. Without one a mail invites its owner, for
/// 72 hours; then only `roles` may stand beside `email`. Needs the permission `users:write`. A password or roles take a sign-in
/// that is at most ten minutes old and no API key, roles also the permission `roles:assign`; nobody gives more than they have.
#[utoipa::path(
    post,
    path = "/api/v1/admin/users",
    operation_id = "admin_users_create",
    tag = "admin",
    request_body = Request,
    responses(
        (status = 201, body = UserBody, headers(("ETag" = String, description = "The version of the account"))),
        (status = 202, body = Invited, description = "A mail is on its way"),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`: a permission is missing, or a role reaches further than your own rights; `insufficient_scope`"),
        (status = 409, body = Problem, description = "`email_taken`, `username_taken`, `phone_taken`"),
        (status = 422, body = Problem, description = "`validation_failed`: `unknown_role`, `not_with_invitation`, …"),
        (status = 429, body = Problem, description = "`rate_limited`: the address has got an invitation within a minute, or five within a day"),
    ),
    security(("bearer" = ["users:write"]), ("password" = []), ("api_key" = ["users:write"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<UsersWrite>,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    let Request { email, password, roles, .. } = request;
    let profile = ProfileInput {
        username: request.username,
        phone_number: request.phone_number,
        first_name: request.first_name,
        last_name: request.last_name,
        bio: request.bio,
        avatar_url: request.avatar_url,
        country: request.country,
    };
    let mut check = Check::new();
    let few = roles.len() <= MOST_ROLES;
    check.require(few, "/roles", "too_long", format!("There are at most {MOST_ROLES} roles."));
    let giver = Giver { caller, roles, rules: app.access.clone() };
    if password.is_some() || giver.gives() {
        require_fresh_session(&giver.caller, app.clock.now())?;
    }
    match password {
        Some(password) => {
            check.finish()?;
            make(&app, origin, giver, NewAccount { email, password, profile }).await
        }
        None => {
            refuse_profile(&mut check, &profile);
            let email = check.field("/email", Email::parse(&email));
            let (email,) = check.values((email,))?;
            invite(&app, origin, giver, email).await
        }
    }
}

/// Invited people write their own profile.
fn refuse_profile(check: &mut Check, profile: &ProfileInput) {
    let fields = [
        ("/username", &profile.username),
        ("/phone_number", &profile.phone_number),
        ("/first_name", &profile.first_name),
        ("/last_name", &profile.last_name),
        ("/bio", &profile.bio),
        ("/avatar_url", &profile.avatar_url),
        ("/country", &profile.country),
    ];
    for (pointer, field) in fields {
        let is_absent = *field == Patch::Keep;
        check.require(
            is_absent,
            pointer,
            "not_with_invitation",
            "Send a password with it, or leave it to whom you invite.",
        );
    }
}

/// Who makes the account, and what they want to give it.
struct Giver {
    caller: Require<UsersWrite>,
    roles: Vec<String>,
    rules: AccessRules,
}

impl Giver {
    /// Whether there is a role that not everybody has.
    fn gives(&self) -> bool {
        self.roles.iter().any(|role| role != USER)
    }

    /// On whose word, if they may do this now.
    fn authority(&self, tx: &mut WriteTx<'_>, act: &Act) -> Result<Authority, Error> {
        let rights = self.caller.confirm(tx, act.at)?;
        if self.gives() && !rights.may(RolesAssign::NAME) {
            return Err(Denied::Forbidden.into());
        }
        Ok(Authority::Caller(rights))
    }

    fn make(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        attempts: &Attempts,
        enrolment: Enrolment,
    ) -> Result<User, Error> {
        let authority = self.authority(tx, act)?;
        sign_up::supersede(tx, act, (&self.rules, &authority), enrolment.email())?;
        let user = enroll(tx, act, enrolment)?;
        // What was counted against the name while nobody had it is not its owner's.
        attempts::reopen(tx, &attempts.of_user(&user, None, act.at))?;
        if self.gives() {
            access::set_roles(tx, act, &self.rules, &authority, (user.id, &self.roles))?;
        }
        Ok(accounts::living(tx, user.id, None)?)
    }
}

async fn make(app: &App, origin: Origin, giver: Giver, account: NewAccount) -> ApiResult<Response> {
    let enrolment = Enrolment::prepare(app, account, Terms::made_by_administrator()).await?;
    let act = origin.act(app.clock.now()).by(giver.caller.user().id);
    let attempts = app.attempts.clone();
    let (user, rights) = app
        .db
        .write(move |tx| {
            let user = giver.make(tx, &act, &attempts, enrolment.clone())?;
            let rights = access::rights_of(tx, &giver.rules, user.id)?;
            Ok::<_, Error>((user, rights))
        })
        .await?;
    Ok(created(user.version, UserBody::new(&user, &rights)))
}

async fn invite(app: &App, origin: Origin, giver: Giver, email: Email) -> ApiResult<Response> {
    let act = origin.act(app.clock.now()).by(giver.caller.user().id);
    let (invitation, desk) = (DrawnInvitation::draw(app, act.at), Desk::of(app));
    app.db
        .write(move |tx| {
            let authority = giver.authority(tx, &act)?;
            if !desk.may_send_to(tx, &act, &email.mailbox(), Kind::Invitation)? {
                return Err(Error::EnoughMails);
            }
            invitation.send(tx, &act, &authority, (&email, &giver.roles))?;
            Ok(())
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(Invited { status: "invited" })).into_response())
}
