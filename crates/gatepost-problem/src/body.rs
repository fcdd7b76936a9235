//! Reading a body within limits, before anything looks at it.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{Extensions, HeaderMap};
use http_body::Body as _;
use http_body_util::BodyExt as _;

/// The most that a body may hold where nothing else is said: 64 KiB.
pub const DEFAULT_BODY_LIMIT: usize = 65_536;

/// How long a body may take to arrive in whole.
pub const BODY_READ_TIME: Duration = Duration::from_secs(15);

/// The limit of a route whose bodies are larger or smaller than usual, in bytes. Put it on the route with
/// `.layer(axum::Extension(BodyLimit(1 << 20)))`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyLimit(pub usize);

impl Default for BodyLimit {
    fn default() -> Self {
        Self(DEFAULT_BODY_LIMIT)
    }
}

impl BodyLimit {
    /// The limit that the route has set, or the usual one.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_default()
    }
}

/// Why there is no body to look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unread {
    TooLarge,
    TooSlow,
    /// The connection ended, or the framing is wrong.
    Broken,
}

/// Reads the whole body. Stops at the first frame that passes the limit, and at once if the announced length does.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: BodyLimit) -> Result<Bytes, Unread> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        .max(body.size_hint().lower());
    if announced > limit.0 as u64 {
        return Err(Unread::TooLarge);
    }
    tokio::time::timeout(BODY_READ_TIME, collect(body, limit)).await.unwrap_or(Err(Unread::TooSlow))
}

async fn collect(mut body: Body, limit: BodyLimit) -> Result<Bytes, Unread> {
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        let held = first.len().max(whole.len());
        if data.len() > limit.0.saturating_sub(held) {
            return Err(Unread::TooLarge);
        }
        // Most bodies are one frame, which needs no copy.
        if held == 0 {
            first = data;
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
}

/// Whether the body is sent as it is. A compressed one could unfold without limit.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the one `Content-Type` is `expected`, with no parameter but `charset=utf-8`.
pub(crate) fn has_type(headers: &HeaderMap, expected: &str) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(|part| part.trim_matches([' ', '\t']));
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(expected))
        && parts.all(|part| {
            part.is_empty()
                || part.split_once('=').is_some_and(|(name, value)| {
                    name.eq_ignore_ascii_case("charset")
                        && (value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("\"utf-8\""))
                })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(content_type: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        has_type(&headers, "application/json")
    }

    #[test]
    fn http_04_only_plain_utf_8_json_is_json() {
        for yes in [
            "application/json",
            "Application/JSON",
            "application/json;charset=utf-8",
            "application/json; charset=\"UTF-8\"",
            "application/json ; charset=Utf-8;",
        ] {
            assert!(json(yes), "{yes}");
        }
        for no in [
            "",
            "text/json",
            "application/jsonp",
            "application/json, text/plain",
            "application/json; charset=utf-16",
            "application/json; boundary=x",
            "application/json; profile=utf-8",
            "application/json; charset",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!json(no), "{no}");
        }
    }

    #[test]
    fn two_content_types_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_TYPE, "application/json".parse().unwrap());
        headers.append(CONTENT_TYPE, "application/json".parse().unwrap());
        assert!(!has_type(&headers, "application/json"));
    }
}
