//! What the two dialects look like on the wire.

use std::error::Error;

use crate::support::{Answer, send};
use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use gatepost_problem::{
    Cause, Code, FieldError, OAuthCode, OAuthError, Problem, ProblemType, method_not_allowed, not_found,
    request_id,
};
use http::{Request, StatusCode};
use serde_json::json;
use utoipa::{PartialSchema as _, ToSchema as _};

#[derive(Debug, thiserror::Error)]
#[error("the query failed: CANARY-OUTER")]
struct DbDown(#[source] std::io::Error);

fn broken() -> DbDown {
    DbDown(std::io::Error::other("CANARY-INNER"))
}

#[tokio::test]
async fn every_problem_type_renders() {
    for &kind in ProblemType::ALL {
        let answer = Answer::of(Problem::new(kind).into_response()).await;
        assert_eq!(answer.status, kind.status());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{kind}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{kind}");
        let body = json!({
            "type": format!("/docs/problems#{}", kind.code()),
            "title": kind.title(),
            "status": kind.status().as_u16(),
            "code": kind.code(),
        });
        assert_eq!(answer.json(), body, "{kind}");
        let status = kind.status().as_u16();
        assert_eq!(answer.headers.contains_key("retry-after"), [429, 503].contains(&status), "{kind}");
        let challenged = status == 401 || kind == ProblemType::InsufficientScope;
        assert_eq!(answer.headers.contains_key("www-authenticate"), challenged, "{kind}");
    }
}

#[tokio::test]
async fn all_members_are_rendered() {
    let problem = Problem::new(ProblemType::MfaRequired)
        .detail("Enter the code of your app.")
        .with("challenge", "mfc_1")
        .with("methods", vec!["totp", "recovery_code"])
        .with("status", 200)
        .with("code", "fine")
        .with_errors([FieldError::new("/a", "bad", "No.")]);
    let answer = request_id::scope("req-1", async { Answer::of(problem.into_response()).await }).await;
    assert_eq!(
        answer.json(),
        json!({
            "type": "/docs/problems#mfa_required",
            "title": "A second factor is needed",
            "status": 401,
            "detail": "Enter the code of your app.",
            "code": "mfa_required",
            "request_id": "req-1",
            "errors": [{"pointer": "/a", "code": "bad", "detail": "No."}],
            "challenge": "mfc_1",
            "methods": ["totp", "recovery_code"],
        })
    );
    let occurrences = |name: &str| answer.text.matches(&format!("\"{name}\":")).count();
    assert_eq!((occurrences("status"), occurrences("code")), (1, 2), "the other code is in errors");
}

#[tokio::test]
async fn jwt_05_each_refusal_has_its_challenge() {
    let cases = [
        (Problem::unauthenticated(), 401, "Bearer"),
        (Problem::new(ProblemType::InvalidCredentials), 401, "Bearer"),
        (Problem::invalid_bearer(), 401, r#"Bearer error="invalid_token""#),
        (Problem::ambiguous_credentials(), 400, r#"Bearer error="invalid_request""#),
        (
            Problem::insufficient_scope("models:call tasks:read"),
            403,
            r#"Bearer error="insufficient_scope", scope="models:call tasks:read""#,
        ),
        (
            Problem::step_up_required(600),
            401,
            r#"Bearer error="insufficient_user_authentication", max_age="600""#,
        ),
    ];
    for (problem, status, challenge) in cases {
        let answer = Answer::of(problem.into_response()).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
    }
}

#[tokio::test]
async fn a_wait_is_announced() {
    let wait = async |problem: Problem| {
        let answer = Answer::of(problem.into_response()).await;
        answer.header("retry-after").map(str::to_owned)
    };
    assert_eq!(wait(Problem::new(ProblemType::Busy)).await.as_deref(), Some("1"));
    assert_eq!(
        wait(Problem::new(ProblemType::TooManyAttempts).retry_after(900)).await.as_deref(),
        Some("900")
    );
    assert_eq!(wait(Problem::not_found()).await, None);
}

#[tokio::test]
async fn a_cause_goes_to_the_log_and_not_to_the_client() {
    let answers =
        [Problem::internal(broken()).into_response(), OAuthError::internal(broken()).into_response()];
    for (response, code) in answers.into_iter().zip(["internal", "server_error"]) {
        let cause = response.extensions().get::<Cause>().unwrap();
        assert_eq!(cause.chain(), "the query failed: CANARY-OUTER: CANARY-INNER");
        assert_eq!(response.extensions().get::<Code>(), Some(&Code(code)));
        let answer = Answer::of(response).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!answer.text.contains("CANARY"), "{}", answer.text);
        assert!(!format!("{:?}", answer.headers).contains("CANARY"));
    }
}

#[test]
fn a_problem_is_an_error_with_a_source_and_a_quiet_debug() {
    let problem = Problem::internal(broken()).with("challenge", "CANARY-CHALLENGE");
    assert_eq!(problem.to_string(), "internal");
    assert!(problem.source().unwrap().to_string().starts_with("the query failed"));
    assert!(!format!("{problem:?}").contains("CANARY-CHALLENGE"));
    let error = OAuthError::new(OAuthCode::MfaRequired).with("challenge", "CANARY-CHALLENGE");
    assert!(!format!("{error:?}").contains("CANARY"));
}

#[tokio::test]
async fn op_07_every_oauth_error_renders() {
    for &code in OAuthCode::ALL {
        let answer = Answer::of(OAuthError::new(code).into_response()).await;
        assert_eq!(answer.status, code.status());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("pragma"), Some("no-cache"));
        assert_eq!(answer.json(), json!({"error": code.as_str()}));
        assert_eq!(answer.headers.contains_key("retry-after"), code.status().as_u16() == 503);
        assert!(!answer.headers.contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn op_07_a_client_that_used_basic_is_told_so() {
    let answer = Answer::of(OAuthError::invalid_client(true).into_response()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="));
    let answer = Answer::of(OAuthError::invalid_client(false).into_response()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test]
async fn an_oauth_error_has_a_clean_description_and_extra_members() {
    let error = OAuthError::new(OAuthCode::MfaRequired)
        .description("say \"ä\\\n")
        .with("challenge", "mfc_1")
        .with("error", "none");
    let answer = Answer::of(error.into_response()).await;
    assert_eq!(
        answer.json(),
        json!({"error": "mfa_required", "error_description": "say ????", "challenge": "mfc_1"})
    );
    let answer = Answer::of(OAuthError::too_many_attempts(30).into_response()).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("30")));
}

#[tokio::test]
async fn the_fallbacks_answer_problems() {
    let router = Router::new()
        .route("/here", get(|| async {}))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found);
    let answer = send(&router, Request::get("/nowhere").body("".into()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "not_found"));
    let answer = send(&router, Request::delete("/here").body("".into()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[test]
fn the_schemas_name_what_is_rendered() {
    assert_eq!((Problem::name(), OAuthError::name()), ("Problem".into(), "OAuthError".into()));
    let problem = serde_json::to_value(Problem::schema()).unwrap();
    assert_eq!(problem["required"], json!(["type", "title", "status", "code"]));
    let mut members: Vec<_> = problem["properties"].as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["code", "detail", "errors", "request_id", "status", "title", "type"]);
    assert_eq!(problem["properties"]["errors"]["items"], json!({"$ref": "#/components/schemas/FieldError"}));
    let mut needed = Vec::new();
    Problem::schemas(&mut needed);
    assert_eq!(needed.len(), 1);
    assert_eq!(needed[0].0, "FieldError");
    let oauth = serde_json::to_value(OAuthError::schema()).unwrap();
    assert_eq!(oauth["required"], json!(["error"]));
}
