//! Whom a limit counts as one client.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::table::Limit;

/// The networks of an IPv6 client that are counted, smallest first, and how many times the limit each may take.
///
/// A household or a server gets a /64 at least, so single addresses mean nothing; many get a /56 or a /48, so these have
/// ceilings (RFC 6177; CVE-2026-45364).
const IPV6: [(u8, u32); 3] = [(64, 1), (56, 4), (48, 16)];

/// One bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Of the clients of a network.
    Network {
        /// What is counted.
        limit: Limit,
        /// The first address of the network.
        address: IpAddr,
        /// How many bits of it count.
        prefix: u8,
    },
    /// Of a family of refresh tokens, by the hash of its selector.
    Family([u8; 32]),
}

impl fmt::Display for Key {
    /// Its name in a store that several nodes share: `login:203.0.113.9/32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { limit, address, prefix } => write!(f, "{}:{address}/{prefix}", limit.name()),
            Self::Family(hash) => {
                write!(f, "{}:", Limit::RefreshFamily.name())?;
                hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// The buckets of a client, smallest network first, with how many times the limit each may take. They are asked in this
/// order, so that whoever uses up a small network takes nothing more from the large ones.
pub(super) fn buckets(limit: Limit, address: IpAddr) -> impl Iterator<Item = (Key, u32)> {
    let (v4, v6) = match address.to_canonical() {
        IpAddr::V4(v4) => (Some((Key::Network { limit, address: v4.into(), prefix: 32 }, 1)), None),
        IpAddr::V6(v6) => (None, Some(v6)),
    };
    let of_v6 = v6.into_iter().flat_map(move |v6| {
        IPV6.into_iter().map(move |(prefix, times)| {
            let address = Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - prefix))).into();
            (Key::Network { limit, address, prefix }, times)
        })
    });
    v4.into_iter().chain(of_v6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(address: &str) -> Vec<String> {
        buckets(Limit::Login, address.parse().unwrap())
            .map(|(key, times)| format!("{key} x{times}"))
            .collect()
    }

    #[test]
    fn bru_06_an_ipv6_client_is_its_networks_however_it_is_written() {
        let expected =
            ["login:2001:db8:1:23ff::/64 x1", "login:2001:db8:1:2300::/56 x4", "login:2001:db8:1::/48 x16"];
        for spelling in ["2001:db8:1:23ff::1", "2001:0DB8:0001:23FF:ffff::", "2001:db8:1:23ff:1:2:3:4"] {
            assert_eq!(names(spelling), expected, "{spelling}");
        }
    }

    #[test]
    fn bru_06_an_ipv4_client_is_its_address_also_when_it_is_mapped() {
        for spelling in ["203.0.113.9", "::ffff:203.0.113.9", "::FFFF:cb00:7109"] {
            assert_eq!(names(spelling), ["login:203.0.113.9/32 x1"], "{spelling}");
        }
    }

    #[test]
    fn a_family_has_a_name_that_is_no_token() {
        let key = Key::Family([0xab; 32]);
        assert_eq!(key.to_string(), format!("refresh_family:{}", "ab".repeat(32)));
    }
}
