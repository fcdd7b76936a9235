//! `GET /api/v1/sessions`: one's own devices.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::extract::State;
use gatepost_kernel::Timestamp;
use gatepost_problem::{ApiResult, Check, Json, Problem, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::agent::Agent;
use super::sql;
use super::wanted::Wanted;
use crate::app::App;
use crate::http::{Caller, Page, Paging, storage_problem};
use crate::ids::{SessionId, SessionKind};

/// Which page of the list.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Selection {
    /// How many entries, 1 to 100; 50 if it is not given.
    #[serde(default)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// One sign-in on one device.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionBody {
    /// A handle to end it with; no secret.
    id: SessionId,
    /// What its user calls the device, else what the user agent says: `Firefox on Linux`.
    device_name: Option<String>,
    /// The browser or program.
    browser: Option<String>,
    /// The system it runs on.
    os: Option<String>,
    /// The network that it signed in from: 24 bits of an IPv4 address, 48 of an IPv6 address.
    #[schema(example = "203.0.113.0/24")]
    ip: Option<String>,
    /// Where that is, when the operator has a file that tells.
    location: Option<String>,
    /// When it signed in.
    created_at: Timestamp,
    /// When it was last used, to the minute.
    last_seen_at: Timestamp,
    /// When it ends if it is not used.
    expires_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
    /// What was proven: `password`, `registration`, `setup_link`.
    #[schema(example = "password")]
    method: String,
    /// Whether a second factor was shown.
    second_factor: bool,
}

/// List your sessions
///
/// Only those that live, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    operation_id = "sessions_list",
    tag = "account",
    params(Selection),
    responses(
        (status = 200, body = Page<SessionBody>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 422, body = Problem, description = "`validation_failed`: `limit` or `cursor`"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Caller,
    Query(request): Query<Selection>,
) -> ApiResult<Json<Page<SessionBody>>> {
    let mut check = Check::new();
    let paging = Paging::<SessionKind>::check(&mut check, request.limit, request.cursor.as_deref());
    let (paging,) = check.values((paging,))?;
    let browser = [Wanted::Browser, Wanted::RememberedBrowser].map(|kind| app.mint.limits(kind).idle);
    let wanted = sql::Living {
        user: caller.user.id,
        epoch: caller.session.epoch,
        now: app.clock.now(),
        browser_idle: browser[0],
        remembered_idle: browser[1],
    };
    let (after, rows) = (paging.after(), paging.rows());
    let devices =
        app.db.read(move |tx| sql::living(tx, &wanted, after, rows)).await.map_err(storage_problem)?;
    Ok(Json(paging.page(devices, |device| device.id, |device| SessionBody::of(device, caller.session.id))))
}

impl SessionBody {
    fn of(device: sql::DeviceRow, current: SessionId) -> Self {
        let agent = device.user_agent.as_deref().map(Agent::of).unwrap_or_default();
        Self {
            id: device.id,
            device_name: device.name.or_else(|| agent.name()),
            browser: agent.browser,
            os: agent.os,
            ip: device.address.and_then(|address| network(address.parse().ok()?)),
            location: device.location,
            created_at: device.created_at,
            last_seen_at: device.last_seen_at,
            expires_at: device.expires_at,
            current: device.id == current,
            method: device.method,
            second_factor: device.second_factor,
        }
    }
}

/// The network of an address, which is what a user can recognise. The full address of each of their devices would tell
/// whoever reads one session where the others are.
fn network(address: IpAddr) -> Option<String> {
    let network = match address.to_canonical() {
        IpAddr::V4(address) => format!("{}/24", Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << 8))),
        IpAddr::V6(address) => format!("{}/48", Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80))),
    };
    // Requests that came over no socket have the address that is none.
    (!address.is_unspecified()).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ses_05_an_address_is_shown_as_its_network() {
        for (address, shown) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::/48"),
        ] {
            assert_eq!(network(address.parse().unwrap()).as_deref(), Some(shown));
        }
        assert_eq!(network("0.0.0.0".parse().unwrap()), None);
    }
}
