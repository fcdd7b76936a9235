//! What strangers can make the database keep.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use gatepost_db::DbError;
use gatepost_kernel::Random;
use gatepost_server::attempts::{self, Reason};
use gatepost_server::audit::Origin;
use gatepost_testkit::{Engine, PASSWORD, on_each_db};

use super::{WRONG, known_device, lock_out, login_with};

/// More than a flood may leave behind in this test; the server's own bound is the same rule with a larger number.
const MOST: i64 = 500;
/// Names that are tried one by one, as at the door.
const NAMES: u32 = 1_500;
/// Attempts that are only written down: where that is quick, many more.
const fn notes(engine: Engine) -> u32 {
    match engine {
        Engine::Sqlite => 20_000,
        Engine::Postgres => 5_000,
    }
}

fn stranger(number: u32) -> Origin {
    let address = IpAddr::V6(Ipv6Addr::from(u128::from(number) << 64 | 0x2001_0db8_u128 << 96));
    let agent = Some(format!("agent {number}"));
    Origin { address: Some(address), user_agent: agent, request_id: None, random: Random::system() }
}

on_each_db! {
    async fn bru_10_brief3_a_flood_of_junk_attempts_stays_bounded_and_leaves_what_matters(app: TestApp) {
        app.user("ada").await;
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        lock_out(&app, "ada").await;
        for portion in 0..notes(app.engine) / 1_000 {
            let now = app.clock.now();
            let noted: Result<(), DbError> = app.db().write(move |tx| {
                let numbers = portion * 1_000..(portion + 1) * 1_000;
                numbers.into_iter().try_for_each(|number| {
                    attempts::note_in(tx, &stranger(number + NAMES).act(now), None, Reason::UnknownAccount)
                })
            }).await;
            noted.unwrap();
        }
        for number in 0..NAMES {
            let target = app.app.attempts.of_nobody(&format!("junk-{number}"));
            let reservation = attempts::reserve(&app.app, &stranger(number), target).await.unwrap();
            reservation.failed(&app.app).await.unwrap();
        }
        let rows = "SELECT (SELECT count(*) FROM lockouts) + (SELECT count(*) FROM login_attempts)";
        assert!(app.number(rows, &[]).await > i64::from(notes(app.engine) + NAMES * 2));
        attempts::crop(app.db(), MOST).await.unwrap();
        assert!(app.number(rows, &[]).await <= MOST * 2);
        // The victim's lock and what is known of their account are what a flood must not wash away.
        assert_eq!(app.number("SELECT max(failures) FROM lockouts", &[]).await, 5);
        let hers = "SELECT count(*) FROM login_attempts WHERE user_id IS NOT NULL";
        assert_eq!(app.number(hers, &[]).await, 3, "success, invalid_credentials, locked");
        // In a month all of it is over.
        app.clock.advance(Duration::from_secs(31 * 24 * 3_600));
        attempts::forget(app.db(), app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM login_attempts", &[]).await, 0);
        assert_eq!(app.number("SELECT count(*) FROM lockouts WHERE failures > 0", &[]).await, 0);
    }

    async fn bru_10_attempts_from_one_place_are_one_row_whatever_they_are_aimed_at(app: TestApp) {
        for number in 0..300 {
            app.login(&format!("junk-{number}"), WRONG).await.assert_refused(401, "invalid_credentials");
        }
        assert_eq!(app.number("SELECT count(*) FROM login_attempts", &[]).await, 1);
        assert_eq!(app.number("SELECT attempts FROM login_attempts", &[]).await, 300);
        let ada = app.user("ada").await;
        lock_out(&app, "ada").await;
        for number in 0..300 {
            let mut origin = stranger(1);
            origin.user_agent = Some(format!("agent {number}"));
            attempts::note(&app.app, &origin, Some(ada.user_id()), Reason::Locked).await.unwrap();
        }
        let locked = "SELECT count(*) FROM login_attempts WHERE reason = 'locked'";
        assert_eq!(app.number(locked, &[]).await, 2, "one from here, one for all the agents of that network");
    }

    async fn bru_10_closed_doors_with_nothing_behind_them_are_forgotten_after_a_day_and_others_are_not(app: TestApp) {
        app.user("ada").await;
        let eve = app.user("eve").await;
        for name in ["ada", "eve", "nobody"] {
            app.login(name, WRONG).await.assert_refused(401, "invalid_credentials");
        }
        app.execute("UPDATE lockouts SET failures = 100", &[]).await;
        app.delete_account(eve.user_id()).await;
        let closed = "SELECT count(*) FROM lockouts WHERE failures = 100";
        app.clock.advance(Duration::from_secs(24 * 3_600 - 1));
        attempts::forget(app.db(), app.clock.now()).await.unwrap();
        assert_eq!(app.number(closed, &[]).await, 3);
        app.clock.advance(Duration::from_secs(1));
        attempts::forget(app.db(), app.clock.now()).await.unwrap();
        assert_eq!(app.number(closed, &[]).await, 1);
        app.login("ada", PASSWORD).await.assert_refused(429, "too_many_attempts");
    }

    async fn bru_10_names_that_nobody_has_push_out_no_lock_of_an_account(app: TestApp) {
        app.user("ada").await;
        let cookie = known_device(&app, "ada").await;
        login_with(&app, "ada", WRONG, &cookie).await.assert_refused(401, "invalid_credentials");
        app.login("ada", WRONG).await.assert_refused(401, "invalid_credentials");
        for number in 0..10 {
            app.login(&format!("junk-{number}"), WRONG).await.assert_refused(401, "invalid_credentials");
        }
        let close = "UPDATE lockouts SET failures = 100 \
            WHERE account NOT IN (SELECT account FROM lockouts WHERE user_id IS NOT NULL)";
        app.execute(close, &[]).await;
        attempts::crop(app.db(), 2).await.unwrap();
        assert_eq!(app.number("SELECT max(failures) FROM lockouts", &[]).await, 1);
        assert_eq!(app.number("SELECT count(*) FROM lockouts", &[]).await, 2, "the device and everybody else");
    }

    async fn bru_10_attempts_that_are_refused_unread_push_out_nothing_that_an_account_has_seen(app: TestApp) {
        let ada = app.user("ada").await;
        app.login("ada", WRONG).await.assert_refused(401, "invalid_credentials");
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        app.clock.advance(Duration::from_secs(1));
        for number in 0..600 {
            attempts::note(&app.app, &stranger(number), Some(ada.user_id()), Reason::Locked).await.unwrap();
        }
        attempts::crop(app.db(), MOST).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM login_attempts", &[]).await, MOST);
        assert_eq!(app.number("SELECT count(*) FROM login_attempts WHERE reason <> 'locked'", &[]).await, 2);
    }

    async fn bru_10_a_name_that_nobody_has_is_nowhere_in_the_database(app: TestApp) {
        // Whoever types their password into the first field must not find it kept. The dropped application searches its
        // files for it.
        app.is_secret("a password in the wrong field", "canary-in-the-wrong-field");
        app.login("canary-in-the-wrong-field", WRONG).await.assert_refused(401, "invalid_credentials");
        assert_eq!(app.text("SELECT reason FROM login_attempts", &[]).await.as_deref(), Some("unknown_account"));
    }
}
