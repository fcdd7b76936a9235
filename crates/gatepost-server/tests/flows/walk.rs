//! Random walks over every flow.

use std::cell::RefCell;

use gatepost_testkit::{Engine, TestApp, on_each_db};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::step::{self, Beginning, Step};
use crate::world::{Tally, World};

/// Walks that nobody chose otherwise go where they went the last time.
const SEED: u64 = 7;

/// So many requests lead everywhere.
const ENOUGH: u64 = 8_000;

/// What never comes to anything, or is never refused.
const ALWAYS_REFUSED: [&str; 2] = ["an empty form", "register"];
const NEVER_REFUSED: [&str; 4] =
    ["forgot password", "resend verification", "logout by refresh token", "guess"];

/// Takes every step of a walk, from a new beginning.
async fn walk(app: &TestApp, (beginnings, steps): &([Beginning; 3], Vec<Step>)) -> (Tally, u64) {
    let mut world = World::begin(app, beginnings).await;
    for step in steps {
        world.take(step).await;
    }
    (world.tally, world.requests)
}

#[expect(clippy::print_stdout, reason = "whoever walks far wants to know how far")]
fn walks(app: &TestApp, share: u32) {
    let chosen = Config::default();
    let rng_seed = if chosen.rng_seed == RngSeed::Random { RngSeed::Fixed(SEED) } else { chosen.rng_seed };
    let cases = chosen.cases.div_ceil(share);
    let config = Config { cases, rng_seed, failure_persistence: None, max_shrink_iters: 400, ..chosen };
    let seen = RefCell::new((Tally::new(), 0));
    let result = TestRunner::new(config).run(&step::walks(), |it| {
        let (tally, requests) = Handle::current().block_on(Box::pin(walk(app, &it)));
        let (all, sum) = &mut *seen.borrow_mut();
        *sum += requests;
        for (name, (taken, done)) in tally {
            let of_all = all.entry(name).or_default();
            (of_all.0, of_all.1) = (of_all.0 + taken, of_all.1 + done);
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    let (tally, requests) = seen.into_inner();
    println!("{requests} requests in {cases} walks: {tally:#?}");
    // Walks that lead nowhere show nothing. Fewer of them need not meet everything.
    if requests < ENOUGH {
        return;
    }
    for (name, (taken, done)) in tally {
        assert!(done > 0 || ALWAYS_REFUSED.contains(&name), "no walk came through: {name}");
        assert!(done < taken || NEVER_REFUSED.contains(&name), "no walk was refused: {name}");
    }
}

on_each_db! {
    async fn rec_07_no_walk_over_the_flows_reaches_a_state_that_the_model_forbids(app: TestApp) {
        // What differs between the engines is not the judgement, and PostgreSQL is another process.
        let share = match app.engine {
            Engine::Sqlite => 4,
            Engine::Postgres => 16,
        };
        block_in_place(|| walks(&app, share));
    }
}
