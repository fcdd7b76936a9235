//! Requests to the application under test, and its answers.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use gatepost_server::http::ClientAddress;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, RETRY_AFTER, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::app::Watch;
use crate::persona::Browser;

/// A request that is being put together.
pub struct Call {
    pub(crate) router: Router,
    pub(crate) watch: Watch,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) from: Option<IpAddr>,
    pub(crate) first: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pub(crate) may_fail: bool,
}

impl Call {
    pub(crate) fn new(router: Router, watch: Watch, method: Method, path: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8080"));
        headers.insert(USER_AGENT, HeaderValue::from_static("gatepost-testkit"));
        Self {
            router,
            watch,
            method,
            path: path.to_owned(),
            headers,
            body: Bytes::new(),
            from: None,
            first: None,
            may_fail: false,
        }
    }

    /// With this access token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.watch.secrets.note("access token", token);
        self.header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// From this client address, as the accept loop would note it.
    #[must_use]
    pub fn from(mut self, address: &str) -> Self {
        self.from = Some(address.parse().unwrap());
        self
    }

    /// With this API key, in the header of its own.
    #[must_use]
    pub fn api_key(self, key: &str) -> Self {
        self.watch.secrets.note("API key", key);
        self.header(HeaderName::from_static("x-api-key"), key)
    }

    /// From a page of our own in this browser.
    #[must_use]
    pub fn browser(self, browser: &Browser) -> Self {
        self.cookie_of(browser).header(HeaderName::from_static("sec-fetch-site"), "same-origin")
    }

    /// With the cookies of this browser, and no word about the page that made the request.
    #[must_use]
    pub fn cookie_of(self, browser: &Browser) -> Self {
        let cookies = format!("sid={}; csrf={}", browser.cookie, browser.csrf);
        self.header(COOKIE, &cookies)
    }

    /// With this header, in place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// With one more header of this name.
    #[must_use]
    pub fn and_header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// With this JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.watch.secrets.note_in(body);
        self.body = body.to_string().into();
        self.header(CONTENT_TYPE, "application/json")
    }

    /// With this form body.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                        char::from(byte).to_string()
                    }
                    _ => format!("%{byte:02X}"),
                })
                .collect::<String>()
        };
        for (name, value) in fields {
            if matches!(*name, "password" | "refresh_token") {
                self.watch.secrets.note("secret of a form", value);
            }
        }
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        self.body = pairs.join("&").into();
        self.header(CONTENT_TYPE, "application/x-www-form-urlencoded")
    }

    /// With these bytes as the body.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE, content_type)
    }

    /// With a body that comes in slowly: when the application asks for it, which is after it has looked at the head, this
    /// happens first.
    #[must_use]
    pub fn meanwhile(mut self, first: impl Future<Output = ()> + Send + 'static) -> Self {
        self.first = Some(Box::pin(first));
        self
    }

    /// A 5xx answer is what the test is about.
    #[must_use]
    pub fn may_fail(mut self) -> Self {
        self.may_fail = true;
        self
    }

    /// Sends the request and reads the whole answer.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        let mut request =
            Request::builder().method(self.method).uri(&self.path).body(()).unwrap().map(|()| {
                match self.first {
                    Some(first) => Body::new(SlowBody { first, body: Some(self.body) }),
                    None => Body::from(self.body),
                }
            });
        *request.headers_mut() = self.headers;
        if let Some(address) = self.from {
            request.extensions_mut().insert(ClientAddress(address));
        }
        let response = self.router.oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let answer = Answer { status: head.status.as_u16(), headers: head.headers, body };
        if answer.status >= 500 && !self.may_fail {
            self.watch.failed(format!("{what} answered {}: {}", answer.status, answer.text()));
        }
        for name in ["sid", "csrf"] {
            if let Some(value) = answer.cookie(name) {
                self.watch.secrets.note("cookie", &value);
            }
        }
        if let Ok(json) = serde_json::from_slice(&answer.body) {
            self.watch.secrets.note_in(&json);
        }
        answer
    }
}

/// A body that waits for something before its only frame.
struct SlowBody {
    first: Pin<Box<dyn Future<Output = ()> + Send>>,
    body: Option<Bytes>,
}

impl http_body::Body for SlowBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        if self.body.is_some() && self.first.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(self.body.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `code` of a problem, or the `error` of RFC 6749.
    pub fn code(&self) -> String {
        let body = self.json();
        let code = body.get("code").or_else(|| body.get("error")).and_then(Value::as_str);
        code.unwrap_or_else(|| panic!("no code: {}", self.text())).to_owned()
    }

    /// The header's text, or "" when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value that the answer gives to a cookie of this name, the prefix not counted. "" takes it away.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap());
        let mut pairs = lines.filter_map(|line| line.split(';').next()?.split_once('='));
        let found = pairs.find(|(sent, _)| sent.strip_prefix("__Host-").unwrap_or(sent) == name);
        found.map(|(_, value)| value.to_owned())
    }

    /// Asserts a refusal: status and code.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text());
        if matches!(status, 429 | 503) {
            assert!(self.headers.contains_key(RETRY_AFTER), "{status} without Retry-After");
        }
    }

    /// Asserts that a stranger cannot tell two answers apart: same status, headers and body but for the date and the
    /// request's id.
    #[track_caller]
    pub fn assert_uniform(&self, other: &Self) {
        let plain = |answer: &Self| {
            let mut headers = answer.headers.clone();
            let id = headers.remove("x-request-id").map(|id| id.to_str().unwrap().to_owned());
            headers.remove("date");
            let body = answer.text().replace(id.as_deref().unwrap_or("no request id"), "");
            (answer.status, headers, body)
        };
        assert_eq!(plain(self), plain(other));
    }

    /// Asserts a 422 that names this field with this code.
    #[track_caller]
    pub fn assert_invalid(&self, pointer: &str, code: &str) {
        self.assert_refused(422, "validation_failed");
        let body = self.json();
        let found =
            body["errors"].as_array().unwrap().iter().any(|e| e["pointer"] == pointer && e["code"] == code);
        assert!(found, "no {code} at {pointer}: {}", self.text());
    }
}
