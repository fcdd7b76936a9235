//! What the extractors let through, and what they answer to the rest.

use crate::support::{Answer, Frames, post, send};
use axum::body::Body;
use axum::routing::{get, post as on_post};
use axum::{Extension, Router};
use bytes::Bytes;
use gatepost_kernel::Secret;
use gatepost_problem::{
    BearerToken, BodyLimit, DEFAULT_BODY_LIMIT, Form, Json, OptionalJson, Path, Query, parse_json,
};
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Login {
    identifier: String,
    password: Secret<String>,
    device_name: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it decodes matters")]
struct Order {
    lines: Vec<Line>,
    status: Status,
    pair: Option<(u8, u8)>,
    note: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it decodes matters")]
struct Line {
    count: u8,
    price: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Todo,
    Done,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it decodes matters")]
struct Page {
    limit: Option<u32>,
    cursor: Option<String>,
    done: Option<bool>,
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Token {
    grant_type: String,
    username: Option<String>,
    password: Option<Secret<String>>,
}

async fn login(Json(body): Json<Login>) -> String {
    format!("{}/{}/{:?}", body.identifier, body.password.expose().len(), body.device_name)
}

async fn token(Form(form): Form<Token>) -> String {
    format!("{}/{:?}/{}", form.grant_type, form.username, form.password.is_some())
}

fn router() -> Router {
    Router::new()
        .route("/login", on_post(login).patch(login))
        .route("/small", on_post(login).layer(Extension(BodyLimit(64))))
        .route("/any", on_post(async |Json(_): Json<Value>| "ok"))
        .route("/order", on_post(async |Json(_): Json<Order>| "ok"))
        .route("/logout", on_post(async |OptionalJson(body): OptionalJson<Login>| body.is_some().to_string()))
        .route("/list", get(async |Query(page): Query<Page>| format!("{:?}", page.limit)))
        .route("/items/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .route("/wrong/{id}", get(async |Path(_): Path<(u32, u32)>| ""))
        .route("/token", on_post(token))
        .route("/me", get(async |token: BearerToken| token.expose().len().to_string()))
        .route("/maybe", get(async |token: Option<BearerToken>| token.is_some().to_string()))
}

async fn post_json(path: &str, body: impl Into<Body>) -> Answer {
    send(&router(), post(path, "application/json").body(body.into()).unwrap()).await
}

async fn post_form(body: &'static str) -> Answer {
    send(&router(), post("/token", "application/x-www-form-urlencoded").body(body.into()).unwrap()).await
}

async fn fetch(path: &str) -> Answer {
    send(&router(), Request::get(path).body(Body::empty()).unwrap()).await
}

fn pairs(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect()
}

#[tokio::test]
async fn a_good_body_reaches_the_handler() {
    let answer =
        post_json("/login", r#" {"identifier":"\u00e4","password":"a\u0000\\\"","device_name":null} "#).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "ä/4/None"));
    let order = json!({"lines": [{"count": 1, "price": 2}, {"count": 2, "price": 2.5}], "status": "done", "pair": [1, 2]});
    assert_eq!(post_json("/order", order.to_string()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn reg_04_every_unknown_field_is_named() {
    let body = json!({"identifier": "a", "role": "CANARY", "password": "b", "is_active": {"x": ["CANARY"]}, "a/b~c": 1});
    let answer = post_json("/login", body.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "validation_failed"));
    let expected =
        [("/a~1b~0c", "unknown_field"), ("/is_active", "unknown_field"), ("/role", "unknown_field")];
    assert_eq!(pairs(&answer.fields()), expected);
    assert!(!answer.text.contains("CANARY"));
}

#[tokio::test]
async fn everything_that_is_wrong_is_reported_at_once() {
    let answer =
        post_json("/login", r#"{"identifier": 7, "role": "CANARY", "device_name": ["CANARY"]}"#).await;
    let expected = [
        ("/device_name", "invalid_type"),
        ("/identifier", "invalid_type"),
        ("/password", "required"),
        ("/role", "unknown_field"),
    ];
    assert_eq!(pairs(&answer.fields()), expected);
    assert_eq!(
        pairs(&post_json("/login", "{}").await.fields()),
        [("/identifier", "required"), ("/password", "required")]
    );
}

#[tokio::test]
async fn pointers_lead_into_arrays_and_objects() {
    let body = json!({
        "lines": [{"count": 1, "price": 1}, {"count": 300, "price": "CANARY", "x": 1}, 7, {}],
        "status": "CANARY",
        "pair": [1, 2, 3],
    });
    let answer = post_json("/order", body.to_string()).await;
    let expected = [
        ("/lines/1/count", "invalid_value"),
        ("/lines/1/price", "invalid_type"),
        ("/lines/1/x", "unknown_field"),
        ("/lines/2", "invalid_type"),
        ("/lines/3/count", "required"),
        ("/lines/3/price", "required"),
        ("/pair", "invalid_value"),
        ("/status", "invalid_value"),
    ];
    assert_eq!(pairs(&answer.fields()), expected, "{}", answer.text);
    assert!(
        answer.text.contains("one of todo, done") && answer.text.contains("from 0 to 255"),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("CANARY"));
}

#[tokio::test]
async fn a_body_of_the_wrong_kind_is_one_error_at_the_root() {
    for body in ["[]", "7", "\"CANARY\"", "null", r#"["a", "b", "c"]"#] {
        let answer = post_json("/login", body).await;
        assert_eq!(pairs(&answer.fields()), [("", "invalid_type")], "{body}");
    }
}

#[tokio::test]
async fn the_number_of_entries_and_their_names_are_bounded() {
    let unknown: Vec<_> = (0..5_000).map(|i| format!("\"{}{i}\":0", "n".repeat(4))).collect();
    let answer = post_json("/login", format!("{{{}}}", unknown.join(","))).await;
    assert_eq!(answer.fields().len(), 64);
    let answer = post_json("/login", format!("{{\"{}\":0}}", "ä".repeat(10_000))).await;
    assert!(answer.text.len() < 1_000, "{}", answer.text.len());
}

#[tokio::test]
async fn az_09_malformed_bodies_are_400() {
    let deep = "[".repeat(100_000);
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert_eq!(post_json("/any", nested(32)).await.status, StatusCode::OK);
    let cases: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" \n ".to_vec(),
        b"{".to_vec(),
        b"{} {}".to_vec(),
        b"NaN".to_vec(),
        b"\xff\xfe".to_vec(),
        b"\"\xed\xa0\x80\"".to_vec(),
        br#"{"a":1,"a":2}"#.to_vec(),
        br#""\ud800""#.to_vec(),
        nested(33).into_bytes(),
        deep.as_bytes()[..60_000].to_vec(),
    ];
    for case in cases {
        let shown = case[..case.len().min(40)].escape_ascii().to_string();
        let answer = post_json("/any", case).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "malformed_body"), "{shown}");
        assert!(answer.json()["detail"].is_string(), "{shown}");
    }
}

#[tokio::test]
async fn pwd_04_an_unpaired_surrogate_in_a_password_is_400() {
    let answer = post_json("/login", r#"{"identifier":"a","password":"CANARY\ud83d"}"#).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "malformed_body"));
    assert!(!answer.text.contains("CANARY"));
}

/// A JSON string of exactly `size` bytes.
fn string_of(size: usize) -> Vec<u8> {
    format!("\"{}\"", "x".repeat(size - 2)).into_bytes()
}

/// A body without a `Content-Length`, in frames of 1,000 bytes.
fn chunked(bytes: &[u8], ends: bool) -> Body {
    Body::new(Frames { frames: bytes.chunks(1_000).map(Bytes::copy_from_slice).collect(), ends })
}

#[tokio::test]
async fn http_04_the_limit_is_exact() {
    assert_eq!(post_json("/any", string_of(DEFAULT_BODY_LIMIT)).await.status, StatusCode::OK);
    let answer = post_json("/any", string_of(DEFAULT_BODY_LIMIT + 1)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body_too_large"));
    assert_eq!(post_json("/any", chunked(&string_of(DEFAULT_BODY_LIMIT), true)).await.status, StatusCode::OK);
    let answer = post_json("/any", chunked(&string_of(DEFAULT_BODY_LIMIT + 1), true)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body_too_large"));
}

#[tokio::test]
async fn http_04_an_endless_body_is_refused_at_the_limit() {
    let answer = post_json("/any", chunked(&string_of(DEFAULT_BODY_LIMIT + 1), false)).await;
    assert_eq!(answer.code(), "body_too_large");
}

#[tokio::test]
async fn pwd_03_an_announced_length_is_refused_before_anything_is_read() {
    let endless = Body::new(Frames { frames: Vec::new(), ends: false });
    let request =
        post("/any", "application/json").header("content-length", "1073741824").body(endless).unwrap();
    assert_eq!(send(&router(), request).await.code(), "body_too_large");
}

#[tokio::test]
async fn a_route_sets_its_own_limit() {
    let body = |size: usize| format!("{:<size$}", r#"{"identifier":"a","password":"b"}"#);
    assert_eq!(post_json("/small", body(64)).await.status, StatusCode::OK);
    assert_eq!(post_json("/small", body(65)).await.code(), "body_too_large");
}

#[tokio::test(start_paused = true)]
async fn http_02_a_slow_body_is_408() {
    let start = tokio::time::Instant::now();
    let answer = post_json("/any", chunked(b"\"never", false)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (408, "request_timeout"));
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn http_04_other_types_and_codings_are_415() {
    for content_type in
        ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""]
    {
        let answer = send(&router(), post("/any", content_type).body("{}".into()).unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (415, "unsupported_media_type"),
            "{content_type}"
        );
    }
    let answer = send(&router(), Request::post("/any").body("{}".into()).unwrap()).await;
    assert_eq!(answer.status.as_u16(), 415);
    for coding in ["gzip", "br", "zstd", "deflate", "identity, gzip", ""] {
        let request = post("/any", "application/json").header("content-encoding", coding);
        let answer = send(&router(), request.body("{}".into()).unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("accept-encoding")),
            (415, Some("identity")),
            "{coding}"
        );
    }
    let request = post("/any", "application/json").header("content-encoding", "identity");
    assert_eq!(send(&router(), request.body("{}".into()).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_patch_may_call_itself_a_merge_patch() {
    let body = r#"{"identifier":"a","password":"b"}"#;
    let request = |method: &str| {
        let builder = Request::builder().method(method).uri("/login");
        builder.header("content-type", "application/merge-patch+json").body(Body::from(body)).unwrap()
    };
    assert_eq!(send(&router(), request("PATCH")).await.status, StatusCode::OK);
    assert_eq!(send(&router(), request("POST")).await.status.as_u16(), 415);
}

#[tokio::test]
async fn an_optional_body_may_be_absent_but_not_wrong() {
    let answer = send(&router(), Request::post("/logout").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "false"));
    let body = r#"{"identifier":"a","password":"b"}"#;
    assert_eq!(post_json("/logout", body).await.text, "true");
    assert_eq!(post_json("/logout", "{").await.code(), "malformed_body");
    assert_eq!(post_json("/logout", "{}").await.code(), "validation_failed");
    let answer = send(&router(), post("/logout", "text/plain").body(body.into()).unwrap()).await;
    assert_eq!(answer.status.as_u16(), 415);
}

#[tokio::test]
async fn a_query_is_read_strictly() {
    assert_eq!(fetch("/list").await.text, "None");
    assert_eq!(fetch("/list?limit=5&cursor=a%2Bb&done=true&status=todo").await.text, "Some(5)");
    let answer = fetch("/list?limit=CANARY&limt=CANARY&status=CANARY&done=1").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "validation_failed"));
    let expected = [
        ("/done", "invalid_type"),
        ("/limit", "invalid_type"),
        ("/limt", "unknown_field"),
        ("/status", "invalid_value"),
    ];
    assert_eq!(pairs(&answer.fields()), expected);
    assert!(!answer.text.contains("CANARY"));
    for bad in
        ["limit=-1", "limit=%2B1", "limit=", "limit=1.0", "limit=99999999999", "limit=18446744073709551616"]
    {
        assert_eq!(fetch(&format!("/list?{bad}")).await.status.as_u16(), 422, "{bad}");
    }
}

#[tokio::test]
async fn az_09_a_polluted_or_broken_query_is_refused() {
    let answer = fetch("/list?limit=1&limit=2").await;
    assert_eq!(pairs(&answer.fields()), [("/limit", "repeated")]);
    for bad in ["/list?limit=%ff", "/list?limit=%4"] {
        let answer = fetch(bad).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_request"), "{bad}");
    }
    assert_eq!(fetch(&format!("/list?cursor={}", "x".repeat(8_192 - 7))).await.status, StatusCode::OK);
    assert_eq!(fetch(&format!("/list?cursor={}", "x".repeat(8_192 - 6))).await.code(), "invalid_request");
}

#[tokio::test]
async fn a_path_that_does_not_parse_names_nothing() {
    assert_eq!(fetch("/items/7").await.text, "7");
    for bad in ["/items/CANARY", "/items/-1", "/items/%ff", "/items/4294967296"] {
        let answer = fetch(bad).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "not_found"), "{bad}");
        assert!(!answer.text.contains("CANARY"));
    }
    assert_eq!(fetch("/wrong/7").await.code(), "internal", "a route that cannot work is our fault");
}

#[tokio::test]
async fn op_07_a_form_is_read_as_rfc_6749_wants() {
    let answer =
        post_form("grant_type=password&username=a%40b&password=x+y&unknown=1&unknown2=&username2").await;
    assert_eq!(answer.text, r#"password/Some("a@b")/true"#);
    assert_eq!(
        post_form("grant_type=refresh_token&username=&password=").await.text,
        "refresh_token/None/false"
    );
}

#[tokio::test]
async fn op_07_a_bad_form_is_invalid_request() {
    let cases = [
        ("", "'grant_type': This field is required."),
        ("grant_type=", "'grant_type': This field is required."),
        ("grant_type=a&grant_type=a", "The parameter 'grant_type' is repeated."),
        ("grant_type=a&zzz=CANARY&zzz=CANARY", "The parameter 'zzz' is repeated."),
        ("grant_type=%ff", "The form is not percent-encoded UTF-8."),
        ("grant_type=%", "The form is not percent-encoded UTF-8."),
    ];
    for (body, description) in cases {
        let answer = post_form(body).await;
        assert_eq!(answer.status.as_u16(), 400, "{body}");
        assert_eq!(
            answer.json(),
            json!({"error": "invalid_request", "error_description": description}),
            "{body}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn op_07_a_form_that_is_none_is_refused_in_the_same_dialect() {
    let form = "application/x-www-form-urlencoded";
    let answer = send(&router(), post("/token", "application/json").body("{}".into()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (415, &json!("invalid_request")));
    let request = post("/token", form).header("content-encoding", "gzip").body("a=b".into()).unwrap();
    assert_eq!(send(&router(), request).await.status.as_u16(), 415);
    let sized = |size: usize| format!("grant_type={}", "x".repeat(size - 11));
    let answer = send(&router(), post("/token", form).body(sized(DEFAULT_BODY_LIMIT).into()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer =
        send(&router(), post("/token", form).body(sized(DEFAULT_BODY_LIMIT + 1).into()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (413, &json!("invalid_request")));
}

#[tokio::test]
async fn jwt_05_a_bearer_token_is_taken_from_the_header_only() {
    assert_eq!(fetch("/me?access_token=abc").await.header("www-authenticate"), Some("Bearer"));
    assert_eq!(fetch("/maybe").await.text, "false");
    for (value, expected) in [
        ("bearer abc", "200 "),
        ("Basic abc", "401 Bearer"),
        ("Bearer a b", "401 Bearer error=\"invalid_token\""),
    ] {
        let request = Request::get("/me").header("authorization", value).body(Body::empty()).unwrap();
        let answer = send(&router(), request).await;
        let seen =
            format!("{} {}", answer.status.as_u16(), answer.header("www-authenticate").unwrap_or_default());
        assert_eq!(seen, expected, "{value}");
    }
    let request = Request::get("/maybe").header("authorization", "Bearer a b").body(Body::empty()).unwrap();
    assert_eq!(send(&router(), request).await.status.as_u16(), 401, "a bad token is not an absent one");
}

#[test]
fn types_of_their_own_keep_their_words_to_themselves() {
    #[derive(Debug)]
    struct Picky;
    impl<'de> Deserialize<'de> for Picky {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Err(serde::de::Error::custom(format!("I do not like {text}")))
        }
    }
    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only whether it decodes matters")]
    struct Body {
        first: Picky,
        second: u8,
    }
    let problem = parse_json::<Body>(br#"{"first":"CANARY","role":1}"#).unwrap_err();
    assert!(!format!("{problem:?}").contains("CANARY"));
    let found: Vec<_> = problem.errors().iter().map(|e| (e.pointer.as_str(), e.code)).collect();
    assert_eq!(found, [("/first", "invalid_value"), ("/role", "unknown_field")]);
}

#[test]
fn a_patch_tells_absent_from_null() {
    #[derive(Deserialize)]
    struct Patch {
        #[serde(default, deserialize_with = "present")]
        bio: Option<Option<String>>,
    }
    fn present<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<String>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }
    let bio = |text: &str| parse_json::<Patch>(text.as_bytes()).unwrap().bio;
    assert_eq!(bio("{}"), None);
    assert_eq!(bio(r#"{"bio":null}"#), Some(None));
    assert_eq!(bio(r#"{"bio":"x"}"#), Some(Some("x".into())));
}

#[test]
fn enums_with_and_without_content_are_read() {
    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum External {
        Unit,
        One(u8),
        Many { a: u8 },
    }
    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
    enum Internal {
        Totp { code: String },
    }
    let external = |text: &str| parse_json::<External>(text.as_bytes());
    assert_eq!(external(r#""unit""#).unwrap(), External::Unit);
    assert_eq!(external(r#"{"one":1}"#).unwrap(), External::One(1));
    assert_eq!(external(r#"{"many":{"a":1}}"#).unwrap(), External::Many { a: 1 });
    assert!(external(r#"{"one":1,"many":{"a":1}}"#).is_err());
    let internal = |text: &str| parse_json::<Internal>(text.as_bytes());
    assert_eq!(internal(r#"{"code":"1","method":"totp"}"#).unwrap(), Internal::Totp { code: "1".into() });
    assert_eq!(
        internal(r#"{"code":"1","method":"totp","x":1}"#).unwrap_err().errors()[0].code,
        "unknown_field"
    );
    assert_eq!(internal(r#"{"method":"totp"}"#).unwrap_err().errors()[0].pointer, "/code");
}
