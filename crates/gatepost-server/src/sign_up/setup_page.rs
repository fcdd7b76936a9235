//! `GET /setup`: the minimal page behind the one-time link. Its script takes the token from the fragment and posts it.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use gatepost_problem::{ApiResult, Problem};
use http::header::CONTENT_TYPE;

use super::setup_link::has_owner;
use crate::app::App;
use crate::http::{PageNonce, storage_problem};

pub(super) async fn page(State(app): State<App>) -> ApiResult<Response> {
    if app.db.read(has_owner).await.map_err(storage_problem)? {
        return Err(Problem::not_found());
    }
    let nonce = PageNonce::generate(&app.random);
    let page = PAGE.replace("{nonce}", nonce.as_str());
    Ok((nonce, Html(page)).into_response())
}

pub(super) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

const PAGE: &str = include_str!("setup.html");
const STYLE: &str = include_str!("setup.css");
