//! Browser sessions, and what the list of devices says.

use std::path::PathBuf;
use std::time::Duration;

use super::problem::Complaint;
use super::reader::Reader;
use super::setting::Setting;
use super::span::{DAY, MINUTE, secs, span_text};

/// Browser sessions, and what the list of devices says.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// How long a browser session lives without a request.
    pub browser_idle: Duration,
    /// How long it lives at most.
    pub browser_absolute: Duration,
    /// How long one lives without a request whose user asked to be remembered.
    pub remembered_idle: Duration,
    /// How long such a one lives at most.
    pub remembered_absolute: Duration,
    /// The file that says where addresses are.
    pub geoip_file: Option<PathBuf>,
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new("sessions.browser_idle", "'12h'", "How long a browser session lives without a request."),
    Setting::new(
        "sessions.browser_absolute",
        "'7d'",
        "How long a browser session lives at most, used or not.",
    ),
    Setting::new(
        "sessions.remembered_idle",
        "'7d'",
        "How long a browser session lives without a request when its user asked to be remembered.",
    ),
    Setting::new(
        "sessions.remembered_absolute",
        "'30d'",
        "How long a browser session lives at most when its user asked to be remembered.",
    ),
    Setting::unset(
        "sessions.geoip_file",
        "'/var/lib/gatepost/city.mmdb'",
        "A MaxMind DB file of cities or countries, for the place beside each device. Unset: no place is shown. It is \
         read once, at the start.",
    ),
];

pub(crate) fn read(reader: &mut Reader<'_>) -> SessionConfig {
    let config = SessionConfig {
        browser_idle: reader.duration("sessions.browser_idle", secs(MINUTE, 365 * DAY)),
        browser_absolute: reader.duration("sessions.browser_absolute", secs(MINUTE, 365 * DAY)),
        remembered_idle: reader.duration("sessions.remembered_idle", secs(MINUTE, 365 * DAY)),
        remembered_absolute: reader.duration("sessions.remembered_absolute", secs(MINUTE, 365 * DAY)),
        geoip_file: reader.text("sessions.geoip_file").map(PathBuf::from),
    };
    for (idle, absolute, values) in [
        (
            "sessions.browser_idle",
            "sessions.browser_absolute",
            [config.browser_idle, config.browser_absolute],
        ),
        (
            "sessions.remembered_idle",
            "sessions.remembered_absolute",
            [config.remembered_idle, config.remembered_absolute],
        ),
    ] {
        if values[0] > values[1] && reader.are_sound(&[idle, absolute]) {
            let [given, most] = values.map(span_text);
            let complaint = Complaint::new(format!("{given} is more than {absolute} ({most})"));
            reader.refuse(idle, complaint.hint("shorten the one or lengthen the other"));
        }
    }
    config
}
