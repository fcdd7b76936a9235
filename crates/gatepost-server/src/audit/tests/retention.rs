//! What is old goes, in whole segments, and the rest still verifies.

use std::time::Duration;

use gatepost_db::Param;
use gatepost_kernel::Timestamp;
use gatepost_server::audit::{Fault, PurgeError};
use gatepost_testkit::on_each_db;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn purge(app: &TestApp, before: Timestamp) -> Result<Option<i64>, PurgeError> {
    audit::purge(app.db(), &app.app.chain, &app.app.operator_act(), before).await
}

on_each_db! {
    async fn whole_old_segments_go_and_the_rest_verifies(app: TestApp) {
        let old = sealed(&app).await;
        let first = head(&app).await;
        app.clock.advance(10 * DAY);
        app.login("ada", PASSWORD).await;
        seal(&app).await;
        let kept = head(&app).await;
        assert_eq!(purge(&app, app.clock.now().minus(11 * DAY)).await.unwrap(), None);
        assert_eq!(purge(&app, app.clock.now().minus(5 * DAY)).await.unwrap(), Some(first.seq));
        seal(&app).await;
        let (report, findings) = verify(&app, &[first.clone(), kept.clone()]).await;
        assert_eq!(findings, []);
        assert_eq!((report.floor, report.heads_too_old), (first.seq, 0), "the floor itself is still known");
        let left = everything(&app).await;
        assert!(left.iter().all(|entry| old.iter().all(|gone| gone.id != entry.id)));
        assert_eq!(left.iter().filter(|entry| entry.action == "audit_purged").count(), 1);
        assert_eq!(app.number("SELECT min(number) FROM audit_segments", &[]).await, 2);
        // Nothing is due any more, and nothing is said.
        assert_eq!(purge(&app, app.clock.now().minus(5 * DAY)).await.unwrap(), None);
        // Everything may go; the chain continues.
        app.clock.advance(10 * DAY);
        assert!(purge(&app, app.clock.now().minus(DAY)).await.unwrap().is_some());
        seal(&app).await;
        let (report, findings) = verify(&app, &[first]).await;
        assert_eq!((findings, report.entries, report.heads_too_old), (Vec::new(), 1, 1));
    }

    async fn az_07_the_job_keeps_what_is_younger_than_the_setting(app: TestApp = |setup| setup.set("audit.retention", "30d")) {
        sealed(&app).await;
        let first = head(&app).await;
        app.clock.advance(29 * DAY);
        gatepost_server::jobs::forget(&app.app).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM audit_floor", &[]).await, 0);
        app.clock.advance(2 * DAY);
        gatepost_server::jobs::forget(&app.app).await.unwrap();
        assert_eq!(app.number("SELECT seq FROM audit_floor", &[]).await, first.seq);
    }

    async fn az_07_nobody_else_moves_the_floor(app: TestApp) {
        let entries = sealed(&app).await;
        let mac = app.bytes("SELECT mac FROM audit_chain WHERE seq = 3", &[]).await.unwrap();
        let forged = [Param::Bytes(mac.into())];
        // No trigger refuses this one: retention does the same.
        app.execute("INSERT INTO audit_floor (slot, segment, seq, chain_mac, mac) VALUES (1, 0, 3, ?1, ?1)", &forged).await;
        app.execute("DELETE FROM audit_log WHERE id IN (SELECT entry_id FROM audit_chain WHERE seq <= 3)", &[]).await;
        app.execute("DELETE FROM audit_chain WHERE seq <= 3", &[]).await;
        let (_, findings) = verify(&app, &[]).await;
        assert!(findings.iter().any(|finding| finding.fault == Fault::Floor && finding.seq == Some(3)), "{findings:#?}");
        // And it does not go on from there.
        assert!(matches!(purge(&app, Timestamp::from_secs(0)).await, Err(PurgeError::Changed(_))));
        assert_eq!(everything(&app).await.len(), entries.len() - 3);
        for refused in [
            "DELETE FROM audit_floor", "UPDATE audit_floor SET seq = 2", "UPDATE audit_floor SET mac = chain_mac",
            // What stands above the floor stays, from the next row on.
            "DELETE FROM audit_log WHERE id IN (SELECT entry_id FROM audit_chain WHERE seq = 4)",
            "DELETE FROM audit_chain WHERE seq = 4", "DELETE FROM audit_segments",
        ] {
            assert!(matches!(attempt(&app, refused).await, Err(DbError::Constraint { .. })), "{refused}");
        }
    }

    async fn az_07_a_segment_that_was_made_older_is_not_deleted(app: TestApp) {
        let entries = sealed(&app).await;
        without_triggers(&app).await;
        app.execute("UPDATE audit_segments SET sealed_at = 0", &[]).await;
        assert!(matches!(purge(&app, Timestamp::from_secs(1)).await, Err(PurgeError::Changed(1))));
        assert_eq!(everything(&app).await.len(), entries.len());
    }
}
