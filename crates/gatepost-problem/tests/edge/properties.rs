//! Laws of the extractors: whatever comes, the answer is a refusal in the right dialect, never a panic and never
//! a 500; and a client never reads a value that it sent.

use crate::support::{Answer, post, send};
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use axum::routing::{get, post as on_post};
use gatepost_kernel::Secret;
use gatepost_problem::{
    BearerToken, Form, Json, OptionalJson, Path, Query, parse_form, parse_json, parse_query,
};
use http::{HeaderValue, Request};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it decodes matters")]
struct Everything {
    text: Option<String>,
    secret: Secret<String>,
    number: u16,
    float: f32,
    flag: Option<bool>,
    list: Vec<Option<i8>>,
    inner: Option<Box<Everything>>,
    choice: Option<Choice>,
    pair: Option<(u8, String)>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it decodes matters")]
enum Choice {
    One,
    Two(u8),
    Three { a: String },
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it decodes matters")]
struct Flat {
    text: Option<String>,
    secret: Option<Secret<String>>,
    number: u16,
    flag: Option<bool>,
}

fn router() -> Router {
    Router::new()
        .route("/json", on_post(async |Json(_): Json<Everything>| ()))
        .route("/value", on_post(async |Json(_): Json<Value>| ()))
        .route("/optional", on_post(async |OptionalJson(_): OptionalJson<Everything>| ()))
        .route("/form", on_post(async |Form(_): Form<Flat>| ()))
        .route("/query", get(async |Query(_): Query<Flat>| ()))
        .route("/path/{number}", get(async |Path(_): Path<u16>| ()))
        .route("/bearer", get(async |_: BearerToken| ()))
}

fn answer(request: Request<Body>) -> Answer {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(async { send(&router(), request).await })
}

fn refused_or_fine(answer: &Answer) -> Result<(), TestCaseError> {
    let status = answer.status.as_u16();
    prop_assert!([200, 400, 401, 404, 413, 415, 422].contains(&status), "{status}: {}", answer.text);
    if status != 200 {
        prop_assert!(answer.json()["code"].is_string() || answer.json()["error"].is_string());
    }
    Ok(())
}

/// Text that is nearly JSON, so that the decoder is reached and not only the parser.
fn nearly_json() -> impl Strategy<Value = String> {
    let tokens = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"secret\"",
        "\"number\"",
        "\"inner\"",
        "\"list\"",
        "\"choice\"",
        "\"Two\"",
        "\"x\"",
        "1",
        "-1.5e3",
        "1e400",
        "true",
        "null",
        " ",
        "\"\\ud800\"",
        "\"\\n\"",
        "\\",
        "\"",
        "ä",
    ]);
    prop::collection::vec(tokens, 0..24).prop_map(|tokens| tokens.concat())
}

/// Any JSON value, with the names of our fields more often than others, and with a marker in every string.
fn marked_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(|text| json!(format!("CANARY{text}"))),
    ];
    let names = [
        "text", "secret", "number", "float", "flag", "list", "inner", "choice", "pair", "Two", "Three", "a",
        "other",
    ];
    leaf.prop_recursive(4, 48, 6, move |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(names.to_vec()), inside, 0..9).prop_map(
                |members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            ),
        ]
    })
}

proptest! {
    #[test]
    fn any_body_is_refused_or_fine(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            nearly_json().prop_map(String::into_bytes),
            marked_json().prop_map(|value| value.to_string().into_bytes()),
        ],
        path in prop::sample::select(vec!["/json", "/value", "/optional", "/form"]),
        kind in prop::sample::select(vec!["application/json", "application/x-www-form-urlencoded"]),
    ) {
        refused_or_fine(&answer(post(path, kind).body(bytes.into()).unwrap()))?;
    }

    #[test]
    fn any_uri_is_refused_or_fine(query in "[ -~&&[^ \"#<>{}|\\\\^`]]{0,40}", path in "[a-z0-9%.-]{1,12}") {
        for uri in [format!("/query?{query}"), format!("/path/{path}")] {
            let Ok(request) = Request::get(&uri).body(Body::empty()) else { continue };
            refused_or_fine(&answer(request))?;
        }
    }

    #[test]
    fn any_authorization_is_refused_or_fine(value in prop::collection::vec(any::<u8>(), 0..40), bearer in any::<bool>()) {
        let value = if bearer { [b"Bearer ".as_slice(), &value].concat() } else { value };
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            refused_or_fine(&answer(Request::get("/bearer").header("authorization", value).body(Body::empty()).unwrap()))?;
        }
    }

    #[test]
    fn no_value_is_repeated(value in marked_json()) {
        let text = value.to_string();
        if let Err(problem) = parse_json::<Everything>(text.as_bytes()) {
            prop_assert!(!format!("{problem:?}").contains("CANARY"), "{problem:?}");
            let response = problem.into_response();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let answer = runtime.block_on(Answer::of(response));
            prop_assert!(!answer.text.contains("CANARY"), "{}", answer.text);
        }
        // Cut anywhere, so that it is malformed in every way.
        let cut = text.len() / 2;
        if let Err(problem) = parse_json::<Everything>(&text.as_bytes()[..cut]) {
            prop_assert!(!format!("{problem:?}").contains("CANARY"), "{problem:?}");
        }
        let form = format!("number=CANARY&flag=CANARY&text=CANARY%{}", text.len());
        let refusals = (parse_form::<Flat>(form.as_bytes()).err(), parse_query::<Flat>(&form).err());
        let shown = format!("{refusals:?}");
        prop_assert!(!shown.contains("CANARY"), "{}", shown);
    }

    /// To the last digit of a number, for which serde_json alone would need its feature `float_roundtrip`.
    #[test]
    fn what_is_written_is_read_back(value in marked_json()) {
        prop_assert_eq!(parse_json::<Value>(value.to_string().as_bytes()).unwrap(), value);
    }

    /// Nothing that serde refuses gets through.
    #[test]
    fn ours_is_never_laxer_than_serde_json(text in nearly_json()) {
        if parse_json::<Everything>(text.as_bytes()).is_ok() {
            prop_assert!(serde_json::from_str::<Everything>(&text).is_ok());
        }
        if parse_json::<Value>(text.as_bytes()).is_ok() {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
