//! Every type of problem is documented, and every one that the server can answer was answered here.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use gatepost_db::{DbError, Statement, params};
use gatepost_problem::{OAuthCode, ProblemType};
use gatepost_server::http::{HttpParts, finish, storage_problem};
use gatepost_testkit::{Answer, PASSWORD, Setup, TestApp, on_each_db};
use http::header::{AUTHORIZATION, HOST, IF_MATCH};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::source;

const ME: &str = "/api/v1/users/me";
const LOGIN: &str = "/api/v1/auth/login";
const REGISTER: &str = "/api/v1/auth/register";

/// Where a problem comes from.
enum Origin {
    /// The application answered it.
    Answered(Box<Answer>),
    /// A test elsewhere sees it on the wire: its file and its name.
    Elsewhere(&'static str, &'static str),
    /// Nothing answers it yet. It comes with what is named here.
    ComesWith(&'static str),
}

use Origin::ComesWith;

fn answered(answer: Answer) -> Origin {
    Origin::Answered(Box::new(answer))
}

/// A new type needs an arm here.
async fn origin(app: &TestApp, kind: ProblemType) -> Origin {
    let user = app.some_user().await;
    let token = &user.access_token;
    let me = || app.get(ME).bearer(token);
    let patch = |body| app.patch(ME).bearer(token).json(&body);
    answered(match kind {
        ProblemType::MalformedBody => app.post(LOGIN).body("application/json", "{").send().await,
        ProblemType::InvalidRequest => app.get(ME).header(HOST, "\u{e9}").send().await,
        ProblemType::InvalidLink => {
            let body = json!({ "token": "gps_none", "email": "owner@example.com", "password": PASSWORD });
            app.post("/api/v1/setup").json(&body).send().await
        }
        ProblemType::AuthenticationRequired => app.get(ME).send().await,
        ProblemType::InvalidCredentials => app.login(&user.email, "another password").await,
        ProblemType::MfaRequired => {
            app.with_totp(&user).await;
            app.login(&user.email, PASSWORD).await
        }
        ProblemType::InvalidCode => {
            app.enrol_totp(token).await;
            app.confirm_totp(token, "none").await
        }
        ProblemType::ChallengeExpired => app.second_factor("gpc_none", "totp", "123456").await,
        ProblemType::InvalidRefreshToken => app.refresh("rt1_none").await,
        ProblemType::InsufficientUserAuthentication => {
            app.clock.advance(Duration::from_secs(601));
            app.delete(ME).bearer(token).send().await
        }
        ProblemType::InvalidAccessToken => app.me("none").await,
        ProblemType::InsufficientScope => {
            patch(json!({}))
                .header(AUTHORIZATION, &format!("Bearer {}", app.api_key(&user, &[]).await))
                .send()
                .await
        }
        ProblemType::Conflict => {
            for _ in 0..50 {
                app.api_key(&user, &[]).await;
            }
            let one_more = json!({ "name": "one more", "scopes": [] });
            app.post("/api/v1/api-keys").bearer(token).json(&one_more).send().await
        }
        ProblemType::Forbidden => app.get("/api/v1/admin/audit-log").bearer(token).send().await,
        ProblemType::InvalidCurrentPassword => {
            let body = json!({ "current_password": "another password", "new_password": "seven boats in the harbour" });
            app.put("/api/v1/users/me/password").bearer(token).json(&body).send().await
        }
        ProblemType::CsrfRejected => {
            let browser = app.browse(&user.email).await;
            app.patch(ME).cookie_of(&browser).json(&json!({ "bio": "x" })).send().await
        }
        ProblemType::NotFound => app.get("/api/v1/nothing").send().await,
        ProblemType::MethodNotAllowed => app.delete(LOGIN).send().await,
        ProblemType::RequestTimeout => {
            return Origin::Elsewhere(
                "crates/gatepost-problem/tests/edge/extractors.rs",
                "http_02_a_slow_body_is_408",
            );
        }
        ProblemType::EmailTaken => {
            app.post(REGISTER).json(&json!({ "email": user.email, "password": PASSWORD })).send().await
        }
        ProblemType::UsernameTaken => {
            patch(json!({ "username": app.some_user().await.username })).send().await
        }
        ProblemType::PhoneTaken => {
            let (number, other) = (json!({ "phone_number": "+441632960961" }), app.some_user().await);
            assert_eq!(app.patch(ME).bearer(&other.access_token).json(&number).send().await.status, 200);
            patch(number).send().await
        }
        ProblemType::LastAdmin => {
            let owner = app.owner().await;
            app.delete(ME).bearer(&owner.access_token).send().await
        }
        ProblemType::VersionMismatch => patch(json!({ "bio": "x" })).header(IF_MATCH, "\"999\"").send().await,
        ProblemType::BodyTooLarge => {
            app.post(LOGIN).body("application/json", vec![b' '; 65 * 1024]).send().await
        }
        ProblemType::UriTooLong => app.get(&format!("/{}", "x".repeat(9 * 1024))).send().await,
        ProblemType::UnsupportedMediaType => app.post(LOGIN).body("text/plain", "{}").send().await,
        ProblemType::UnknownHost => me().header(HOST, "elsewhere.example").send().await,
        ProblemType::ValidationFailed => app.post(LOGIN).json(&json!({})).send().await,
        ProblemType::HeadersTooLarge => {
            let huge = "x".repeat(17 * 1024);
            me().header(http::header::COOKIE, &huge).send().await
        }
        ProblemType::Internal => {
            static RUIN: Statement =
                Statement::new("RUIN", "UPDATE passwords SET hash = 'none' WHERE user_id = ?1");
            let id: gatepost_server::ids::UserId = user.id.parse().unwrap();
            app.db().write(move |tx| tx.execute(&RUIN, &params![id])).await.unwrap();
            app.post(LOGIN)
                .json(&json!({ "identifier": user.email, "password": PASSWORD }))
                .may_fail()
                .send()
                .await
        }
        // The test databases are not busy and their disk is not full; what the edge makes of it is the same.
        ProblemType::Busy => refused_by_storage(app, || DbError::Busy).await,
        ProblemType::StorageFull => refused_by_storage(app, || DbError::StorageFull).await,

        ProblemType::OauthStateMismatch
        | ProblemType::LinkRequired
        | ProblemType::LastCredential
        | ProblemType::ProviderUnavailable => return ComesWith("social sign-in"),
        ProblemType::NotOwner => {
            let path = format!("/api/v1/users/{}/items", app.some_user().await.id);
            app.post(&path).bearer(token).json(&json!({ "title": "a lantern" })).send().await
        }
        ProblemType::SignupDisabled => {
            let closed = in_mode(app, "closed").await;
            let ada = json!({ "email": "ada@example.com", "password": PASSWORD });
            closed.post(REGISTER).json(&ada).send().await
        }
        ProblemType::EmailNotVerified => first_login(app, "verify_first").await,
        ProblemType::AwaitingApproval => first_login(app, "admin_approval").await,
        ProblemType::IdempotencyMismatch => return ComesWith("idempotency keys"),
        ProblemType::TooManyAttempts => {
            // Five wrong passwords are free; the sixth waits.
            for _ in 0..5 {
                app.login("nobody", "another password").await;
            }
            app.login("nobody", "another password").await
        }
        ProblemType::RateLimited => {
            return Origin::Elsewhere(
                "crates/gatepost-server/src/limits/tests.rs",
                "bru_10_spraying_from_one_address_is_429_after_the_burst",
            );
        }
        ProblemType::GrantExpired
        | ProblemType::ModelNotFound
        | ProblemType::TooManyRows
        | ProblemType::InvalidInput
        | ProblemType::QuotaExceeded
        | ProblemType::BackendFailed
        | ProblemType::ModelLoading
        | ProblemType::ModelTimeout => return ComesWith("predictions"),
    })
}

/// Another application, with this mode of sign-up.
async fn in_mode(app: &TestApp, mode: &str) -> TestApp {
    TestApp::start(app.engine, mode, Setup::new().set("sign_up.mode", mode)).await
}

/// The sign-in of somebody who has just registered where accounts wait.
async fn first_login(app: &TestApp, mode: &str) -> Answer {
    let waiting = in_mode(app, mode).await;
    let ada = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(waiting.post(REGISTER).json(&ada).send().await.status, 202);
    waiting.login("ada@example.com", PASSWORD).await
}

/// What a client hears when a handler hands on an error of the storage.
async fn refused_by_storage(app: &TestApp, error: fn() -> DbError) -> Answer {
    let routes = Router::new().route("/", get(move || async move { storage_problem(error()) }));
    on_its_own(app, routes, "Basic bm9ib2R5Og==").await
}

/// The answer of a route that the application does not have.
async fn on_its_own(app: &TestApp, routes: Router, authorization: &str) -> Answer {
    let routes = finish(routes, HttpParts::new(app.app.clock.clone(), app.app.random.clone()));
    let request = http::Request::get("/")
        .header(HOST, "localhost")
        .header(AUTHORIZATION, authorization)
        .body(axum::body::Body::empty())
        .unwrap();
    let (head, body) = routes.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

on_each_db! {
    async fn every_problem_was_answered_or_comes_later(app: TestApp) {
        let anchors = anchors(&app).await;
        let sources = source::files();
        for &kind in ProblemType::ALL {
            match origin(&app, kind).await {
                Origin::Answered(answer) => assert_shape(&answer, kind, &anchors),
                Origin::Elsewhere(file, test) => {
                    let text = std::fs::read_to_string(source::root().join(file)).unwrap();
                    assert!(text.contains(&format!("fn {test}(")), "{file} has no test {test}");
                }
                ComesWith(what) => {
                    let variant = format!("ProblemType::{kind:?}");
                    // What has a function of its own on `Problem`.
                    let function = format!("Problem::{}(", kind.code());
                    let maker = sources.iter().find(|file| {
                        file.path.starts_with("crates/gatepost-server/")
                            && (source::names(&file.code, &variant) || file.code.contains(&function))
                    });
                    let maker = maker.map(|file| &file.path);
                    assert_eq!(maker, None, "{kind} no longer waits for {what}: give it an answer here");
                }
            }
        }
    }
}

#[track_caller]
fn assert_shape(answer: &Answer, kind: ProblemType, anchors: &BTreeSet<String>) {
    let text = answer.text();
    assert_eq!(answer.header("content-type"), "application/problem+json", "{kind}: {text}");
    let body = answer.json();
    assert_eq!(answer.status, kind.status(), "{kind}: {text}");
    assert_eq!(body["status"], answer.status, "{text}");
    assert_eq!(body["code"], kind.code(), "{text}");
    assert_eq!(body["title"], kind.title(), "{text}");
    assert_eq!(body["request_id"], answer.header("x-request-id"), "{text}");
    assert!(!answer.header("x-request-id").is_empty());
    let anchor = body["type"].as_str().unwrap().strip_prefix("/docs/problems#").unwrap();
    assert!(anchors.contains(anchor), "{kind} points to #{anchor}, which is not there");
    let members = ["type", "title", "status", "detail", "code", "request_id", "errors"];
    // What the paragraph of a type speaks of may come with it.
    let extra: &[&str] = if kind == ProblemType::MfaRequired { &["challenge", "methods"] } else { &[] };
    assert!(extra.iter().all(|name| kind.doc().contains(&format!("`{name}`"))), "{kind}");
    for name in body.as_object().unwrap().keys() {
        assert!(
            members.contains(&name.as_str()) || extra.contains(&name.as_str()),
            "{kind} has a member {name} that is documented nowhere"
        );
    }
    assert!(!matches!(answer.status, 429 | 503) || !answer.header("retry-after").is_empty(), "{kind}");
    let challenged = answer.status == 401 || kind == ProblemType::InsufficientScope;
    assert_eq!(challenged, !answer.header("www-authenticate").is_empty(), "{kind}");
}

/// The ids on the page of problems.
async fn anchors(app: &TestApp) -> BTreeSet<String> {
    let page = app.get("/docs/problems").send().await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let text = page.text();
    let ids: Vec<_> = source::between(&text, " id=\"", "\"").map(str::to_owned).collect();
    let anchors: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!(ids.len(), anchors.len(), "an id stands twice on the page: {ids:?}");
    for kind in ProblemType::ALL {
        assert!(anchors.contains(kind.code()), "{kind} is not documented");
        assert!(text.contains(kind.doc()), "{kind} is documented otherwise");
    }
    anchors
}

/// The codes of RFC 6749 that the token endpoint answers; the others come later or are the answer to a failure.
#[test]
fn every_oauth_code_is_used_or_comes_later() {
    let sources = source::files();
    let used = |code: OAuthCode| {
        sources.iter().any(|file| source::names(&file.code, &format!("OAuthCode::{code:?}")))
    };
    for &code in OAuthCode::ALL {
        let waits_for = match code {
            OAuthCode::InvalidRequest
            | OAuthCode::InvalidGrant
            | OAuthCode::UnsupportedGrantType
            | OAuthCode::InvalidScope
            | OAuthCode::MfaRequired
            | OAuthCode::TemporarilyUnavailable => None,
            // Made by functions of their own: `invalid_client` and `internal`.
            OAuthCode::InvalidClient | OAuthCode::ServerError => continue,
            OAuthCode::UnauthorizedClient => Some("clients of other parties"),
        };
        assert_eq!(used(code), waits_for.is_none(), "{} waits for {waits_for:?}", code.as_str());
    }
}
