//! The audit log.

use std::time::Duration;

use super::reader::Reader;
use super::setting::Setting;
use super::span::{DAY, secs};

/// The audit log.
#[derive(Clone, Copy, Debug)]
pub struct AuditConfig {
    /// How long entries are kept after they were sealed.
    pub retention: Duration,
}

pub(crate) const SETTINGS: &[Setting] = &[Setting::new(
    "audit.retention",
    "'365d'",
    "How long entries of the audit log are kept, 1 day to 100 years. Older ones are deleted in whole sealed segments.",
)];

pub(crate) fn read(reader: &mut Reader<'_>) -> AuditConfig {
    AuditConfig { retention: reader.duration("audit.retention", secs(DAY, 36_500 * DAY)) }
}
