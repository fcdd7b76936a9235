//! How often clients may ask.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use gatepost_kernel::Secret;
use ipnet::IpNet;
use redis::IntoConnectionInfo as _;

use crate::limits::{LimitsConfig, Rule, StoreConfig};

use super::database::DatabaseLocation;
use super::problem::{Complaint, quote};
use super::reader::Reader;
use super::setting::Setting;
use super::span::{DAY, parse_span, secs};

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new(
        "limits.enabled",
        "true",
        "Whether clients are limited. Without it, keep limits in the reverse proxy. Lock-out of accounts stays on.",
    ),
    Setting::new(
        "limits.exempt",
        "[]",
        "Networks whose clients are not limited, such as a gateway that has limits of its own. Lock-out of accounts \
         stays on for them.",
    ),
    Setting::unset(
        "limits.store",
        "'database'",
        "Where the limits of sign-in, registration, mails and second factors are counted: memory or database. Unset: \
         memory with SQLite, database with PostgreSQL, so that several nodes count together.",
    ),
    Setting::secret(
        "limits.redis_url",
        "'rediss://:password@redis.internal'",
        "Counts them in Redis or Valkey instead. While it does not answer, each node counts its part alone.",
    ),
    Setting::new(
        "limits.redis_timeout",
        "'50ms'",
        "How long a request waits for Redis. The one that waits in vain makes the node count alone until Redis answers \
         again.",
    ),
    Setting::new(
        "limits.nodes",
        "1",
        "How many nodes serve together. What a node counts for itself is the limit divided by it.",
    ),
    Setting::new(
        "limits.login",
        "'30/5m burst 10'",
        "Sign-ins with a password and changes of it, by client address. So many in so much time, and at most so many \
         at once.",
    ),
    Setting::new("limits.register", "'10/1h'", "Registrations, by client address."),
    Setting::new(
        "limits.mail",
        "'20/1h'",
        "Requests that send a mail to an address which the client names, by client address.",
    ),
    Setting::new("limits.second_factor", "'30/5m'", "Second factors and step-ups, by client address."),
    Setting::new("limits.refresh", "'300/1m'", "Exchanges of refresh tokens, by client address."),
    Setting::new("limits.refresh_family", "'30/1m'", "Exchanges of refresh tokens, by session."),
    Setting::new("limits.general", "'600/1m'", "Everything else, by client address."),
];

pub(crate) fn read(reader: &mut Reader<'_>, database: &DatabaseLocation) -> LimitsConfig {
    let standard = LimitsConfig::default();
    let mut rule = |key, standard| reader.parsed(key, parse_rule).unwrap_or(standard);
    let (login, register) =
        (rule("limits.login", standard.login), rule("limits.register", standard.register));
    let mail = rule("limits.mail", standard.mail);
    let second_factor = rule("limits.second_factor", standard.second_factor);
    let refresh = rule("limits.refresh", standard.refresh);
    let refresh_family = rule("limits.refresh_family", standard.refresh_family);
    let general = rule("limits.general", standard.general);
    LimitsConfig {
        enabled: reader.bool("limits.enabled"),
        exempt: reader.list("limits.exempt", network),
        store: store(reader, database),
        redis_timeout: reader
            .duration("limits.redis_timeout", Duration::from_millis(5)..=Duration::from_secs(5)),
        nodes: NonZeroU32::new(reader.integer("limits.nodes", 1..=1_000)).unwrap_or(NonZeroU32::MIN),
        login,
        register,
        mail,
        second_factor,
        refresh,
        refresh_family,
        general,
    }
}

fn store(reader: &mut Reader<'_>, database: &DatabaseLocation) -> StoreConfig {
    let named = reader.parsed("limits.store", |text| match text {
        "memory" => Ok(StoreConfig::Memory),
        "database" => Ok(StoreConfig::Database),
        _ => Err(Complaint::new(format!("{} is not one of memory, database", quote(text)))),
    });
    let url = reader.secret("limits.redis_url");
    if let Some(url) = url {
        if named.is_some() {
            let complaint = Complaint::new("names one place and limits.redis_url another");
            reader.refuse("limits.store", complaint.hint("keep one of them"));
        }
        if !is_redis(&url) {
            // The value may hold a password, so it is not repeated.
            let complaint = Complaint::new("is not the URL of a Redis server");
            reader.refuse(
                "limits.redis_url",
                complaint.hint("write redis://host, or rediss://:password@host with TLS"),
            );
        }
        return StoreConfig::Redis(url);
    }
    named.unwrap_or(match database {
        DatabaseLocation::Sqlite(_) => StoreConfig::Memory,
        DatabaseLocation::Postgres { .. } => StoreConfig::Database,
    })
}

fn is_redis(url: &Secret<String>) -> bool {
    url.expose().as_str().into_connection_info().is_ok()
}

/// Reads `30/5m` or `30/5m burst 10`: so many in so much time, and how many of them at once. Without a burst, all.
fn parse_rule(text: &str) -> Result<Rule, Complaint> {
    let hint = "write \"30/5m\", or \"30/5m burst 10\" for at most ten at once";
    let malformed = || Complaint::new(format!("{} is not a rate", quote(text))).hint(hint);
    let (rate, burst) = match text.split_once(" burst ") {
        Some((rate, burst)) => (rate, Some(number(burst.trim()).ok_or_else(malformed)?)),
        None => (text, None),
    };
    let (count, period) = rate.split_once('/').ok_or_else(malformed)?;
    let count = number(count.trim()).ok_or_else(malformed)?;
    let period = parse_span(period).ok_or_else(malformed)?;
    if !(1..=MOST).contains(&count) || !burst.is_none_or(|burst| (1..=MOST).contains(&burst)) {
        return Err(Complaint::new(format!("{} counts less than 1 or more than {MOST}", quote(text)))
            .hint("switch all limits off with limits.enabled = false"));
    }
    if !secs(1, DAY).contains(&period) {
        return Err(
            Complaint::new(format!("the time of {} is not between 1s and 1d", quote(text))).hint(hint)
        );
    }
    Ok(Rule { count, period, burst: burst.unwrap_or(count) })
}

const MOST: u32 = 1_000_000;

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A network in CIDR notation, or one address.
fn network(text: &str) -> Result<IpNet, Complaint> {
    let network =
        text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
            Complaint::new(format!("{} is not a network", quote(text)))
                .hint("write it as \"10.0.0.0/8\" or \"192.0.2.1\"")
        })?;
    if network.prefix_len() == 0 {
        return Err(Complaint::new(format!("{network} is everybody"))
            .hint("switch all limits off with limits.enabled = false"));
    }
    Ok(network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_a_time_and_perhaps_a_burst() {
        let five = Duration::from_secs(300);
        for (text, expected) in [
            ("30/5m", Rule::new(30, five)),
            ("30/5m burst 10", Rule::new(30, five).burst(10)),
            ("1/1s burst 1000000", Rule::new(1, Duration::from_secs(1)).burst(MOST)),
        ] {
            assert_eq!(parse_rule(text).map_err(|complaint| complaint.message), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_rate() {
        for text in [
            "",
            "30",
            "30/",
            "/5m",
            "30/5m burst",
            "30/5m burst x",
            "-1/5m",
            "+1/5m",
            "0/5m",
            "1/0s",
            "1/2d",
            "30/5m burst 0",
            "1000001/1d",
            "99999999999/1d",
            "30/5m burst 1 burst 2",
        ] {
            assert!(parse_rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_defaults_of_the_table_are_those_of_the_type() {
        let raw = super::super::Raw::new();
        let read = super::super::Config::load(&raw).unwrap_or_else(|problems| panic!("{problems}")).limits;
        let standard = LimitsConfig::default();
        for limit in [
            crate::limits::Limit::Login,
            crate::limits::Limit::Register,
            crate::limits::Limit::Mail,
            crate::limits::Limit::SecondFactor,
            crate::limits::Limit::Refresh,
            crate::limits::Limit::RefreshFamily,
            crate::limits::Limit::General,
        ] {
            assert_eq!(limit.rule(&read), limit.rule(&standard), "{limit:?}");
        }
    }
}
