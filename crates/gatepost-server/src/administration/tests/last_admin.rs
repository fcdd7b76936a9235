//! There is always an administrator.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::*;

/// How often two of them meet.
const ROUNDS: usize = 60;

#[derive(Clone, Copy, Debug)]
enum Blow {
    Disable,
    Delete,
    Demote,
}

async fn strike(node: &Node, blow: Blow, by: &Persona, of: &Persona) -> Answer {
    match blow {
        Blow::Disable => patch(node, of, by, &json!({ "is_active": false })).await,
        Blow::Delete => delete(node, &super::of(of, ""), by).await,
        Blow::Demote => assign(node, by, of, &[]).await,
    }
}

/// Two administrators who strike each other at once, from two nodes. Returns whoever is left, who helps the other back.
async fn duel(app: &TestApp, second: &Node, (blow, other): (Blow, Blow)) {
    let (ada, bob) = (signed_in(app, "ada").await, signed_in(second, "bob").await);
    let line = Arc::new(Barrier::new(2));
    let race = |node: &Node, blow: Blow, by: &Persona, of: &Persona| {
        let (node, by, of, line) = (node.clone(), by.clone(), of.clone(), Arc::clone(&line));
        tokio::spawn(async move {
            line.wait().await;
            strike(&node, blow, &by, &of).await
        })
    };
    let (one, two) = (race(app, blow, &ada, &bob), race(second, other, &bob, &ada));
    let answers = [one.await.unwrap(), two.await.unwrap()];
    let won: Vec<_> = answers.iter().map(|answer| matches!(answer.status, 200 | 204)).collect();
    assert_eq!(
        won.iter().filter(|won| **won).count(),
        1,
        "{blow:?} {other:?}: {} {}",
        answers[0].text(),
        answers[1].text()
    );
    let lost = &answers[usize::from(won[0])];
    assert!(
        ["invalid_token", "forbidden", "last_admin", "not_found"].contains(&lost.code().as_str()),
        "{}",
        lost.text()
    );
    let admins = "SELECT count(*) FROM user_roles r JOIN users u ON u.id = r.user_id WHERE r.role = 'admin' AND u.is_active AND u.deleted_at IS NULL";
    assert_eq!(app.number(admins, &[]).await, 1);
    let (node, winner, loser, done) =
        if won[0] { (&**app, &ada, &bob, blow) } else { (second, &bob, &ada, other) };
    let back = match done {
        Blow::Disable => patch(node, loser, winner, &json!({ "is_active": true })).await,
        Blow::Delete => post(node, &of(loser, "/restore"), winner).await,
        Blow::Demote => assign(node, winner, loser, &["admin"]).await,
    };
    assert_eq!(back.status, 200, "{}", back.text());
}

on_each_db! {
    async fn az_06_the_last_administrator_is_neither_disabled_nor_deleted(app: TestApp) {
        let (ada, bob) = (an_admin(&app, "ada").await, an_admin(&app, "bob").await);
        for blow in [Blow::Disable, Blow::Delete] {
            assert_ne!(strike(&app, blow, &ada, &bob).await.status, 409);
            strike(&app, blow, &ada, &ada).await.assert_refused(409, "last_admin");
            assert_eq!(app.me(&ada.access_token).await.json()["is_active"], true);
        }
        // One that was deleted while it was off is no administrator that is left.
        assert_eq!(post(&app, &of(&bob, "/restore"), &ada).await.status, 200);
        strike(&app, Blow::Delete, &ada, &ada).await.assert_refused(409, "last_admin");
        assert_eq!(patch(&app, &bob, &ada, &json!({ "is_active": true })).await.status, 200);
        assert_eq!(strike(&app, Blow::Delete, &ada, &ada).await.status, 204);
    }

    async fn az_06_two_administrators_who_throw_each_other_out_on_two_nodes_leave_one(app: TestApp) {
        let second = app.second_node().await;
        an_admin(&app, "ada").await;
        an_admin(&app, "bob").await;
        let blows = [
            (Blow::Disable, Blow::Disable), (Blow::Delete, Blow::Delete), (Blow::Disable, Blow::Delete), (Blow::Demote, Blow::Delete),
        ];
        for round in 0..ROUNDS {
            duel(&app, &second, blows[round % blows.len()]).await;
        }
    }
}
