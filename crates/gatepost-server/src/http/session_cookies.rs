//! The two cookies of a browser session, as headers of an answer.

use axum::response::AppendHeaders;
use http::header::SET_COOKIE;
use http::{HeaderName, HeaderValue};

use super::cookies::CookieName;
use crate::app::App;
use crate::sessions::SessionCookie;

/// `Set-Cookie`, twice.
pub(crate) type SetCookies = AppendHeaders<[(HeaderName, HeaderValue); 2]>;

/// Hands the browser its session, and the double-submit token that belongs to it.
pub(crate) fn session_cookies(app: &App, cookie: &SessionCookie) -> SetCookies {
    let token = app.csrf.token(&cookie.key.hash());
    AppendHeaders([
        (SET_COOKIE, app.cookies.set(CookieName::Session, cookie.key.expose(), cookie.max_age)),
        (SET_COOKIE, app.cookies.set(CookieName::Csrf, &token, cookie.max_age)),
    ])
}

/// Makes the browser forget them.
pub(crate) fn forget_session(app: &App) -> SetCookies {
    let names = [CookieName::Session, CookieName::Csrf];
    AppendHeaders(names.map(|name| (SET_COOKIE, app.cookies.clear(name))))
}
