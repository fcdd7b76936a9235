//! URLs that name this server or a web page: a scheme, a host, a port, and nothing else.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::problem::{Complaint, quote};

/// The URL under which people reach the server: an origin (RFC 6454), kept without a slash at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicUrl {
    url: Url,
    text: String,
    is_loopback: bool,
}

impl PublicUrl {
    /// Reads a public URL. `http` is for loopback hosts only: anywhere else, passwords would travel in clear.
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        let url = origin(text)?;
        let is_https = url.scheme() == "https";
        let is_loopback = is_loopback(&url);
        if !is_https && !is_loopback {
            return Err(Complaint::new(format!("{} is not https", quote(text)))
                .hint("let a reverse proxy end TLS and write https://; http is for localhost"));
        }
        Ok(Self { text: url.origin().ascii_serialization(), url, is_loopback })
    }

    /// The URL without a slash at the end; a default port is left out.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parsed URL. Its path is `/`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host as browsers write it: lower case, A-labels, brackets around IPv6; without the port.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The value of the `Host` header (RFC 9110, section 7.2): the host, with the port unless it is the default.
    pub fn authority(&self) -> &str {
        self.text.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Whether cookies may be `Secure`.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads an origin that pages may call us from, and returns it exactly as browsers send it in `Origin`.
pub(crate) fn cors_origin(text: &str) -> Result<String, Complaint> {
    if text == "*" || text.eq_ignore_ascii_case("null") {
        return Err(Complaint::new(format!("{} would let any page call the server", quote(text)))
            .hint("name each origin: \"https://app.example.com\""));
    }
    let origin = origin(text)?.origin().ascii_serialization();
    if origin != text {
        return Err(Complaint::new(format!("{} is not how browsers write this origin", quote(text)))
            .hint(format!("write {origin:?}")));
    }
    Ok(origin)
}

/// Parses a URL that is a bare `http` or `https` origin.
///
/// The WHATWG parser repairs much (`https:\\host`, tabs, a missing slash). A setting should say what it means, so
/// what would need a repair is refused first.
fn origin(text: &str) -> Result<Url, Complaint> {
    /// A host name has at most 253 characters.
    const LONGEST: usize = 300;
    let hint = "write it as \"https://auth.example.com\"";
    let refuse = |what: &str| Err(Complaint::new(format!("{} {what}", quote(text))).hint(hint));
    if text.len() > LONGEST {
        return refuse("is too long for an origin");
    }
    let rest = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    let Some((_, rest)) = rest else {
        return refuse("does not start with https:// or http://");
    };
    if rest.starts_with('/') || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return refuse("is not a URL");
    }
    let Ok(url) = Url::parse(text) else {
        return refuse("is not a URL");
    };
    // `https://@host` has an empty user, which the parsed form no longer shows.
    if !url.username().is_empty() || url.password().is_some() || rest.contains('@') {
        return refuse("must not hold a user name or a password");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return refuse("must not have a path, a query or a fragment");
    }
    if url.host_str().is_none_or(|host| host.contains('*')) {
        return refuse("does not name one host");
    }
    if url.port() == Some(0) {
        return refuse("has no port that anybody can reach");
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_origin_in_its_usual_form() {
        for (text, expected, host) in [
            ("https://auth.example.com", "https://auth.example.com", "auth.example.com"),
            ("https://Auth.Example.com:443/", "https://auth.example.com", "auth.example.com"),
            ("https://auth.example.com:8443", "https://auth.example.com:8443", "auth.example.com"),
            ("http://localhost:8080", "http://localhost:8080", "localhost"),
            ("http://[::1]:8080", "http://[::1]:8080", "[::1]"),
            ("https://bücher.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            let url = PublicUrl::parse(text).unwrap();
            assert_eq!((url.as_str(), url.host()), (expected, host));
        }
        assert_eq!(PublicUrl::parse("https://a.example:8443").unwrap().authority(), "a.example:8443");
    }

    #[test]
    fn anything_more_than_an_origin_is_refused() {
        for text in [
            "",
            "auth.example.com",
            "ftp://a.example",
            "https:a.example",
            "https:///a.example",
            "https://",
            "https://a.example/auth",
            "https://a.example?x",
            "https://a.example/#x",
            "https://user@a.example",
            "https://user:pw@a.example",
            "https://@a.example",
            "https://a.example\\b",
            " https://a.example",
            "https://a.exa\tmple",
            "https://a.example:0",
            "javascript://a.example",
            "https://a.example:99999",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_hosts_only() {
        for text in
            ["http://localhost", "http://127.0.0.1:8080", "http://app.localhost", "http://[::ffff:127.0.0.1]"]
        {
            assert!(PublicUrl::parse(text).is_ok_and(|url| url.is_loopback() && !url.is_https()), "{text}");
        }
        for text in [
            "http://auth.example.com",
            "http://192.168.1.5",
            "http://0.0.0.0",
            "http://localhost.example.com",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_allowed_origin_is_exact_and_never_a_wildcard() {
        assert_eq!(cors_origin("https://app.example.com").as_deref(), Ok("https://app.example.com"));
        assert_eq!(cors_origin("http://localhost:3000").as_deref(), Ok("http://localhost:3000"));
        for text in [
            "*",
            "null",
            "NULL",
            "https://*.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "https://a.example:443",
        ] {
            assert!(cors_origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_refusal_never_repeats_credentials() {
        let complaint = PublicUrl::parse("https://user:hunter2@a.example").unwrap_err();
        assert!(!format!("{complaint:?}").contains("hunter2"));
    }
}
