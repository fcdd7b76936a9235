//! Lengths of time as people write them.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `15m`, `30 s`, `500ms` or a plain number of seconds. `None` for anything else and for what overflows.
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    let text = text.trim_matches(' ');
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim_start_matches(' ') {
        "" => "s",
        unit => unit,
    };
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*millis).map(Duration::from_millis)
}

/// Writes a length of time in the largest unit that loses nothing; below a millisecond, `0s`.
pub(crate) fn span_text(span: Duration) -> String {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    match UNITS.iter().find(|(_, unit)| millis != 0 && millis % unit == 0) {
        Some((name, unit)) => format!("{}{name}", millis / unit),
        None => "0s".to_owned(),
    }
}

/// The range of a setting in seconds, for the sections below.
pub(crate) const fn secs(low: u64, high: u64) -> std::ops::RangeInclusive<Duration> {
    Duration::from_secs(low)..=Duration::from_secs(high)
}

pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        for (text, millis) in [
            ("15m", 900_000),
            ("30 s", 30_000),
            ("500ms", 500),
            ("7d", 604_800_000),
            ("1h", 3_600_000),
            (" 90 ", 90_000),
        ] {
            assert_eq!(parse_span(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "m",
            "-1s",
            "1.5h",
            "1h30m",
            "15 minutes",
            "15M",
            "1\u{a0}s",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["15m", "30s", "500ms", "7d", "36h", "0s"] {
            assert_eq!(span_text(parse_span(text).unwrap()), text);
        }
    }
}
