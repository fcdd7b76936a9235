//! Whose request this is: the address that limits, audit rows and log lines name.
//!
//! The socket's peer is the only address that a stranger cannot choose. Headers are believed only when that peer
//! is a proxy of ours, and then only as far as our own proxies wrote them: the list is read from the right, hops
//! in `trusted_proxies` are skipped, and the first one that is not ours is the client. Whatever stands to the
//! left of it was sent by the client itself (CVE-2024-47070, GHSA-p6v2-xcpg-h6xw).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// The client's address: an extension of every request and an extractor.
///
/// IPv4 addresses written as IPv6 (`::ffff:192.0.2.1`) are folded to IPv4, so that one client is one client.
/// Where nothing tells the peer (a request made in process), it is `0.0.0.0`: such requests share their limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(peer(&parts.extensions))
    }
}

/// The networks of our own reverse proxies. Empty by default: then no header is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Arc<[IpNet]>,
    header: ForwardedHeader,
}

/// The header in which the proxies write the hops.
///
/// It is one and not "whichever is there": a proxy that appends to `X-Forwarded-For` passes a client's own
/// `Forwarded` on untouched, so reading both would let the client choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy`, what nginx, HAProxy, Caddy and the cloud balancers write.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl TrustedProxies {
    /// Believes what peers in these networks write into `header`.
    pub fn new(networks: impl IntoIterator<Item = IpNet>, header: ForwardedHeader) -> Self {
        Self { networks: networks.into_iter().collect(), header }
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Whether an address is one of our proxies.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client behind a request that arrived from `peer`.
    ///
    /// A hop that cannot be read ends the walk: the last hop that one of ours vouched for is the answer.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.to_canonical();
        if !self.contains(client) {
            return ClientAddress(client);
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        // Several lines are one list (RFC 9110 section 5.3), so the last line is the right-most part of it.
        for line in headers.get_all(name).iter().rev() {
            // Each hop is decoded alone: what the client sent further left, in whatever bytes, hides none of ours.
            for hop in line.as_bytes().rsplit(|byte| *byte == b',') {
                let hop = std::str::from_utf8(hop.trim_ascii()).ok();
                let Some(address) = hop.and_then(|hop| self.hop(hop)) else { return ClientAddress(client) };
                client = address;
                if !self.contains(address) {
                    return ClientAddress(client);
                }
            }
        }
        ClientAddress(client)
    }

    fn hop(&self, hop: &str) -> Option<IpAddr> {
        let node = match self.header {
            ForwardedHeader::XForwardedFor => hop,
            ForwardedHeader::Forwarded => hop
                .split(';')
                .filter_map(|pair| pair.trim().split_once('='))
                .find_map(|(name, value)| name.trim().eq_ignore_ascii_case("for").then_some(value))?
                .trim()
                .trim_matches('"'),
        };
        address_of(node)
    }
}

/// Reads `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:4711`.
fn address_of(node: &str) -> Option<IpAddr> {
    node.parse::<IpAddr>()
        .ok()
        .or_else(|| node.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| node.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
        .map(|address| address.to_canonical())
}

/// The peer of the connection, as our own accept loop or axum's `ConnectInfo` noted it.
pub(super) fn peer(extensions: &Extensions) -> ClientAddress {
    extensions.get::<ClientAddress>().copied().unwrap_or_else(|| {
        ClientAddress(
            extensions
                .get::<ConnectInfo<SocketAddr>>()
                .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip().to_canonical()),
        )
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn proxies(header: ForwardedHeader) -> TrustedProxies {
        TrustedProxies::new(["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()], header)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn bru_05_headers_from_an_untrusted_peer_change_nothing(
            address in any::<u128>(),
            name in prop::sample::select(vec!["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip"]),
        ) {
            let spoofed = std::net::Ipv6Addr::from(address).to_string();
            let sent = headers(&[(name, &spoofed), (name, &format!("{spoofed}, 10.0.0.1"))]);
            for proxies in [TrustedProxies::default(), proxies(ForwardedHeader::XForwardedFor)] {
                prop_assert_eq!(proxies.client(ip("203.0.113.9"), &sent).0, ip("203.0.113.9"));
            }
        }

        #[test]
        fn bru_05_no_header_makes_the_walk_panic(value in prop::collection::vec(any::<u8>(), 0..80)) {
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
                let sent = [(X_FORWARDED_FOR, value.clone()), (header::FORWARDED, value.clone())];
                proxies(header).client(ip("10.0.0.1"), &sent.into_iter().collect());
            }
        }

        #[test]
        fn bru_05_no_bytes_that_the_client_sent_hide_the_hop_of_our_proxy(
            sent in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            for (header, name, hop) in [
                (ForwardedHeader::XForwardedFor, X_FORWARDED_FOR, "198.51.100.7"),
                (ForwardedHeader::Forwarded, header::FORWARDED, "for=198.51.100.7"),
            ] {
                let line = [&sent[..], b", ", hop.as_bytes()].concat();
                let Ok(line) = HeaderValue::from_bytes(&line) else { return Ok(()) };
                let sent = [(name, line)].into_iter().collect();
                prop_assert_eq!(proxies(header).client(ip("10.0.0.1"), &sent).0, ip("198.51.100.7"));
            }
        }
    }

    #[test]
    fn bru_05_the_right_most_hop_that_is_not_ours_is_the_client() {
        let proxies = proxies(ForwardedHeader::XForwardedFor);
        for (lines, expected) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["1.1.1.1, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
            (&["1.1.1.1", "198.51.100.7", "10.1.1.1"], "198.51.100.7"),
            (&["198.51.100.7:4711"], "198.51.100.7"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["::ffff:198.51.100.7"], "198.51.100.7"),
            (&["1.1.1.1, nonsense"], "10.0.0.1"),
            (&["1.1.1.1, nonsense, 10.1.1.1"], "10.1.1.1"),
            (&["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
            (&[""], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(proxies.client(ip("10.0.0.1"), &headers(&lines)).0, ip(expected), "{lines:?}");
        }
    }

    #[test]
    fn bru_05_one_byte_that_is_not_ascii_does_not_make_the_proxy_the_client() {
        let line = HeaderValue::from_bytes(b"\xff, 198.51.100.7").unwrap();
        let sent = [(X_FORWARDED_FOR, line)].into_iter().collect();
        let read = proxies(ForwardedHeader::XForwardedFor).client(ip("10.0.0.1"), &sent);
        assert_eq!(read.0, ip("198.51.100.7"));
    }

    #[test]
    fn bru_05_forwarded_is_read_when_the_proxies_write_it_and_only_then() {
        let sent = headers(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("forwarded", "for=2.2.2.2, for=\"[2001:db8::7]:80\";proto=https, by=10.0.0.1;For=10.1.1.1"),
        ]);
        let read = |header| proxies(header).client(ip("::ffff:10.0.0.1"), &sent).0;
        assert_eq!(read(ForwardedHeader::Forwarded), ip("2001:db8::7"));
        assert_eq!(read(ForwardedHeader::XForwardedFor), ip("1.1.1.1"));
    }

    #[test]
    fn bru_05_an_open_quote_sent_by_the_client_hides_no_hop() {
        let sent = headers(&[("forwarded", "for=\"1.1.1.1, for=198.51.100.7")]);
        assert_eq!(proxies(ForwardedHeader::Forwarded).client(ip("10.0.0.1"), &sent).0, ip("198.51.100.7"));
    }
}
