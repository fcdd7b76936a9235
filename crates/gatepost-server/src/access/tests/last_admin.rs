//! There is always an administrator.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::*;

on_each_db! {
    async fn the_last_administrator_stays_one(app: TestApp) {
        let (ada, bob) = (an_admin(&app, "ada").await, an_admin(&app, "bob").await);
        assert_eq!(assign(&app, &ada, &bob, &[]).await.status, 200);
        assign(&app, &ada, &ada, &[]).await.assert_refused(409, "last_admin");
        app.delete("/api/v1/users/me").bearer(&ada.access_token).send().await.assert_refused(409, "last_admin");
        // One who is switched off is none.
        assert_eq!(assign(&app, &ada, &bob, &["admin"]).await.status, 200);
        app.set_active(bob.user_id(), false).await;
        assign(&app, &ada, &ada, &[]).await.assert_refused(409, "last_admin");
        assert_eq!(app.me(&ada.access_token).await.json()["roles"], json!(["admin", "user"]));
    }

    async fn az_06_two_administrators_who_demote_each_other_on_two_nodes_leave_one(app: TestApp) {
        const ROUNDS: usize = 200;
        let second = app.second_node().await;
        let (ada, bob) = (an_admin(&app, "ada").await, an_admin(&app, "bob").await);
        for round in 0..ROUNDS {
            let line = Arc::new(Barrier::new(2));
            let race = |node: &Node, by: &Persona, of: &Persona| {
                let (node, by, of, line) = (node.clone(), by.clone(), of.clone(), Arc::clone(&line));
                tokio::spawn(async move {
                    line.wait().await;
                    assign(&node, &by, &of, &[]).await
                })
            };
            let (one, other) = (race(&app, &ada, &bob), race(&second, &bob, &ada));
            let answers = [one.await.unwrap(), other.await.unwrap()];
            let won = answers.iter().filter(|answer| answer.status == 200).count();
            assert_eq!(won, 1, "round {round}: {} {}", answers[0].text(), answers[1].text());
            // The loser is demoted already, or finds that they would leave nobody.
            let lost = answers.iter().find(|answer| answer.status != 200).unwrap();
            assert!(["forbidden", "last_admin"].contains(&lost.code().as_str()), "round {round}: {}", lost.text());
            let admins = "SELECT count(*) FROM user_roles r JOIN users u ON u.id = r.user_id WHERE r.role = 'admin' AND u.is_active";
            assert_eq!(app.number(admins, &[]).await, 1, "round {round}");
            for admin in [&ada, &bob] {
                app.grant_role(admin.user_id(), "admin").await;
            }
            // The other node may believe for a moment what it read.
            let id = [ada.user_id(), bob.user_id()];
            let identities = second.app.identities.clone();
            let forget = second.app.db.write(move |tx| {
                id.iter().for_each(|id| identities.forget_after_commit(tx, *id));
                Ok::<_, gatepost_db::DbError>(())
            });
            forget.await.unwrap();
        }
    }
}
