//! Requests in, answers out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, request};
use http_body::Frame;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// The entries of bad fields, as (pointer, code).
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    Answer::of(router.clone().oneshot(request).await.unwrap()).await
}

pub(crate) fn post(path: &str, content_type: &str) -> request::Builder {
    Request::post(path).header("content-type", content_type)
}

/// A body that arrives in the given frames, and then ends or never does.
pub(crate) struct Frames {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) ends: bool,
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.frames.is_empty() {
            let frame = self.frames.remove(0);
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        if self.ends { Poll::Ready(None) } else { Poll::Pending }
    }
}
