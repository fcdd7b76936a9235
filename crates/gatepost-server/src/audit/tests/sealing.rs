//! The sealer, and the promise that nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatepost_server::audit::{Anchor, AnchorError, Event};
use gatepost_testkit::on_each_db;
use serde_json::json;

use super::*;

on_each_db! {
    async fn az_07_what_is_not_sealed_yet_is_reported(app: TestApp) {
        let began = app.clock.now();
        entries_of_two(&app).await;
        let (report, findings) = verify(&app, &[]).await;
        assert_eq!((findings.len(), report.entries, report.head), (0, 0, None));
        assert_eq!((report.unsealed, report.oldest_unsealed), (everything(&app).await.len() as i64, Some(began)));
        assert_eq!(seal(&app).await as i64, report.unsealed);
        let (report, _) = verify(&app, &[]).await;
        assert_eq!((report.unsealed, report.oldest_unsealed), (0, None));
        assert_eq!(app.number("SELECT count(*) FROM audit_tail", &[]).await, 0);
        assert_eq!(seal(&app).await, 0);
    }

    async fn a_large_backlog_is_sealed_in_bounded_segments(app: TestApp) {
        for _ in 0..25 {
            let act = app.app.operator_act();
            let many = app.db().write(move |tx| {
                for _ in 0..100 {
                    audit::record(tx, &act, &Event::SetupLinkMade)?;
                }
                Ok::<_, DbError>(())
            });
            many.await.unwrap();
        }
        let entries = seal(&app).await;
        assert_eq!(entries as i64, app.number("SELECT count(*) FROM audit_log", &[]).await);
        assert_eq!(app.number("SELECT count(*) FROM audit_segments", &[]).await, 3);
        let (report, findings) = verify(&app, &[]).await;
        assert_eq!((report.entries, findings.len()), (entries as u64, 0));
    }

    async fn two_nodes_that_seal_at_once_leave_no_gap_and_no_double(app: TestApp) {
        let second = app.second_node().await;
        let done = Arc::new(AtomicBool::new(false));
        let sealers: Vec<_> = [(*app).clone(), second.clone(), (*app).clone()].into_iter().map(|node| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    seal(&node).await;
                    tokio::task::yield_now().await;
                }
            })
        }).collect();
        for number in 0..40 {
            let node = if number % 2 == 0 { &*app } else { &second };
            let act = node.app.operator_act();
            node.app.db.write(move |tx| audit::record(tx, &act, &Event::SetupLinkMade)).await.unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for sealer in sealers {
            sealer.await.unwrap();
        }
        seal(&app).await;
        let (report, findings) = verify(&app, &[]).await;
        assert_eq!(findings, []);
        assert_eq!(report.entries as i64, app.number("SELECT count(*) FROM audit_log", &[]).await);
        assert!(app.number("SELECT count(*) FROM audit_segments", &[]).await > 1);
    }

    async fn az_07_the_anchor_follows_the_chain_and_never_goes_back(app: TestApp) {
        let folder = tempfile::tempdir().unwrap();
        let anchor = Anchor::in_directory(folder.path());
        anchor.follow(app.db(), &app.app.chain).await.unwrap();
        assert_eq!(anchor.read().unwrap(), None, "nothing is sealed yet");
        sealed(&app).await;
        anchor.follow(app.db(), &app.app.chain).await.unwrap();
        let end = head(&app).await;
        assert_eq!(anchor.read().unwrap(), Some(end.clone()));
        without_triggers(&app).await;
        for cut in ["DELETE FROM audit_chain WHERE seq > 2", "DELETE FROM audit_segments"] {
            app.execute(cut, &[]).await;
        }
        assert!(matches!(anchor.follow(app.db(), &app.app.chain).await, Err(AnchorError::Diverged(_))));
        assert_eq!(anchor.read().unwrap(), Some(end));
        std::fs::write(folder.path().join("audit.head"), "1:short").unwrap();
        assert!(matches!(anchor.follow(app.db(), &app.app.chain).await, Err(AnchorError::Malformed(_))));
    }

    async fn az_07_a_floor_that_was_made_up_does_not_move_the_anchor_back(app: TestApp) {
        let folder = tempfile::tempdir().unwrap();
        let anchor = Anchor::in_directory(folder.path());
        sealed(&app).await;
        anchor.follow(app.db(), &app.app.chain).await.unwrap();
        let end = head(&app).await;
        without_triggers(&app).await;
        app.execute("INSERT INTO audit_floor (slot, segment, seq, chain_mac, mac) SELECT 1, 1, 1000, mac, mac FROM audit_chain WHERE seq = 1", &[]).await;
        app.execute("DELETE FROM audit_chain WHERE seq > 2", &[]).await;
        assert!(matches!(anchor.follow(app.db(), &app.app.chain).await, Err(AnchorError::Diverged(_))));
        // Nor does one beneath a chain that somebody made longer.
        app.execute("INSERT INTO audit_chain (seq, entry_id, mac) SELECT 2000, id, id_mac.mac FROM audit_log, \
            (SELECT mac FROM audit_chain WHERE seq = 1) id_mac WHERE id NOT IN (SELECT entry_id FROM audit_chain) ORDER BY id LIMIT 1", &[]).await;
        assert!(matches!(anchor.follow(app.db(), &app.app.chain).await, Err(AnchorError::Diverged(_))));
        assert_eq!(anchor.read().unwrap(), Some(end));
    }

    async fn rel_29_a_change_that_cannot_be_audited_does_not_happen(app: TestApp) {
        let ada = app.user("ada").await;
        let before = app.me(&ada.access_token).await.json();
        app.execute("ALTER TABLE audit_log RENAME TO gone", &[]).await;
        let body = json!({ "email": "bob@example.com", "password": PASSWORD });
        let answer = app.post("/api/v1/auth/register").json(&body).may_fail().send().await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(app.number("SELECT count(*) FROM users", &[]).await, 1);
        let patch = app.patch("/api/v1/users/me").bearer(&ada.access_token).json(&json!({ "bio": "x" }));
        assert_eq!(patch.may_fail().send().await.status, 503);
        assert_eq!(app.me(&ada.access_token).await.json(), before);
        let sessions = app.number("SELECT count(*) FROM sessions", &[]).await;
        let login = json!({ "identifier": "ada", "password": PASSWORD });
        assert_eq!(app.post("/api/v1/auth/login").json(&login).may_fail().send().await.status, 503);
        assert_eq!(app.number("SELECT count(*) FROM sessions", &[]).await, sessions);
    }
}
