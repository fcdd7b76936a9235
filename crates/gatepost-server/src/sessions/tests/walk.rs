//! Random walks over the life of a family, against a model of it.

use std::time::Duration;

use gatepost_testkit::{Engine, Persona, Setup, TestApp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const WINDOW: Duration = Duration::from_secs(10);

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// The newest token is exchanged.
    Rotate,
    /// Its parent is presented once more.
    Repeat,
    /// A token is presented that was replaced so many generations ago.
    Old(usize),
    /// Time passes.
    Wait(Duration),
    /// The user signs out.
    Logout,
    /// The account is switched off and on.
    Disable,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Rotate),
        4 => Just(Step::Repeat),
        1 => (2_usize..5).prop_map(Step::Old),
        4 => prop_oneof![Just(1_u64), Just(9), Just(10), Just(11)].prop_map(|secs| Step::Wait(Duration::from_secs(secs))),
        1 => Just(Step::Wait(Duration::from_secs(7 * 86_400))),
        1 => Just(Step::Logout),
        1 => Just(Step::Disable),
    ];
    proptest::collection::vec(step, 1..25)
}

/// What must be true of the family, told in a few lines.
struct Model {
    /// Every token that was ever handed out, oldest first.
    tokens: Vec<String>,
    age: Duration,
    idle: Duration,
    alive: bool,
}

impl Model {
    /// What presenting the token of this index must answer: the index of the token that comes back.
    fn present(&mut self, index: usize) -> Option<usize> {
        let newest = self.tokens.len() - 1;
        if !self.alive || self.idle >= Duration::from_secs(7 * 86_400) {
            return None;
        }
        if index == newest {
            (self.age, self.idle) = (Duration::ZERO, Duration::ZERO);
            return Some(newest + 1);
        }
        if index + 1 == newest && self.age <= WINDOW {
            return Some(newest);
        }
        self.alive = false;
        None
    }
}

async fn walk(app: &TestApp, steps: &[Step]) {
    let user = app.some_user().await;
    let mut access = user.access_token.clone();
    let mut model = Model {
        tokens: vec![user.refresh_token.clone()],
        age: Duration::ZERO,
        idle: Duration::ZERO,
        alive: true,
    };
    for step in steps {
        let newest = model.tokens.len() - 1;
        let index = match step {
            Step::Rotate => newest,
            Step::Repeat if newest >= 1 => newest - 1,
            Step::Old(back) if newest >= *back => newest - back,
            Step::Repeat | Step::Old(_) => continue,
            Step::Wait(span) => {
                app.clock.advance(*span);
                (model.age, model.idle) = (model.age + *span, model.idle + *span);
                continue;
            }
            Step::Logout => {
                let body = serde_json::json!({ "refresh_token": model.tokens[newest] });
                assert_eq!(app.post("/api/v1/auth/logout").json(&body).send().await.status, 204);
                model.alive = false;
                continue;
            }
            Step::Disable => {
                app.set_active(user.user_id(), false).await;
                app.set_active(user.user_id(), true).await;
                model.alive = false;
                continue;
            }
        };
        let answer = app.refresh(&model.tokens[index]).await;
        match model.present(index) {
            None => answer.assert_refused(401, "invalid_refresh_token"),
            Some(expected) => {
                assert_eq!(answer.status, 200, "{step:?}: {}", answer.text());
                let got = Persona::of(&answer);
                access = got.access_token;
                if expected == model.tokens.len() {
                    assert!(!model.tokens.contains(&got.refresh_token));
                    model.tokens.push(got.refresh_token);
                } else {
                    assert_eq!(got.refresh_token, model.tokens[expected], "a second leaf");
                }
            }
        }
        // An access token lives exactly as long as its session, until it expires.
        let expired = model.age >= Duration::from_secs(15 * 60);
        assert_eq!(app.me(&access).await.status == 200, model.alive && !expired);
    }
    // However the walk went, all its tokens together bring at most one new one: the newest, or its replay. The newest
    // first, because an older one ends the family.
    let mut leaves = std::collections::BTreeSet::new();
    for index in (0..model.tokens.len()).rev() {
        let answer = app.refresh(&model.tokens[index]).await;
        if answer.status == 200 {
            let token = Persona::of(&answer).refresh_token;
            if !model.tokens.contains(&token) {
                leaves.insert(token);
            }
        }
    }
    assert!(leaves.len() <= 1, "the family forked");
}

/// On SQLite: what differs between the engines is not the judgement but the race, which has tests of its own.
#[test]
fn i3_a_family_has_at_most_one_live_leaf_wherever_it_walks() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::start(Engine::Sqlite, "a family walks", Setup::new()));
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let result = runner.run(&steps(), |steps| {
        runtime.block_on(walk(&app, &steps));
        Ok(())
    });
    let _inside = runtime.enter();
    drop(app);
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
