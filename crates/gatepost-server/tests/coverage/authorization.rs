//! The authorization matrix: who gets which answer from every operation, on both databases.

use std::collections::BTreeSet;

use gatepost_server::ids::UserId;
use gatepost_server::{access, accounts};
use gatepost_testkit::{Answer, Authenticator, Engine, PASSWORD, Persona, Setup, TestApp};
use serde_json::{Value, json};

use crate::api::{Api, Operation};
use crate::named;

/// Who calls, in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// No credentials.
    Anonymous,
    /// A user, on what is theirs.
    User,
    /// Another user, on what is the first one's.
    Other,
    /// A user with the role `admin`, likewise.
    Admin,
    /// The token of a user whom an administrator disabled.
    Disabled,
    /// The token of a session that was signed out.
    Ended,
    /// A refresh token in the place of an access token.
    Refresh,
    /// An API key without scopes, of the user whose things they are.
    ApiKey,
}

use Who::{Admin, Anonymous, ApiKey, Disabled, Ended, Other, Refresh, User};

const COLUMNS: [Who; 8] = [Anonymous, User, Other, Admin, Disabled, Ended, Refresh, ApiKey];

/// A new operation needs a row here.
#[rustfmt::skip]
const MATRIX: &[(&str, [u16; 8])] = &[
    //                            anon user other admin dis. ended refresh key
    ("access_explain",           [401, 403, 403, 200, 401, 401, 401, 403]),
    ("admin_audit_log",          [401, 403, 403, 200, 401, 401, 401, 403]),
    ("admin_items_delete",       [401, 403, 403, 204, 401, 401, 401, 403]),
    ("admin_permissions_create", [401, 403, 403, 201, 401, 401, 401, 403]),
    ("admin_permissions_delete", [401, 403, 403, 204, 401, 401, 401, 403]),
    ("admin_permissions_list",   [401, 403, 403, 200, 401, 401, 401, 403]),
    ("admin_roles_create",       [401, 403, 403, 201, 401, 401, 401, 403]),
    ("admin_roles_delete",       [401, 403, 403, 204, 401, 401, 401, 403]),
    ("admin_roles_get",          [401, 403, 403, 200, 401, 401, 401, 403]),
    ("admin_roles_list",         [401, 403, 403, 200, 401, 401, 401, 403]),
    ("admin_roles_update",       [401, 403, 403, 200, 401, 401, 401, 403]),
    ("admin_tasks_delete",       [401, 403, 403, 204, 401, 401, 401, 403]),
    ("admin_users_assign_roles", [401, 403, 403, 200, 401, 401, 401, 403]),
    ("admin_users_create",       [401, 403, 403, 201, 401, 401, 401, 403]),
    ("admin_users_delete",       [401, 403, 403, 204, 401, 401, 401, 403]),
    ("admin_users_get",          [401, 403, 403, 200, 401, 401, 401, 403]),
    ("admin_users_list",         [401, 403, 403, 200, 401, 401, 401, 403]),
    // There is none.
    ("admin_users_reset_2fa",    [401, 403, 403, 409, 401, 401, 401, 403]),
    // It was never deleted.
    ("admin_users_restore",      [401, 403, 403, 404, 401, 401, 401, 403]),
    ("admin_users_revoke_sessions", [401, 403, 403, 204, 401, 401, 401, 403]),
    ("admin_users_send_reset",   [401, 403, 403, 202, 401, 401, 401, 403]),
    ("admin_users_unlock",       [401, 403, 403, 204, 401, 401, 401, 403]),
    ("admin_users_update",       [401, 403, 403, 200, 401, 401, 401, 403]),
    ("api_keys_create",          [401, 201, 201, 201, 401, 401, 401, 403]),
    ("api_keys_list",            [401, 200, 200, 200, 401, 401, 401, 403]),
    ("api_keys_revoke",          [401, 204, 404, 404, 401, 401, 401, 403]),
    ("admin_login_attempts",     [401, 403, 403, 200, 401, 401, 401, 403]),
    // The invitation is what opens it, whoever brings it; the example's opens nothing.
    ("auth_accept_invitation",   [400, 400, 400, 400, 400, 400, 400, 400]),
    ("auth_confirm_email",       [400, 400, 400, 400, 400, 400, 400, 400]),
    ("auth_forgot_password",     [202, 202, 202, 202, 202, 202, 202, 202]),
    ("auth_login",               [200, 200, 200, 200, 200, 200, 200, 200]),
    // The challenge is the credential.
    ("auth_login_second_factor", [200, 200, 200, 200, 200, 200, 200, 200]),
    // Whoever holds a token that we signed may end its session, also when it has ended already.
    ("auth_logout",              [401, 204, 204, 204, 204, 204, 401, 403]),
    ("auth_refresh",             [200, 200, 200, 200, 200, 200, 200, 200]),
    ("auth_register",            [201, 201, 201, 201, 201, 201, 201, 201]),
    ("auth_resend_verification", [202, 202, 202, 202, 202, 202, 202, 202]),
    // The link is what opens it, whoever brings it; the example's opens nothing.
    ("auth_reset_password",      [400, 400, 400, 400, 400, 400, 400, 400]),
    ("auth_secure_account",      [400, 400, 400, 400, 400, 400, 400, 400]),
    ("auth_step_up",             [401, 204, 204, 204, 401, 401, 401, 403]),
    ("auth_undo_email",          [400, 400, 400, 400, 400, 400, 400, 400]),
    ("auth_verify_email",        [400, 400, 400, 400, 400, 400, 400, 400]),
    // What is somebody else's is refused as such, also to administrators: they have an operation of their own.
    ("items_create",             [401, 201, 201, 201, 401, 401, 401, 403]),
    ("items_delete",             [401, 204, 403, 403, 401, 401, 401, 403]),
    ("items_get",                [401, 200, 403, 403, 401, 401, 401, 403]),
    ("items_list",               [401, 200, 200, 200, 401, 401, 401, 403]),
    ("items_update",             [401, 200, 403, 403, 401, 401, 401, 403]),
    ("jwks_get",                 [200, 200, 200, 200, 200, 200, 200, 200]),
    // `Authorization` is where the client names itself here (RFC 6749 section 2.3.1), and Bearer is no way to do so.
    ("oauth_token",              [200, 401, 401, 401, 401, 401, 401, 200]),
    ("recovery_codes_count",     [401, 200, 200, 200, 401, 401, 401, 403]),
    // There are none without a second factor.
    ("recovery_codes_replace",   [401, 409, 409, 409, 401, 401, 401, 403]),
    ("second_factor_confirm",    [401, 200, 200, 200, 401, 401, 401, 403]),
    ("second_factor_enrol",      [401, 201, 201, 201, 401, 401, 401, 403]),
    ("second_factor_remove",     [401, 409, 409, 409, 401, 401, 401, 403]),
    // The link works until there is an owner.
    ("sessions_list",            [401, 200, 200, 200, 401, 401, 401, 403]),
    // Somebody else's session is as absent as one that never was.
    ("sessions_revoke",          [401, 204, 404, 404, 401, 401, 401, 403]),
    ("sessions_revoke_all",      [401, 204, 204, 204, 401, 401, 401, 403]),
    ("setup",                    [201, 201, 201, 404, 201, 201, 201, 201]),
    ("tasks_create",             [401, 201, 201, 201, 401, 401, 401, 403]),
    ("tasks_delete",             [401, 204, 403, 403, 401, 401, 401, 403]),
    ("tasks_get",                [401, 200, 403, 403, 401, 401, 401, 403]),
    ("tasks_list",               [401, 200, 200, 200, 401, 401, 401, 403]),
    ("tasks_update",             [401, 200, 403, 403, 401, 401, 401, 403]),
    ("users_get",                [401, 200, 200, 200, 401, 401, 401, 200]),
    ("users_items_create",       [401, 201, 403, 403, 401, 401, 401, 403]),
    ("users_me_audit_log",       [401, 200, 200, 200, 401, 401, 401, 403]),
    ("users_me_change_email",    [401, 202, 202, 202, 401, 401, 401, 403]),
    ("users_me_change_password", [401, 200, 200, 200, 401, 401, 401, 403]),
    // The only administrator may not leave.
    ("users_me_delete",          [401, 204, 204, 409, 401, 401, 401, 403]),
    ("users_me_get",             [401, 200, 200, 200, 401, 401, 401, 200]),
    ("users_me_login_attempts",  [401, 200, 200, 200, 401, 401, 401, 403]),
    ("users_me_update",          [401, 200, 200, 200, 401, 401, 401, 403]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_the_answer_of_the_matrix_on_sqlite() {
    run(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_the_answer_of_the_matrix_on_postgres() {
    run(Engine::Postgres).await;
}

async fn run(engine: Engine) {
    let shared = TestApp::start(engine, "the matrix", Setup::new()).await;
    let api = Api::of(&shared).await;
    let operations = api.operations();
    let ids: BTreeSet<_> = operations.iter().map(|operation| operation.id).collect();
    let rows: BTreeSet<_> = MATRIX.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, rows, "operations, and rows of the matrix");

    let mut wrong = Vec::new();
    for operation in &operations {
        let (_, expected) = MATRIX.iter().find(|(id, _)| *id == operation.id).unwrap();
        for (who, expected) in COLUMNS.into_iter().zip(*expected) {
            // An installation is set up once, and the last administrator is one only where there is no other.
            let alone = matches!(operation.id, "setup" | "users_me_delete");
            let own = if alone { Some(TestApp::start(engine, "a cell", Setup::new()).await) } else { None };
            let answer = Cell { app: own.as_ref().unwrap_or(&shared), operation, who }.call(&api).await;
            if answer.status != expected {
                wrong.push(format!(
                    "{} {who:?}: {} for {expected}: {}",
                    operation.id,
                    answer.status,
                    answer.text()
                ));
            }
            if !operation.statuses().contains_key(&answer.status) {
                wrong.push(format!("{} {who:?}: {} is not documented", operation.id, answer.status));
            }
            if answer.status == 401 && answer.header("www-authenticate").is_empty() {
                wrong.push(format!("{} {who:?}: 401 without a challenge", operation.id));
            }
            if who == ApiKey && !operation.is_public() {
                // A key without scopes is refused with the scope that it lacks where one would help, and without any where
                // none does; the document names the operations that take keys.
                let closed = answer.header("www-authenticate") == r#"Bearer error="insufficient_scope""#;
                if closed == operation.takes_api_keys() {
                    wrong
                        .push(format!("{}: whether it takes API keys is documented otherwise", operation.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

struct Cell<'a> {
    app: &'a TestApp,
    operation: &'a Operation<'a>,
    who: Who,
}

impl Cell<'_> {
    async fn call(&self, api: &Api) -> Answer {
        let (app, operation) = (self.app, self.operation);
        // Before there is an administrator, or there is no link any more.
        let link = if operation.id == "setup" && self.who != Admin {
            app.setup_token().await
        } else {
            String::new()
        };
        let owner = app.some_user().await;
        let bearer = self.bearer(&owner).await;
        let id = match operation.id {
            "api_keys_revoke" => {
                let _ = app.api_key(&owner, &[]).await;
                app.get("/api/v1/api-keys").bearer(&owner.access_token).send().await.json()["data"][0]["id"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            }
            "sessions_revoke" => owner.claims()["sid"].as_str().unwrap().to_owned(),
            _ => named::thing_of(app, operation.path, &owner).await.unwrap_or_else(|| owner.id.clone()),
        };
        let path = named::path_of(app, operation.id, &operation.path.replace("{id}", &id)).await;
        let key = if self.who == ApiKey { Some(app.api_key(&owner, &[]).await) } else { None };
        // What the operation needs to have happened before.
        let body = match operation.id {
            "auth_login_second_factor" => {
                let enrolled = app.with_totp(&owner).await;
                let challenge = app.challenge(&enrolled.persona.username).await;
                let code = app.next_code(&enrolled.authenticator);
                Some(json!({ "challenge": challenge, "method": "totp", "code": code }))
            }
            "second_factor_confirm" => {
                let begun = app.enrol_totp(bearer.as_deref().unwrap_or_default()).await;
                let code = match begun.status {
                    201 => app.next_code(&Authenticator::new(begun.json()["secret"].as_str().unwrap())),
                    _ => "123456".to_owned(),
                };
                Some(json!({ "code": code }))
            }
            _ => None,
        };
        let mut request = app.call(operation.method.clone(), &path);
        if let Some(token) = &bearer {
            request = request.bearer(token);
        }
        if let Some(key) = &key {
            request = request.api_key(key);
        }
        let unused = app.clock.now().as_micros();
        app.clock.advance(std::time::Duration::from_micros(1));
        let name = format!("new-{unused}");
        match operation.id {
            "auth_step_up" => request.json(&json!({ "method": "password", "password": PASSWORD })),
            "auth_login" => request.json(&json!({ "identifier": owner.email, "password": PASSWORD })),
            "api_keys_list"
            | "api_keys_revoke"
            | "auth_logout"
            | "jwks_get"
            | "users_get"
            | "users_me_delete"
            | "users_me_get"
            | "users_me_login_attempts"
            | "admin_login_attempts" => request,
            "auth_refresh" => request.json(&json!({ "refresh_token": owner.refresh_token })),
            "auth_register" => request.json(
                &json!({ "email": format!("{name}@example.com"), "password": PASSWORD, "username": name }),
            ),
            "oauth_token" => request.form(&[
                ("grant_type", "password"),
                ("username", &owner.email),
                ("password", PASSWORD),
            ]),
            "setup" => {
                request.json(&json!({ "token": link, "email": "owner@example.com", "password": PASSWORD }))
            }
            "users_me_change_password" => {
                let new = format!("{unused} boats in the harbour");
                request.json(&json!({ "current_password": PASSWORD, "new_password": new }))
            }
            // The example of the document will do.
            _ => match (body, api.example(operation)) {
                (Some(body), _) => request.json(&body),
                (None, Some(example)) => request.json(example.value),
                (None, None) => request,
            },
        }
        .send()
        .await
    }

    /// The token that this caller presents.
    async fn bearer(&self, owner: &Persona) -> Option<String> {
        let app = self.app;
        match self.who {
            Anonymous | ApiKey => None,
            User => Some(owner.access_token.clone()),
            Other => Some(app.some_user().await.access_token),
            Admin => {
                let admin = app.some_user().await;
                let (act, id): (_, UserId) = (app.app.operator_act(), admin.id.parse().unwrap());
                let identities = app.app.identities.clone();
                let granted = app.db().write(move |tx| {
                    identities.forget_after_commit(tx, id);
                    access::grant(tx, &act, id, access::ADMIN)
                });
                granted.await.unwrap();
                let me: Value = app.me(&admin.access_token).await.json();
                assert_eq!(me["roles"], json!(["admin", "user"]));
                Some(admin.access_token)
            }
            Disabled => {
                let disabled = app.some_user().await;
                let (act, id): (_, UserId) = (app.app.operator_act(), disabled.id.parse().unwrap());
                let identities = app.app.identities.clone();
                let done = app.db().write(move |tx| {
                    identities.forget_after_commit(tx, id);
                    accounts::set_active(tx, &act, id, false)
                });
                done.await.unwrap();
                Some(disabled.access_token)
            }
            Ended => {
                let ended = app.some_user().await;
                let answer = app.post("/api/v1/auth/logout").bearer(&ended.access_token).send().await;
                assert_eq!(answer.status, 204);
                Some(ended.access_token)
            }
            Refresh => Some(app.some_user().await.refresh_token),
        }
    }
}
