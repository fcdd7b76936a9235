//! Which names this server answers to.
//!
//! Links, `iss` and `redirect_uri` come from the configured `public_url` and never from a request; this check is
//! the second lock: a request for another name is answered 421 before any handler sees it (RFC 9110 section
//! 15.5.20). It also keeps web pages from reaching a server on loopback through a name of their own that they
//! point to 127.0.0.1 (DNS rebinding). `X-Forwarded-Host` and `Forwarded: host=` are not read at all.

use std::sync::Arc;

use http::{HeaderMap, Uri, header};
use url::Url;

/// The paths that probes ask by address, without knowing a name.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// The names that are accepted in `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPolicy {
    /// The host of the public URL. When the URL names no port, its default port may be written or left out.
    Public {
        /// The spelling that clients send: `id.example.com`, `id.example.com:8443`, `[2001:db8::1]`.
        authority: Arc<str>,
        /// The same with the default port of the scheme, when the public URL uses that port.
        with_default_port: Option<Arc<str>>,
    },
    /// `localhost`, `127.0.0.1` and `[::1]` with any port: a server on loopback that nobody gave a public URL.
    Loopback,
}

/// A public URL that has no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the public URL has no host")]
pub struct NoHost;

/// Why a request was sent to the wrong door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostError {
    /// None, or more than one, or not text: RFC 9112 section 3.2 asks for a 400.
    Malformed,
    /// Well formed, but not ours: 421.
    Unknown,
}

impl HostPolicy {
    /// Accepts the host and port of `public_url` and nothing else.
    ///
    /// # Errors
    /// [`NoHost`] for URLs such as `mailto:`.
    pub fn from_public_url(public_url: &Url) -> Result<Self, NoHost> {
        let host = public_url.host_str().ok_or(NoHost)?;
        // `Url` drops a port that is its scheme's default, so a port that is left here must be written by clients.
        Ok(match public_url.port() {
            Some(port) => {
                Self::Public { authority: format!("{host}:{port}").into(), with_default_port: None }
            }
            None => Self::Public {
                authority: host.into(),
                with_default_port: public_url
                    .port_or_known_default()
                    .map(|port| format!("{host}:{port}").into()),
            },
        })
    }

    fn accepts(&self, authority: &str) -> bool {
        match self {
            Self::Public { authority: public, with_default_port } => {
                authority.eq_ignore_ascii_case(public)
                    || with_default_port.as_ref().is_some_and(|other| authority.eq_ignore_ascii_case(other))
            }
            Self::Loopback => {
                let (name, port) = match authority.rsplit_once(':') {
                    // The colons of a bare `[::1]` separate no port.
                    Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
                    Some(_) | None => (authority, None),
                };
                (name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]")
                    && port.is_none_or(|port| {
                        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
                    })
            }
        }
    }

    /// Checks the `Host` header, and the authority of an absolute-form target, which takes precedence over it
    /// (RFC 9112 section 3.2.2): both must be ours, so that it does not matter who believes which.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HostError> {
        if PROBES.contains(&uri.path()) {
            return Ok(());
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(HostError::Malformed) };
        let host = host.to_str().map_err(|_| HostError::Malformed)?;
        let target_is_ours = uri.authority().is_none_or(|authority| self.accepts(authority.as_str()));
        if target_is_ours && self.accepts(host) { Ok(()) } else { Err(HostError::Unknown) }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(policy: &HostPolicy, target: &str, hosts: &[&str]) -> Result<(), HostError> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        policy.check(&target.parse().unwrap(), &headers)
    }

    fn public(url: &str) -> HostPolicy {
        HostPolicy::from_public_url(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn rec_01_only_the_host_and_port_of_the_public_url_are_ours() {
        let policy = public("https://id.example.com/");
        for ours in ["id.example.com", "ID.Example.com", "id.example.com:443"] {
            assert_eq!(check(&policy, "/", &[ours]), Ok(()), "{ours}");
        }
        for theirs in [
            "evil.example",
            "id.example.com.evil.example",
            "evil.example:443",
            "id.example.com:80",
            "id.example.com:443@evil.example",
            "id.example.com.",
            "example.com",
            "localhost",
            "127.0.0.1",
            "",
        ] {
            assert_eq!(check(&policy, "/", &[theirs]), Err(HostError::Unknown), "{theirs}");
        }
        assert_eq!(check(&public("https://id.example.com:8443"), "/", &["id.example.com:8443"]), Ok(()));
        assert_eq!(
            check(&public("https://id.example.com:8443"), "/", &["id.example.com"]),
            Err(HostError::Unknown)
        );
    }

    #[test]
    fn rec_01_a_missing_or_second_host_is_malformed() {
        let policy = public("https://id.example.com");
        assert_eq!(check(&policy, "/", &[]), Err(HostError::Malformed));
        assert_eq!(check(&policy, "/", &["id.example.com", "id.example.com"]), Err(HostError::Malformed));
        assert_eq!(check(&policy, "/", &["id.example.com", "evil.example"]), Err(HostError::Malformed));
    }

    #[test]
    fn rec_01_an_absolute_target_must_be_ours_as_well() {
        let policy = public("http://id.example.com");
        assert_eq!(check(&policy, "http://id.example.com/x", &["id.example.com"]), Ok(()));
        assert_eq!(check(&policy, "http://evil.example/x", &["id.example.com"]), Err(HostError::Unknown));
        assert_eq!(check(&policy, "http://id.example.com/x", &["evil.example"]), Err(HostError::Unknown));
        assert_eq!(check(&policy, "http://a@id.example.com/x", &["id.example.com"]), Err(HostError::Unknown));
    }

    #[test]
    fn rec_01_on_loopback_the_three_names_of_this_machine_are_ours_with_any_port() {
        for ours in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535"] {
            assert_eq!(check(&HostPolicy::Loopback, "/", &[ours]), Ok(()), "{ours}");
        }
        for theirs in [
            "evil.example",
            "localhost.evil.example",
            "evil.example:localhost",
            "localhost:x",
            "localhost:+80",
            "localhost:65536",
            "127.0.0.2",
            "[::2]",
            "::1",
        ] {
            assert_eq!(check(&HostPolicy::Loopback, "/", &[theirs]), Err(HostError::Unknown), "{theirs}");
        }
    }

    #[test]
    fn probes_need_no_name() {
        for probe in PROBES {
            assert_eq!(check(&public("https://id.example.com"), probe, &["10.0.0.7:8080"]), Ok(()));
        }
    }
}
