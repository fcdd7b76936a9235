//! Who is told of too many failures, and how often.

use std::time::Duration;

use gatepost_db::DbError;
use gatepost_db::params;
use gatepost_server::attempts;
use gatepost_testkit::{PASSWORD, TestApp, on_each_db};

use super::{WRONG, lock_out, retry_after};

async fn look(app: &TestApp) -> i64 {
    attempts::alert(app.db(), app.app.operator_act()).await.unwrap();
    app.number("SELECT count(*) FROM audit_log WHERE action = 'locked_out'", &[]).await
}

on_each_db! {
    async fn bru_01_the_first_wait_of_a_day_is_written_down_and_owed_to_the_owner_once(app: TestApp) {
        let ada = app.user("ada").await.user_id();
        for _ in 0..4 {
            app.login("ada", WRONG).await.assert_refused(401, "invalid_credentials");
        }
        assert_eq!(look(&app).await, 0, "four slips are nobody's business");
        app.login("ada", WRONG).await.assert_refused(401, "invalid_credentials");
        lock_out(&app, "nobody").await;
        // The owner signs in before anybody looks: it is said all the same.
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
        assert_eq!(look(&app).await, 1);
        let due = || app.db().read(|tx| attempts::unanswered_alerts(tx, 10));
        assert_eq!(due().await.unwrap().iter().map(|(user, _)| *user).collect::<Vec<_>>(), [ada]);
        let answer = || app.db().write(move |tx| attempts::answer_alert(tx, ada));
        let answered: Result<bool, DbError> = answer().await;
        assert!(answered.unwrap());
        assert!(!answer().await.unwrap() && due().await.unwrap().is_empty());
        lock_out(&app, "ada").await;
        assert_eq!(look(&app).await, 1, "said twice in a day");
        app.clock.advance(Duration::from_secs(24 * 3_600));
        lock_out(&app, "ada").await;
        assert_eq!(look(&app).await, 2);
        assert_eq!(due().await.unwrap().len(), 1);
    }

    async fn an_operator_lifts_a_lock_out_and_it_is_written_down(app: TestApp) {
        let ada = app.user("ada").await.user_id();
        lock_out(&app, "ada").await;
        let unlock = || {
            let (act, keys) = (app.app.operator_act(), app.app.attempts.clone());
            app.db().write(move |tx| {
                let user = gatepost_server::accounts::by_id(tx, ada)?.unwrap();
                let target = keys.of_user(&user, None, act.at);
                attempts::unlock(tx, &act, ada, &target)
            })
        };
        let lifted: Result<bool, DbError> = unlock().await;
        assert!(lifted.unwrap());
        assert!(!unlock().await.unwrap(), "there was nothing left to lift");
        let unlocked = "SELECT count(*) FROM audit_log WHERE action = 'unlocked' AND user_id = ?1";
        assert_eq!(app.number(unlocked, &params![ada]).await, 1);
        assert_eq!(app.login("ada", PASSWORD).await.status, 200);
    }

    async fn a_name_that_was_closed_while_nobody_had_it_is_open_to_whoever_registers_it(app: TestApp) {
        for _ in 0..5 {
            app.login("ada@example.com", WRONG).await.assert_refused(401, "invalid_credentials");
        }
        retry_after(&app.login("ada@example.com", WRONG).await);
        app.user("ada").await;
        assert_eq!(app.login("ada@example.com", PASSWORD).await.status, 200);
    }
}
