//! The key to the pages of the local mailbox.
//!
//! Where a request comes from proves little: a proxy on this machine that nobody told us of makes the whole world look
//! local. So the pages want a key, which whoever can read the master key can make: the operator at the command line.

use axum::response::{IntoResponse as _, Redirect, Response};
use gatepost_kernel::{Purpose, Secret, TokenHash};
use http::header::SET_COOKIE;

use super::mailbox_page::{self, PATH};
use crate::app::App;
use crate::http::{CookieJar, CookieName, Cookies};
use crate::keys::ServerKey;

const PURPOSE: Purpose = Purpose::new("gatepost mailbox key");

/// The key to the pages of the local mailbox. It follows from the master key, so that a link that was kept, and the cookie
/// of a browser, work after a restart.
pub struct MailboxKey(Secret<String>);

impl MailboxKey {
    pub(crate) fn new(key: ServerKey) -> Self {
        let bytes = key.into_bytes();
        // 256 bits in hexadecimal digits: they need no escape in a URL, and none in a cookie.
        Self(Secret::new(bytes.expose().iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The link to the mailbox in a browser, which is a secret; `None` where its pages are not served.
    pub fn link(app: &App) -> Option<String> {
        let Self(key) = &app.mailbox_key;
        mailbox_page::is_served(app).then(|| format!("{}{PATH}?key={}", app.issuer, key.expose()))
    }

    /// Whether this is the key, compared in constant time.
    pub(super) fn is(&self, offered: &Secret<String>) -> bool {
        TokenHash::of(PURPOSE, self.0.expose()) == TokenHash::of(PURPOSE, offered.expose())
    }

    /// Whether the browser was given the key before.
    pub(super) fn is_in(&self, cookies: &Cookies) -> bool {
        cookies.get(CookieName::Mailbox).is_some_and(|offered| self.is(&offered))
    }

    /// Gives the browser the key to keep, and takes it out of the address: addresses end up in histories and screenshots.
    pub(super) fn keep(&self, jar: CookieJar) -> Response {
        let cookie = jar.set(CookieName::Mailbox, self.0.expose(), None);
        ([(SET_COOKIE, cookie)], Redirect::to(PATH)).into_response()
    }
}
