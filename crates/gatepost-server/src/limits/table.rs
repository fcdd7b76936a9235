//! Which limit each operation counts against. A test fails when an operation or a page has no line here.

use http::Method;

use super::config::LimitsConfig;
use super::model::Rule;

/// A limit: what is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Sign-ins with a password.
    Login,
    /// New accounts.
    Register,
    /// Whatever makes the server send a mail to an address that a stranger names.
    Mail,
    /// Second factors and step-ups.
    SecondFactor,
    /// Exchanges of refresh tokens, and token requests as such.
    Refresh,
    /// Exchanges of the refresh tokens of one session.
    RefreshFamily,
    /// Everything else.
    General,
}

impl Limit {
    /// Its name in headers, stores and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Register => "register",
            Self::Mail => "mail",
            Self::SecondFactor => "second_factor",
            Self::Refresh => "refresh",
            Self::RefreshFamily => "refresh_family",
            Self::General => "general",
        }
    }

    /// What the operator decided for it.
    pub const fn rule(self, config: &LimitsConfig) -> Rule {
        match self {
            Self::Login => config.login,
            Self::Register => config.register,
            Self::Mail => config.mail,
            Self::SecondFactor => config.second_factor,
            Self::Refresh => config.refresh,
            Self::RefreshFamily => config.refresh_family,
            Self::General => config.general,
        }
    }

    /// Whether nodes count it together. That costs a round trip, which is little beside a password hash or a mail and
    /// much beside a cached answer.
    pub(super) const fn is_shared(self) -> bool {
        match self {
            Self::Login | Self::Register | Self::Mail | Self::SecondFactor => true,
            Self::Refresh | Self::RefreshFamily | Self::General => false,
        }
    }
}

/// What a request to a route counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Against this limit, by the client's address.
    Against(Limit),
    /// Not at all: files without secrets, which cost nothing to answer.
    Exempt,
}

use Counted::{Against, Exempt};

/// Every route, by method and path as in the router, in the order of paths.
#[rustfmt::skip]
pub static ROUTES: &[(&str, &str, Counted)] = &[
    ("GET",    "/.well-known/jwks.json",             Against(Limit::General)),
    ("GET",    "/accept-invitation",                 Exempt),
    ("GET",    "/account-links.css",                 Exempt),
    ("GET",    "/api/v1/access/explain",             Against(Limit::General)),
    ("GET",    "/api/v1/admin/audit-log",            Against(Limit::General)),
    ("DELETE", "/api/v1/admin/items/{id}",           Against(Limit::General)),
    ("GET",    "/api/v1/admin/login-attempts",       Against(Limit::General)),
    ("GET",    "/api/v1/admin/permissions",          Against(Limit::General)),
    ("POST",   "/api/v1/admin/permissions",          Against(Limit::General)),
    ("DELETE", "/api/v1/admin/permissions/{name}",   Against(Limit::General)),
    ("GET",    "/api/v1/admin/roles",                Against(Limit::General)),
    ("POST",   "/api/v1/admin/roles",                Against(Limit::General)),
    ("DELETE", "/api/v1/admin/roles/{name}",         Against(Limit::General)),
    ("GET",    "/api/v1/admin/roles/{name}",         Against(Limit::General)),
    ("PATCH",  "/api/v1/admin/roles/{name}",         Against(Limit::General)),
    ("DELETE", "/api/v1/admin/tasks/{id}",           Against(Limit::General)),
    ("GET",    "/api/v1/admin/users",                Against(Limit::General)),
    ("POST",   "/api/v1/admin/users",                Against(Limit::General)),
    ("DELETE", "/api/v1/admin/users/{id}",           Against(Limit::General)),
    ("GET",    "/api/v1/admin/users/{id}",           Against(Limit::General)),
    ("PATCH",  "/api/v1/admin/users/{id}",           Against(Limit::General)),
    ("POST",   "/api/v1/admin/users/{id}/reset-2fa", Against(Limit::General)),
    ("POST",   "/api/v1/admin/users/{id}/restore",   Against(Limit::General)),
    ("POST",   "/api/v1/admin/users/{id}/revoke-sessions", Against(Limit::General)),
    ("PUT",    "/api/v1/admin/users/{id}/roles",     Against(Limit::General)),
    ("POST",   "/api/v1/admin/users/{id}/send-reset", Against(Limit::General)),
    ("POST",   "/api/v1/admin/users/{id}/unlock",    Against(Limit::General)),
    ("GET",    "/api/v1/api-keys",                   Against(Limit::General)),
    ("POST",   "/api/v1/api-keys",                   Against(Limit::General)),
    ("DELETE", "/api/v1/api-keys/{id}",              Against(Limit::General)),
    ("POST",   "/api/v1/auth/accept-invitation",     Against(Limit::Register)),
    ("POST",   "/api/v1/auth/confirm-email",         Against(Limit::General)),
    ("POST",   "/api/v1/auth/forgot-password",       Against(Limit::Mail)),
    ("POST",   "/api/v1/auth/login",                 Against(Limit::Login)),
    ("POST",   "/api/v1/auth/login/second-factor",   Against(Limit::SecondFactor)),
    ("POST",   "/api/v1/auth/logout",                Against(Limit::General)),
    ("POST",   "/api/v1/auth/refresh",               Against(Limit::Refresh)),
    ("POST",   "/api/v1/auth/register",              Against(Limit::Register)),
    ("POST",   "/api/v1/auth/resend-verification",   Against(Limit::Mail)),
    ("POST",   "/api/v1/auth/reset-password",        Against(Limit::Login)),
    ("POST",   "/api/v1/auth/secure-account",        Against(Limit::General)),
    ("POST",   "/api/v1/auth/step-up",               Against(Limit::SecondFactor)),
    ("POST",   "/api/v1/auth/undo-email",            Against(Limit::General)),
    ("POST",   "/api/v1/auth/verify-email",          Against(Limit::General)),
    ("GET",    "/api/v1/items",                      Against(Limit::General)),
    ("POST",   "/api/v1/items",                      Against(Limit::General)),
    ("DELETE", "/api/v1/items/{id}",                 Against(Limit::General)),
    ("GET",    "/api/v1/items/{id}",                 Against(Limit::General)),
    ("PATCH",  "/api/v1/items/{id}",                 Against(Limit::General)),
    ("DELETE", "/api/v1/sessions",                   Against(Limit::General)),
    ("GET",    "/api/v1/sessions",                   Against(Limit::General)),
    ("DELETE", "/api/v1/sessions/{id}",              Against(Limit::General)),
    ("POST",   "/api/v1/setup",                      Against(Limit::Register)),
    ("GET",    "/api/v1/tasks",                      Against(Limit::General)),
    ("POST",   "/api/v1/tasks",                      Against(Limit::General)),
    ("DELETE", "/api/v1/tasks/{id}",                 Against(Limit::General)),
    ("GET",    "/api/v1/tasks/{id}",                 Against(Limit::General)),
    ("PATCH",  "/api/v1/tasks/{id}",                 Against(Limit::General)),
    ("DELETE", "/api/v1/users/me",                   Against(Limit::General)),
    ("GET",    "/api/v1/users/me",                   Against(Limit::General)),
    ("PATCH",  "/api/v1/users/me",                   Against(Limit::General)),
    ("GET",    "/api/v1/users/me/2fa/recovery-codes", Against(Limit::General)),
    ("POST",   "/api/v1/users/me/2fa/recovery-codes", Against(Limit::General)),
    ("DELETE", "/api/v1/users/me/2fa/totp",          Against(Limit::General)),
    ("POST",   "/api/v1/users/me/2fa/totp",          Against(Limit::General)),
    ("POST",   "/api/v1/users/me/2fa/totp/confirm",  Against(Limit::SecondFactor)),
    ("GET",    "/api/v1/users/me/audit-log",         Against(Limit::General)),
    ("POST",   "/api/v1/users/me/email",             Against(Limit::Mail)),
    ("GET",    "/api/v1/users/me/login-attempts",    Against(Limit::General)),
    ("PUT",    "/api/v1/users/me/password",          Against(Limit::Login)),
    ("GET",    "/api/v1/users/{id}",                 Against(Limit::General)),
    ("POST",   "/api/v1/users/{id}/items",           Against(Limit::General)),
    ("GET",    "/confirm-email",                     Exempt),
    ("GET",    "/dev/mailbox",                       Exempt),
    ("GET",    "/dev/mailbox/{id}",                  Exempt),
    ("GET",    "/docs",                              Exempt),
    ("GET",    "/docs/",                             Exempt),
    ("GET",    "/docs/problems",                     Exempt),
    ("GET",    "/docs/{*file}",                      Exempt),
    ("GET",    "/forgot-password",                   Exempt),
    // A password grant counts as a sign-in besides, once its body was read.
    ("POST",   "/oauth/token",                       Against(Limit::Refresh)),
    ("GET",    "/openapi.json",                      Exempt),
    ("GET",    "/reset-password",                    Exempt),
    ("GET",    "/secure-account",                    Exempt),
    ("GET",    "/setup",                             Exempt),
    ("GET",    "/setup/style.css",                   Exempt),
    ("GET",    "/undo-email",                        Exempt),
    ("GET",    "/verify-email",                      Exempt),
];

/// What a request counts against. What is not in the table, which is whatever will be answered 404 or 405, counts
/// against the general limit.
pub(super) fn counted(method: &Method, path: Option<&str>) -> Counted {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let line = path.and_then(|path| {
        ROUTES.iter().find(|(route_method, route, _)| route_method == method && *route == path)
    });
    line.map_or(Against(Limit::General), |(_, _, counted)| *counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_stands_twice_in_the_table_and_paths_are_in_order() {
        let lines: Vec<_> = ROUTES.iter().map(|(method, path, _)| (path, method)).collect();
        assert!(lines.is_sorted_by(|a, b| a < b), "{lines:#?}");
    }

    #[test]
    fn a_head_request_counts_as_the_get_that_it_is_and_the_unknown_counts_too() {
        assert_eq!(counted(&Method::HEAD, Some("/docs")), Exempt);
        assert_eq!(counted(&Method::DELETE, Some("/docs")), Against(Limit::General));
        assert_eq!(counted(&Method::GET, None), Against(Limit::General));
        assert_eq!(counted(&Method::POST, Some("/api/v1/auth/login")), Against(Limit::Login));
    }
}
