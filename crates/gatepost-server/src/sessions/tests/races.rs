//! Races on one refresh token, one session, one account, over two nodes.

use std::sync::Arc;

use gatepost_testkit::{Answer, Node, PASSWORD, Persona, TestApp, on_each_db};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;

use super::{audited, refused_soon};

const ROUNDS: usize = 200;
const CONTENDERS: usize = 8;

/// Starts something on a task of its own, which waits for all others at the line.
fn start<F>(line: &Arc<Barrier>, race: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let line = Arc::clone(line);
    tokio::spawn(async move {
        line.wait().await;
        race.await
    })
}

fn refresh(node: &Node, token: &str) -> impl Future<Output = Answer> + Send + use<> {
    let (node, token) = (node.clone(), token.to_owned());
    async move { node.refresh(&token).await }
}

/// Asserts that what a refresh obtained, if it obtained anything, opens nothing.
async fn assert_worthless(app: &TestApp, second: &Node, obtained: &[Answer]) {
    for answer in obtained {
        if answer.status != 200 {
            answer.assert_refused(401, "invalid_refresh_token");
            continue;
        }
        let tokens = Persona::of(answer);
        app.me(&tokens.access_token).await.assert_refused(401, "invalid_token");
        for node in [&**app, second] {
            node.refresh(&tokens.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        }
    }
}

/// One round a user, so that no round waits for the hash of a login: `rounds` fresh sign-ins.
async fn personas(app: &TestApp, rounds: usize) -> Vec<Persona> {
    let ada = app.user("ada").await;
    let mut personas = vec![ada];
    while personas.len() < rounds {
        let answer = app.login("ada", PASSWORD).await;
        personas.push(Persona::of(&answer));
    }
    personas
}

on_each_db! {
    async fn rel_15_of_contenders_on_two_nodes_one_rotates_and_all_get_its_token(app: TestApp) {
        let second = app.second_node().await;
        let mut current = app.user("ada").await;
        for round in 1..=ROUNDS {
            let line = Arc::new(Barrier::new(CONTENDERS));
            let contenders: Vec<_> = (0..CONTENDERS)
                .map(|number| {
                    let node = if number % 2 == 0 { &*app } else { &second };
                    start(&line, refresh(node, &current.refresh_token))
                })
                .collect();
            let mut successors = Vec::new();
            for contender in contenders {
                let answer = contender.await.unwrap();
                assert_eq!(answer.status, 200, "round {round}: {}", answer.text());
                successors.push(Persona::of(&answer));
            }
            assert!(successors.iter().all(|one| one.refresh_token == successors[0].refresh_token), "round {round}");
            assert_ne!(successors[0].refresh_token, current.refresh_token);
            let rotations = app.number("SELECT generation FROM refresh_families", &[]).await;
            assert_eq!(rotations, i64::try_from(round).unwrap());
            current = successors.swap_remove(0);
        }
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 0);
    }

    async fn rel_17_what_a_refresh_obtains_beside_a_logout_is_dead_after_it(app: TestApp) {
        let second = app.second_node().await;
        for (round, ada) in personas(&app, ROUNDS).await.into_iter().enumerate() {
            let line = Arc::new(Barrier::new(3));
            let here = start(&line, refresh(&app, &ada.refresh_token));
            let there = start(&line, refresh(&second, &ada.refresh_token));
            let node = if round % 2 == 0 { (*app).clone() } else { second.clone() };
            let token = ada.access_token.clone();
            let end = start(&line, async move { node.logout(&token).await });
            assert_eq!(end.await.unwrap().status, 204);
            let obtained = [here.await.unwrap(), there.await.unwrap()];
            if round % 2 == 0 {
                assert_worthless(&app, &second, &obtained).await;
            } else {
                for answer in obtained.iter().filter(|answer| answer.status == 200) {
                    let tokens = Persona::of(answer);
                    app.refresh(&tokens.refresh_token).await.assert_refused(401, "invalid_refresh_token");
                    second.me(&tokens.access_token).await.assert_refused(401, "invalid_token");
                }
            }
        }
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 0);
    }

    async fn rel_17_what_a_refresh_obtains_beside_a_disabling_is_dead_after_it(app: TestApp) {
        let second = app.second_node().await;
        let ada = app.user("ada").await;
        let mut last = None;
        for _ in 0..ROUNDS {
            let tokens = Persona::of(&app.login("ada", PASSWORD).await);
            let line = Arc::new(Barrier::new(3));
            let here = start(&line, refresh(&app, &tokens.refresh_token));
            let there = start(&line, refresh(&second, &tokens.refresh_token));
            let (node, user) = ((*app).clone(), ada.user_id());
            start(&line, async move { node.set_active(user, false).await }).await.unwrap();
            let obtained = [here.await.unwrap(), there.await.unwrap()];
            assert_worthless(&app, &second, &obtained).await;
            app.set_active(ada.user_id(), true).await;
            // Being switched on again revives nothing.
            assert_worthless(&app, &second, &obtained).await;
            last = obtained.into_iter().find(|answer| answer.status == 200).or(last);
        }
        if let Some(answer) = last {
            refused_soon(&second, &Persona::of(&answer).access_token).await;
        }
    }

    async fn rel_17_what_the_newest_token_obtains_beside_a_detected_reuse_is_dead_after_it(app: TestApp) {
        let second = app.second_node().await;
        for stolen in personas(&app, ROUNDS).await {
            let parent = Persona::of(&app.refresh(&stolen.refresh_token).await);
            let newest = Persona::of(&app.refresh(&parent.refresh_token).await);
            let line = Arc::new(Barrier::new(3));
            let here = start(&line, refresh(&app, &newest.refresh_token));
            let there = start(&line, refresh(&second, &newest.refresh_token));
            let reuse = start(&line, refresh(&app, &stolen.refresh_token));
            reuse.await.unwrap().assert_refused(401, "invalid_refresh_token");
            assert_worthless(&app, &second, &[here.await.unwrap(), there.await.unwrap()]).await;
        }
        assert_eq!(audited(&app, "refresh_reuse_detected").await, i64::try_from(ROUNDS).unwrap());
    }

    async fn rel_17_of_parallel_reuses_one_is_written_down(app: TestApp) {
        let second = app.second_node().await;
        let stolen = app.user("ada").await;
        let parent = Persona::of(&app.refresh(&stolen.refresh_token).await);
        app.refresh(&parent.refresh_token).await;
        let line = Arc::new(Barrier::new(CONTENDERS));
        let reuses: Vec<_> = (0..CONTENDERS)
            .map(|number| start(&line, refresh(if number % 2 == 0 { &app } else { &second }, &stolen.refresh_token)))
            .collect();
        for reuse in reuses {
            reuse.await.unwrap().assert_refused(401, "invalid_refresh_token");
        }
        assert_eq!(audited(&app, "refresh_reuse_detected").await, 1);
    }

    async fn rel_18_a_login_beside_a_disabling_opens_nothing(app: TestApp) {
        for round in 0..ROUNDS {
            // Another account each time: a login that loses counts as a failure, and five of those in a row make it wait.
            let name = format!("ada-{round}");
            let user = app.user(&name).await.user_id();
            let line = Arc::new(Barrier::new(2));
            let node = (*app).clone();
            let login = start(&line, async move { node.login(&name, PASSWORD).await });
            let node = (*app).clone();
            start(&line, async move { node.set_active(user, false).await }).await.unwrap();
            let answer = login.await.unwrap();
            if answer.status == 200 {
                let tokens = Persona::of(&answer);
                app.me(&tokens.access_token).await.assert_refused(401, "invalid_token");
                app.refresh(&tokens.refresh_token).await.assert_refused(401, "invalid_refresh_token");
            } else {
                answer.assert_refused(401, "invalid_credentials");
            }
        }
    }

    async fn rel_18_a_login_with_the_old_password_beside_its_change_opens_nothing(app: TestApp = |setup| setup.set("password.history", "0")) {
        let second = app.second_node().await;
        let mut ada = app.user("ada").await;
        let passwords = [PASSWORD, "CANARY lighthouse above the reef"];
        for round in 0..ROUNDS / 4 {
            let (old, new) = (passwords[round % 2], passwords[(round + 1) % 2]);
            let line = Arc::new(Barrier::new(3));
            let (here, there) = ((*app).clone(), second.clone());
            let logins = [
                start(&line, async move { here.login("ada", old).await }),
                start(&line, async move { there.login("ada", old).await }),
            ];
            let (node, token) = ((*app).clone(), ada.access_token.clone());
            let changed = start(&line, async move { node.change_password(&token, old, new).await }).await.unwrap();
            assert_eq!(changed.status, 200, "{}", changed.text());
            ada = Persona::of(&changed);
            for login in logins {
                let answer = login.await.unwrap();
                if answer.status == 200 {
                    let tokens = Persona::of(&answer);
                    app.me(&tokens.access_token).await.assert_refused(401, "invalid_token");
                    app.refresh(&tokens.refresh_token).await.assert_refused(401, "invalid_refresh_token");
                } else {
                    answer.assert_refused(401, "invalid_credentials");
                }
            }
            assert_eq!(app.me(&ada.access_token).await.status, 200);
        }
    }

    async fn rel_18_a_session_with_an_old_epoch_is_dead_on_first_use(app: TestApp) {
        // As a login would leave it that was overtaken after its check: the session's epoch is the old one.
        let ada = app.user("ada").await;
        app.execute("UPDATE users SET auth_epoch = auth_epoch + 1", &[]).await;
        app.second_node().await.me(&ada.access_token).await.assert_refused(401, "invalid_token");
        app.refresh(&ada.refresh_token).await.assert_refused(401, "invalid_refresh_token");
        assert_eq!(app.number("SELECT generation FROM refresh_families", &[]).await, 0, "the dead family moved on");
    }
}
