//! The statement that reserves an attempt does what the pure model says.

use std::time::Duration;

use gatepost_kernel::Random;
use gatepost_server::attempts::lockout::{Bucket, CEILING, Kind};
use gatepost_server::attempts::{self, Refused};
use gatepost_server::audit::Origin;
use gatepost_testkit::on_each_db;

fn nowhere() -> Origin {
    Origin { address: None, user_agent: None, request_id: None, random: Random::system() }
}

/// How long a step of the walk takes: mostly too short, sometimes long enough, seldom a day.
fn pause(random: &Random) -> Duration {
    let [kind, length] = random.bytes::<2>();
    let length = u64::from(length);
    match kind {
        0..=127 => Duration::from_millis(length * 8),
        128..=251 => Duration::from_secs(length * 5),
        252..=253 => Duration::from_secs(24 * 3_600) - Duration::from_micros(length),
        254..=255 => Duration::from_secs(24 * 3_600),
    }
}

on_each_db! {
    async fn pwd_07_what_is_given_back_takes_its_own_wait_along_and_nobody_elses(app: TestApp) {
        let origin = nowhere();
        let next = || attempts::reserve(&app.app, &origin, app.app.attempts.of_nobody("nobody"));
        for _ in 0..3 {
            next().await.unwrap().failed(&app.app).await.unwrap();
        }
        let fourth = next().await.unwrap();
        // The fifth makes the next one wait, unless nothing was verified.
        next().await.unwrap().give_back(&app.app).await;
        next().await.unwrap().failed(&app.app).await.unwrap();
        assert!(matches!(next().await, Err(Refused::Locked(_))));
        fourth.give_back(&app.app).await;
        assert!(matches!(next().await, Err(Refused::Locked(_))), "the wait of another was taken along");
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(next().await.unwrap().failures(), 5);
    }

    async fn bru_01_the_ladder_of_the_database_is_that_of_the_model(app: TestApp) {
        let (mut walked, mut closed) = (0, 0);
        for name in ["one", "two", "three"] {
            let mut model = Bucket::EMPTY;
            for _ in 0..400 {
                app.clock.advance(pause(&app.app.random));
                let target = app.app.attempts.of_nobody(name);
                let expected = model.reserve(Kind::Everybody, app.clock.now());
                let reserved = attempts::reserve(&app.app, &nowhere(), target).await;
                assert_eq!(reserved.is_ok(), expected.is_some(), "after {model:?}");
                match (reserved, expected) {
                    (Ok(reservation), Some(next)) => {
                        assert_eq!(reservation.failures(), next.failures);
                        model = next;
                        walked += 1;
                    }
                    (Err(Refused::Locked(locked)), _) => {
                        let wait = model.refusal(Kind::Everybody, app.clock.now()).unwrap();
                        assert_eq!(u128::from(locked.retry_after), wait.as_micros().div_ceil(1_000_000));
                        closed += i32::from(model.failures == CEILING);
                    }
                    (other, _) => assert!(other.is_ok(), "the database failed"),
                }
            }
        }
        assert!(walked > 100, "the walk went nowhere: {walked} {closed}");
    }
}
