//! Instants and the clock they are read from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
///
/// Stored as a `BIGINT` in that unit, shown to people and to JSON as RFC 3339 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant that lies `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The instant that lies `seconds` whole seconds after the Unix epoch, at most the last one that fits.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: the unit of JWT `exp` and `iat` (RFC 7519 section 2).
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant plus a span; stays at the last instant that fits.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This instant minus a span; stays at the first instant that fits.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// How long after `earlier` this instant lies; zero when it does not.
    pub fn since(self, earlier: Self) -> Duration {
        u64::try_from(self.0.saturating_sub(earlier.0)).map_or(Duration::ZERO, Duration::from_micros)
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => instant.fmt(f),
            // Outside of years -9999 to 9999 RFC 3339 has no spelling; the number is still true.
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// The text is not a time in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time as RFC 3339 writes it")]
pub struct ParseTimestampError;

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    /// Reads RFC 3339, in UTC or with an offset; digits below a microsecond are cut off.
    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        // Nanoseconds and an offset: 35 characters.
        if text.len() > 35 || !text.bytes().all(|byte| byte.is_ascii_digit() || b"-+:.TZtz".contains(&byte)) {
            return Err(ParseTimestampError);
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| ParseTimestampError)?;
        Ok(Self(instant.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "openapi")]
mod openapi {
    use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
    use utoipa::openapi::{RefOr, Schema};

    impl utoipa::PartialSchema for super::Timestamp {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
                .examples([serde_json::json!("2026-11-21T09:30:00Z")])
                .into()
        }
    }

    impl utoipa::ToSchema for super::Timestamp {}
}

/// Where the time comes from. Cloning shares the source.
///
/// A clock never runs backwards: when the wall clock is set back (by an operator or by NTP), it goes on from the latest
/// instant that it has told, at the pace of the machine's monotonic clock. Nothing that has expired comes back to life,
/// and nothing lives for ever.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

struct Source {
    /// The wall clock.
    wall: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// A clock that only runs forward, in microseconds from some beginning.
    pace: Box<dyn Fn() -> i64 + Send + Sync>,
    /// The furthest that the wall clock was ever ahead of the pace.
    lead: AtomicI64,
}

impl Clock {
    /// The machine's wall clock.
    pub fn system() -> Self {
        let beginning = Instant::now();
        Self::paced(
            || {
                #[expect(clippy::disallowed_methods, reason = "this is the one place that the ban points to")]
                let wall = SystemTime::now();
                match wall.duration_since(UNIX_EPOCH) {
                    Ok(after) => Timestamp(micros(after)),
                    Err(before) => Timestamp(micros(before.duration()).saturating_neg()),
                }
            },
            move || micros(beginning.elapsed()),
        )
    }

    /// A clock that reads `source`, for tests and simulations. When the source goes back, the clock stands still.
    pub fn from_fn(source: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self::paced(source, || 0)
    }

    fn paced(
        wall: impl Fn() -> Timestamp + Send + Sync + 'static,
        pace: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Source { wall: Box::new(wall), pace: Box::new(pace), lead: AtomicI64::new(i64::MIN) }))
    }

    /// The present, never earlier than any instant told before.
    pub fn now(&self) -> Timestamp {
        let pace = (self.0.pace)();
        let lead = (self.0.wall)().0.saturating_sub(pace);
        let lead = self.0.lead.fetch_max(lead, Ordering::AcqRel).max(lead);
        Timestamp(pace.saturating_add(lead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_as_rfc_3339_in_utc() {
        assert_eq!(Timestamp::from_micros(1_700_000_000_123_456).to_string(), "2023-11-14T22:13:20.123456Z");
        assert_eq!(serde_json::to_string(&Timestamp::from_secs(0)).unwrap(), "\"1970-01-01T00:00:00Z\"");
    }

    #[test]
    fn a_time_is_read_in_rfc_3339_only() {
        let read = |text: &str| text.parse::<Timestamp>().map(Timestamp::as_micros);
        assert_eq!(read("2023-11-14T22:13:20.123456Z"), Ok(1_700_000_000_123_456));
        assert_eq!(read("2023-11-14T23:13:20.123456+01:00"), Ok(1_700_000_000_123_456));
        for wrong in [
            "",
            "1700000000",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20Z",
            "2023-02-30T00:00:00Z",
        ] {
            assert_eq!(read(wrong), Err(ParseTimestampError), "{wrong}");
        }
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let end = Timestamp::from_micros(i64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        assert_eq!(Timestamp::from_micros(i64::MIN).minus(Duration::MAX).as_micros(), i64::MIN);
        assert_eq!(Timestamp::from_secs(1).since(Timestamp::from_secs(2)), Duration::ZERO);
    }

    #[test]
    fn seconds_round_down_also_before_the_epoch() {
        assert_eq!(Timestamp::from_micros(-1).as_secs(), -1);
        assert_eq!(Timestamp::from_micros(999_999).as_secs(), 0);
    }

    #[test]
    fn a_clock_stands_still_while_its_source_runs_back() {
        let source = Arc::new(AtomicI64::new(10));
        let read = Arc::clone(&source);
        let clock = Clock::from_fn(move || Timestamp(read.load(Ordering::SeqCst)));
        assert_eq!(clock.now().as_micros(), 10);
        source.store(3, Ordering::SeqCst);
        assert_eq!(clock.now().as_micros(), 10);
        source.store(11, Ordering::SeqCst);
        assert_eq!(clock.now().as_micros(), 11);
    }

    #[test]
    fn rel_13_a_clock_that_is_set_back_goes_on_at_the_pace_of_the_machine() {
        let wall = Arc::new(AtomicI64::new(1_000));
        let pace = Arc::new(AtomicI64::new(0));
        let (read_wall, read_pace) = (Arc::clone(&wall), Arc::clone(&pace));
        let clock = Clock::paced(
            move || Timestamp(read_wall.load(Ordering::SeqCst)),
            move || read_pace.load(Ordering::SeqCst),
        );
        assert_eq!(clock.now().as_micros(), 1_000);
        wall.store(10, Ordering::SeqCst);
        pace.store(5, Ordering::SeqCst);
        assert_eq!(clock.now().as_micros(), 1_005);
        // Set forward, it follows at once.
        wall.store(9_000, Ordering::SeqCst);
        assert_eq!(clock.now().as_micros(), 9_000);
    }
}
