//! Addresses that are taken for one: whoever has an IPv6 address has 2^64 of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network that one customer has to itself: the IPv4 address, or the /64 of the IPv6 address (`BRU-06`).
pub(super) fn of_customer(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{}/64", prefix(address, 64)),
    }
}

/// The network in which a device moves about from day to day: the /24 of an IPv4 address, the /48 of an IPv6 address.
pub(super) fn of_site(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("{}/24", Ipv4Addr::from(u32::from(address) & (u32::MAX << 8))),
        IpAddr::V6(address) => format!("{}/48", prefix(address, 48)),
    }
}

fn prefix(address: Ipv6Addr, length: u32) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(address) & (u128::MAX << (128 - length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bru_06_the_addresses_of_one_slash_64_are_one_and_a_mapped_one_is_ipv4() {
        let of = |text: &str| of_customer(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), "2001:db8:1:2::/64");
        assert_eq!(of("2001:DB8:1:2:ffff:ffff:ffff:ffff"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn a_site_is_wider_than_a_customer() {
        let of = |text: &str| of_site(text.parse().unwrap());
        assert_eq!(of("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:2::1"), "2001:db8:1::/48");
    }
}
