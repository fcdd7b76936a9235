//! What a client is told of its limits: the fields `RateLimit-Policy` and `RateLimit` of
//! `draft-ietf-httpapi-ratelimit-headers-10`, and `Retry-After` (RFC 9110 section 10.2.3).

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::model::{Decision, Rule};
use super::table::Limit;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// How a client stands after one request.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub(super) limit: Limit,
    pub(super) rule: Rule,
    pub(super) decision: Decision,
}

impl Standing {
    /// Whether the request may pass.
    pub fn is_allowed(&self) -> bool {
        self.decision.allowed
    }

    /// Whole seconds until one more may pass, at least 1: what `Retry-After` says.
    pub fn retry_after(&self) -> u32 {
        seconds(self.decision.retry_after).max(1)
    }

    /// The two fields. They are lists, so a request that counts twice has each of them twice.
    ///
    /// `q` and `w` are the rule: so many in so many seconds. `r` is how many may pass right now, and `t` in how many
    /// seconds there will be more: with none left the next one, otherwise all of them.
    pub fn fields(&self) -> Vec<(HeaderName, HeaderValue)> {
        let Self { limit, rule, decision } = self;
        let name = limit.name();
        let until = if decision.remaining == 0 { decision.retry_after } else { decision.reset };
        let policy = format!("\"{name}\";q={};w={}", rule.count, seconds(rule.period));
        let state = format!("\"{name}\";r={};t={}", decision.remaining, seconds(until));
        let fields = [(POLICY, policy), (STATE, state)];
        fields
            .into_iter()
            .filter_map(|(name, text)| Some((name, HeaderValue::from_str(&text).ok()?)))
            .collect()
    }
}

/// Whole seconds, rounded up: a client that waits so long has waited long enough.
fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::model::decide;
    use super::*;

    #[test]
    fn the_fields_are_structured_lists() {
        let rule = Rule::new(30, Duration::from_secs(300)).burst(2);
        let (mut tat, now) = (None, gatepost_kernel::Timestamp::from_secs(1));
        let mut shown = Vec::new();
        for _ in 0..3 {
            let (next, decision) = decide(tat, now, rule.bucket());
            tat = Some(next);
            let headers: http::HeaderMap =
                Standing { limit: Limit::Login, rule, decision }.fields().into_iter().collect();
            assert_eq!(headers["ratelimit-policy"], "\"login\";q=30;w=300");
            shown.push(headers["ratelimit"].to_str().unwrap().to_owned());
        }
        assert_eq!(shown, ["\"login\";r=1;t=10", "\"login\";r=0;t=10", "\"login\";r=0;t=10"]);
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(2)), 2);
        assert_eq!(seconds(Duration::MAX), u32::MAX);
    }
}
