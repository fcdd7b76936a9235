//! What the server tells about itself: logs, metrics, documentation.

use std::net::SocketAddr;

use gatepost_kernel::Secret;
use tracing_subscriber::EnvFilter;

use super::problem::{Complaint, did_you_mean, quote};
use super::reader::Reader;
use super::setting::Setting;

/// What is logged, and how it looks.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// How log lines look.
    pub format: LogFormat,
    /// What is logged, in the syntax of `tracing_subscriber::EnvFilter`. It has been parsed once.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

/// The interactive documentation.
#[derive(Clone, Copy, Debug)]
pub struct DocsConfig {
    /// Whether `/docs` and `/openapi.json` are served.
    pub enabled: bool,
}

/// Prometheus metrics. Holds a secret, so it has no `Debug`.
#[derive(Clone)]
pub struct MetricsConfig {
    /// A listener of their own, without a token.
    pub listen: Option<SocketAddr>,
    /// The bearer token that opens `/metrics` on the main listener.
    pub token: Option<Secret<String>>,
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new(
        "log.format",
        "'auto'",
        "How log lines look: text, json, or auto (text on a terminal, else json).",
    ),
    Setting::new(
        "log.level",
        "'info'",
        "What is logged: error, warn, info, debug, trace, or \"info,gatepost_db=debug\".",
    ),
    Setting::new("docs.enabled", "true", "Whether /docs and /openapi.json are served."),
    Setting::unset(
        "metrics.listen",
        "'127.0.0.1:9090'",
        "A listener for /metrics alone. It asks for no token, so keep it on a private address.",
    ),
    Setting::secret(
        "metrics.token",
        "'(at least 32 random bytes)'",
        "The bearer token that opens /metrics on the main listener. Unset: only a server that is private to this \
         machine serves it there.",
    ),
];

pub(crate) fn read_log(reader: &mut Reader<'_>) -> LogConfig {
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    LogConfig {
        format: reader.choice("log.format", formats),
        level: reader.parsed("log.level", filter).unwrap_or_default(),
    }
}

pub(crate) fn read_docs(reader: &mut Reader<'_>) -> DocsConfig {
    DocsConfig { enabled: reader.bool("docs.enabled") }
}

pub(crate) fn read_metrics(reader: &mut Reader<'_>) -> MetricsConfig {
    MetricsConfig { listen: reader.socket_addr("metrics.listen"), token: reader.secret_key("metrics.token") }
}

/// Checks a log filter.
///
/// `EnvFilter` takes a lone word that is no level for the name of a target: `inof` would switch almost all logging
/// off without a word. Here a lone word must be a level.
fn filter(text: &str) -> Result<String, Complaint> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    const LONGEST: usize = 1024;
    let refuse = |what: &str| Complaint::new(format!("{} {what}", quote(text)));
    if text.trim().is_empty() || text.len() > LONGEST {
        return Err(refuse("is not a log filter").hint("write a level, such as \"info\""));
    }
    let directives: Vec<_> = text.split(',').map(str::trim).collect();
    for directive in &directives {
        let is_lone_word = !directive.contains(['=', '[']);
        if is_lone_word && !LEVELS.iter().any(|level| directive.eq_ignore_ascii_case(level)) {
            let complaint =
                Complaint::new(format!("{} is not one of {}", quote(directive), LEVELS.join(", ")));
            return Err(match did_you_mean(directive, LEVELS.into_iter()) {
                Some(level) => complaint.hint(format!("did you mean `{level}`?")),
                None => complaint.hint("to set the level of one module, write module=level"),
            });
        }
    }
    let filter = directives.join(",");
    match EnvFilter::builder().with_regex(false).parse(&filter) {
        Ok(_) => Ok(filter),
        Err(error) => Err(refuse(&format!("is not a log filter: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_levels_and_targets() {
        for text in ["info", "WARN", "info,gatepost_db=debug", "off"] {
            assert_eq!(filter(text).as_deref(), Ok(text));
        }
        assert_eq!(filter("warn, a::b=trace").as_deref(), Ok("warn,a::b=trace"));
    }

    #[test]
    fn a_misspelt_level_does_not_silence_the_log() {
        assert_eq!(filter("inof").unwrap_err().hint.as_deref(), Some("did you mean `info`?"));
        for text in ["", " ", "gatepost", "info,,warn", "gatepost=loud", "info,[x"] {
            assert!(filter(text).is_err(), "{text:?}");
        }
    }
}
