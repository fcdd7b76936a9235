//! Which kind of session a client asks for.

/// How the client of a session proves, request by request, that it is there.
///
/// It is asked for at sign-in and kept with whatever comes between the password and the session, such as the challenge
/// of a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// With an access token, which refresh tokens renew: applications, services, command lines.
    #[default]
    Tokens,
    /// With a cookie that the browser forgets when it closes.
    Browser,
    /// With a cookie that the browser keeps, and longer limits: the user asked to be remembered.
    RememberedBrowser,
}

impl Wanted {
    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokens => "token",
            Self::Browser => "browser",
            Self::RememberedBrowser => "remembered_browser",
        }
    }

    /// What [`Wanted::name`] named.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Tokens, Self::Browser, Self::RememberedBrowser]
            .into_iter()
            .find(|wanted| wanted.name() == name)
    }

    /// Whether it is carried by a cookie.
    pub const fn is_browser(self) -> bool {
        match self {
            Self::Tokens => false,
            Self::Browser | Self::RememberedBrowser => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_session_is_read_back_from_its_name() {
        for wanted in [Wanted::Tokens, Wanted::Browser, Wanted::RememberedBrowser] {
            assert_eq!(Wanted::from_name(wanted.name()), Some(wanted));
            assert_eq!(wanted.is_browser(), wanted.name().ends_with("browser"));
        }
        assert_eq!(Wanted::from_name("Browser"), None);
    }
}
