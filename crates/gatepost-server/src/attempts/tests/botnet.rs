//! Many addresses against one account, for a day. It is about who is let through, so nothing is hashed.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gatepost_db::DbError;
use gatepost_kernel::{Random, Secret};
use gatepost_server::attempts::{self, Refused, Target};
use gatepost_server::audit::Origin;
use gatepost_testkit::{TestApp, on_each_db};

/// Each has an address of its own, and makes one guess.
const CLIENTS: u32 = 10_000;
const HOURS: u32 = 24;

fn client(number: u32) -> Origin {
    let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | number));
    Origin { address: Some(address), user_agent: None, request_id: None, random: Random::system() }
}

/// Signs in with the right password; whether that was allowed.
async fn sign_in(app: &TestApp, target: Target) -> bool {
    let Ok(reservation) = attempts::reserve(&app.app, &client(CLIENTS), target).await else { return false };
    let settled: Result<(), DbError> = app.db().write(move |tx| reservation.succeeded(tx)).await;
    settled.unwrap();
    true
}

/// How many guesses of a day are verified while the owner signs in on a known device every hour, or stays away.
async fn guesses_of_a_day(app: &TestApp, is_there: bool) -> u32 {
    let ada = app.user("ada").await.user_id();
    let user = app.db().read(move |tx| gatepost_server::accounts::by_id(tx, ada)).await.unwrap().unwrap();
    let target = |cookie: Option<&Secret<String>>| app.app.attempts.of_user(&user, cookie, app.clock.now());
    let mut cookie = app.app.attempts.device_cookie(ada, app.clock.now());
    let (each, mut verified) = (Duration::from_secs(24 * 3_600) / CLIENTS, 0);
    for number in 0..CLIENTS {
        match attempts::reserve(&app.app, &client(number), target(None)).await {
            Ok(guess) => {
                guess.failed(&app.app).await.unwrap();
                verified += 1;
            }
            Err(refused) => assert!(matches!(refused, Refused::Locked(_)), "the database failed"),
        }
        app.clock.advance(each);
        if is_there && (number + 1) * HOURS / CLIENTS != number * HOURS / CLIENTS {
            assert!(sign_in(app, target(Some(&cookie))).await, "guess {number} kept the owner out");
            cookie = app.app.attempts.device_cookie(ada, app.clock.now());
        }
    }
    assert!(sign_in(app, target(Some(&cookie))).await, "the owner was kept out in the end");
    verified
}

on_each_db! {
    async fn bru_02_ten_thousand_addresses_get_a_hundred_guesses_at_most_while_the_owner_is_away(app: TestApp) {
        assert!(guesses_of_a_day(&app, false).await <= 100);
    }

    async fn bru_02_ten_thousand_addresses_never_keep_the_owner_out_of_a_known_device(app: TestApp) {
        // Each sign-in of the owner clears the count, so every hour begins with the free guesses: five at once, ten more
        // within 1,023 seconds, two after 900 each.
        assert!(guesses_of_a_day(&app, true).await <= 17 * HOURS);
    }
}
