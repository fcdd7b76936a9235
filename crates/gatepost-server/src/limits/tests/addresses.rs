//! Whom a limit takes for one client.

use std::net::IpAddr;

use gatepost_server::limits::{Limit, Limits, LimitsConfig};
use gatepost_testkit::on_each_db;
use http::HeaderName;

use super::{guess, let_through, limited, somebody};

on_each_db! {
    async fn bru_05_headers_of_an_untrusted_peer_do_not_change_the_bucket(app: TestApp = limited) {
        let headers = ["x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip"];
        let mut passed = 0;
        for number in 0..40_usize {
            let spoofed = format!("198.51.100.{number}");
            let value = match headers[number % 4] {
                "forwarded" => format!("for={spoofed}"),
                _ => format!("{spoofed}, {spoofed}"),
            };
            let name = HeaderName::from_static(headers[number % 4]);
            let body = serde_json::json!({ "identifier": somebody(), "password": "a wrong password" });
            let call = app.post("/api/v1/auth/login").from("203.0.113.9").json(&body);
            passed += usize::from(call.header(name.clone(), &value).and_header(name, &value).send().await.status == 401);
        }
        assert_eq!(passed, 10);
        // Nobody else's bucket was used up either.
        assert_eq!(guess(&app, "198.51.100.1").await.status, 401);
    }

    async fn bru_06_one_ipv6_household_is_one_client(app: TestApp = limited) {
        let mut passed = 0;
        for host in 1..=20 {
            passed += let_through(&app, &format!("2001:db8:0:1::{host:x}"), 1).await;
        }
        assert_eq!(passed, 10);
        assert_eq!(let_through(&app, "2001:DB8:0:1:ffff::1", 2).await, 0);
        assert_eq!(let_through(&app, "2001:db8:0:2::1", 2).await, 2);
        assert_eq!(let_through(&app, "203.0.113.9", 10).await, 10);
        assert_eq!(let_through(&app, "::ffff:203.0.113.9", 2).await, 0);
    }
}

/// The limiter alone, on a clock that stands still: HTTP would only make it slow.
async fn passed(limits: &Limits, addresses: impl Iterator<Item = u128>) -> usize {
    let now = gatepost_kernel::Timestamp::from_secs(1_767_225_600);
    let mut passed = 0;
    for address in addresses {
        let address = IpAddr::V6(address.into());
        let standing = limits.admit(Limit::Login, address, now).await.unwrap();
        passed += usize::from(standing.is_allowed());
    }
    passed
}

on_each_db! {
    async fn bru_06_ten_thousand_addresses_of_a_network_have_its_ceiling(app: TestApp = limited) {
        let limits = || Limits::new(LimitsConfig::default(), app.db().clone()).unwrap();
        let network: u128 = 0x2001_0db8_0000_0000 << 64;
        let many = 10_000_u128;
        assert_eq!(passed(&limits(), (0..many).map(|n| network | n)).await, 10, "one /64");
        assert_eq!(passed(&limits(), (0..many).map(|n| network | ((n % 256) << 64))).await, 40, "one /56");
        assert_eq!(passed(&limits(), (0..many).map(|n| network | (n << 64))).await, 160, "one /48");
        assert_eq!(passed(&limits(), (0..many).map(|n| network + (n << 80))).await, 10_000, "as many /48");
        // A /64 that is used up takes nothing from the others of its /56.
        let one = limits();
        assert_eq!(passed(&one, (0..many).map(|n| network | n)).await, 10);
        assert_eq!(passed(&one, (0..many).map(|n| network | (((n % 255) + 1) << 64))).await, 30);
    }
}
