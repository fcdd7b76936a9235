//! The log: coloured lines on a terminal, one JSON object a line otherwise. It goes to standard output, where containers
//! and service managers collect it; what a person must read and act on goes to standard error.

use std::io::IsTerminal as _;

use gatepost_server::config::{LogConfig, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::failure::{CONFIGURATION, Failure};

/// Installs the log and has panics reported in it.
pub(crate) fn install(config: &LogConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| Failure::new(CONFIGURATION, format!("log.level cannot be read: {error}")))?;
    let json = match config.format {
        LogFormat::Auto => !std::io::stdout().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_span_events(FmtSpan::NONE);
    let installed = if json {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        log.with_ansi(std::io::stdout().is_terminal()).try_init()
    };
    installed.map_err(|error| Failure::new(CONFIGURATION, format!("cannot install the log: {error}")))?;
    std::panic::set_hook(Box::new(|panic| {
        // Where, but not what: the message may quote a value.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic; the request that caused it is answered 500");
    }));
    Ok(())
}
