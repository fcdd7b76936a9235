//! The table of contents: every feature, in the order in which they may depend on each other. A later one may use an
//! earlier one, never the other way round; `cargo xtask layers` checks it.

use std::sync::Arc;

use gatepost_db::Statement;
use gatepost_db::migrate::{Migration, MigrationSet};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::extension::OwnedResource;
use crate::http::PermissionInfo;

/// What a feature brings along.
pub struct Feature {
    /// The name of its folder.
    pub name: &'static str,
    /// The tables that only it writes to.
    pub tables: &'static [&'static str],
    /// Every SQL statement that it runs.
    pub statements: &'static [&'static Statement],
}

macro_rules! features {
    ($( $name:ident owns [$($table:literal),*] )+) => {
        &[$( Feature { name: stringify!($name), tables: &[$($table),*], statements: crate::$name::STATEMENTS } ),+]
    };
}

/// All features.
#[rustfmt::skip]
pub static FEATURES: &[Feature] = features! {
    // order: begin
    audit     owns ["audit_log", "audit_tail", "audit_chain", "audit_segments", "audit_floor"]
    keys      owns ["signing_keys"]
    outbox    owns ["outbox"]
    limits    owns ["rate_limits"]
    accounts  owns ["users"]
    passwords owns ["passwords", "password_history"]
    access    owns ["roles", "role_permissions", "permissions", "user_roles"]
    sessions  owns ["sessions", "refresh_families"]
    attempts  owns ["lockouts", "login_attempts", "known_devices", "failure_alerts"]
    second_factor owns ["pending_totp", "totp_credentials", "recovery_codes", "second_factor_attempts", "second_factor_challenges"]
    api_keys  owns ["api_keys"]
    sign_in   owns []
    recovery  owns ["mail_links", "mail_requests"]
    sign_up   owns ["setup_link", "invitations"]
    tasks     owns ["tasks"]
    items     owns ["items"]
    administration owns []
    imports   owns ["imports"]
    // order: end
};

/// The operations of all features.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(crate::administration::routes())
        .merge(crate::sign_up::routes())
        .merge(crate::recovery::routes())
        .merge(crate::sign_in::routes())
        .merge(crate::sessions::routes())
        .merge(crate::attempts::routes())
        .merge(crate::second_factor::routes())
        .merge(crate::accounts::routes())
        .merge(crate::access::routes())
        .merge(crate::api_keys::routes())
        .merge(crate::keys::routes())
        .merge(crate::outbox::routes())
        .merge(crate::audit::routes())
        .merge(crate::tasks::routes())
        .merge(crate::items::routes())
}

/// The permissions that the features ask for.
pub(crate) fn permissions() -> impl Iterator<Item = PermissionInfo> {
    let features = [
        crate::audit::PERMISSIONS,
        crate::accounts::PERMISSIONS,
        crate::access::PERMISSIONS,
        crate::tasks::PERMISSIONS,
        crate::items::PERMISSIONS,
    ];
    features.into_iter().flatten().copied()
}

/// What accounts own in tables of the features.
pub(crate) fn resources() -> [Arc<dyn OwnedResource>; 2] {
    [Arc::new(crate::tasks::Tasks), Arc::new(crate::items::Items)]
}

macro_rules! migration {
    ($number:literal, $name:literal, $file:literal) => {
        Migration {
            number: $number,
            name: $name,
            text: include_str!(concat!("../migrations/", $file, ".sql")),
        }
    };
}

/// The schema. An embedder puts its own [`MigrationSet`] beside it.
pub static MIGRATIONS: MigrationSet = MigrationSet {
    name: "gatepost",
    migrations: &[
        migration!(1, "audit", "0001_audit"),
        migration!(2, "keys", "0002_keys"),
        migration!(3, "accounts", "0003_accounts"),
        migration!(4, "passwords", "0004_passwords"),
        migration!(5, "access", "0005_access"),
        migration!(6, "sessions", "0006_sessions"),
        migration!(7, "sign_up", "0007_sign_up"),
        migration!(8, "second_step", "0008_second_step"),
        migration!(9, "outbox", "0009_outbox"),
        migration!(10, "limits", "0010_limits"),
        migration!(11, "attempts", "0011_attempts"),
        migration!(12, "api_keys", "0012_api_keys"),
        migration!(13, "browser_sessions", "0013_browser_sessions"),
        migration!(14, "recovery", "0014_recovery"),
        migration!(15, "audit_chain", "0015_audit_chain"),
        migration!(16, "devices", "0016_devices"),
        migration!(17, "second_factor", "0017_second_factor"),
        migration!(18, "typed_addresses", "0018_typed_addresses"),
        migration!(19, "invitations", "0019_invitations"),
        migration!(20, "api_key_factors", "0020_api_key_factors"),
        migration!(21, "roles", "0021_roles"),
        migration!(22, "administration", "0022_administration"),
        migration!(23, "tasks_and_items", "0023_tasks_and_items"),
        migration!(24, "imports", "0024_imports"),
    ],
};
