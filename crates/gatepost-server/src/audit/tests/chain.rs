//! Each way to bend the log is found, and the row is named.

use gatepost_db::Param;
use gatepost_server::audit::{Fault, Finding};
use gatepost_testkit::on_each_db;

use super::*;

#[track_caller]
fn assert_names(findings: &[Finding], fault: Fault, position: usize, entry: &Entry) {
    let found = findings.iter().any(|finding| {
        finding.fault == fault
            && finding.seq == Some(seq(position))
            && finding.id == Some(entry.id.to_string())
    });
    assert!(found, "no {fault:?} at {}: {findings:#?}", seq(position));
}

on_each_db! {
    async fn az_07_an_untouched_log_verifies(app: TestApp) {
        let entries = sealed(&app).await;
        let head = head(&app).await;
        let (report, findings) = verify(&app, std::slice::from_ref(&head)).await;
        assert_eq!(findings, []);
        assert_eq!((report.entries, report.unsealed), (entries.len() as u64, 0));
        assert_eq!((report.head, head.seq), (Some(head.clone()), seq(entries.len() - 1)));
    }

    async fn az_07_a_change_in_any_column_is_found_and_its_row_is_named(app: TestApp) {
        let entries = sealed(&app).await;
        let mine = |entry: &&Entry| entry.actor.is_some() && entry.actor == entry.user && entry.user_agent.is_some() && entry.address.is_some();
        let last = entries.len() - 1;
        let position = entries[..last].iter().rposition(|entry| mine(&entry)).unwrap();
        let entry = &entries[position];
        without_triggers(&app).await;
        for (bend, mend) in [
            ("UPDATE audit_log SET at = at + 1 WHERE id = ?1", "UPDATE audit_log SET at = at - 1 WHERE id = ?1"),
            ("UPDATE audit_log SET action = 'x' || action WHERE id = ?1", "UPDATE audit_log SET action = substr(action, 2) WHERE id = ?1"),
            ("UPDATE audit_log SET actor_id = id WHERE id = ?1", "UPDATE audit_log SET actor_id = user_id WHERE id = ?1"),
            ("UPDATE audit_log SET actor_id = NULL WHERE id = ?1", "UPDATE audit_log SET actor_id = user_id WHERE id = ?1"),
            ("UPDATE audit_log SET user_id = id WHERE id = ?1", "UPDATE audit_log SET user_id = actor_id WHERE id = ?1"),
            ("UPDATE audit_log SET address = 'x' || address WHERE id = ?1", "UPDATE audit_log SET address = substr(address, 2) WHERE id = ?1"),
            ("UPDATE audit_log SET user_agent = 'x' || user_agent WHERE id = ?1", "UPDATE audit_log SET user_agent = substr(user_agent, 2) WHERE id = ?1"),
            ("UPDATE audit_log SET request_id = 'x' || request_id WHERE id = ?1", "UPDATE audit_log SET request_id = substr(request_id, 2) WHERE id = ?1"),
            ("UPDATE audit_log SET details = details || ' ' WHERE id = ?1", "UPDATE audit_log SET details = rtrim(details) WHERE id = ?1"),
        ] {
            assert_eq!(app.execute(bend, &[id(entry)]).await, 1);
            let (_, findings) = verify(&app, &[]).await;
            assert_eq!(findings.len(), 1, "{bend}: {findings:#?}");
            assert_names(&findings, Fault::Changed, position, entry);
            assert!(findings[0].action.is_some() && findings[0].at.is_some());
            app.execute(mend, &[id(entry)]).await;
            assert_eq!(verify(&app, &[]).await.1, [], "{mend}");
        }
        // Another id is another row: the one that was sealed is gone, and one is there that nobody sealed.
        app.execute("UPDATE audit_log SET id = user_id WHERE id = ?1", &[id(entry)]).await;
        let (_, findings) = verify(&app, &[]).await;
        assert_names(&findings, Fault::Deleted, position, entry);
        assert!(findings.iter().any(|finding| finding.fault == Fault::NotSealed), "{findings:#?}");
        assert_eq!(findings.len(), 2, "{findings:#?}");
    }

    async fn az_07_a_change_of_the_chain_itself_is_told_from_one_of_the_row(app: TestApp) {
        let entries = sealed(&app).await;
        without_triggers(&app).await;
        let mac = app.bytes("SELECT mac FROM audit_chain WHERE seq = 2", &[]).await.unwrap();
        let mut bent = mac.clone();
        bent[31] ^= 1;
        app.execute("UPDATE audit_chain SET mac = ?1 WHERE seq = 2", &[Param::Bytes(bent.into())]).await;
        let (_, findings) = verify(&app, &[]).await;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_names(&findings, Fault::SealChanged, 1, &entries[1]);
        app.execute("UPDATE audit_chain SET mac = ?1 WHERE seq = 2", &[Param::Bytes(mac.into())]).await;

        app.execute("UPDATE audit_segments SET sealed_at = sealed_at - 1", &[]).await;
        let (_, findings) = verify(&app, &[]).await;
        assert_eq!(findings.iter().map(|finding| finding.fault).collect::<Vec<_>>(), [Fault::Segment { number: 1 }]);
        app.execute("UPDATE audit_segments SET sealed_at = sealed_at + 1", &[]).await;

        // A link in the middle: the row that it sealed is named, too.
        app.execute("DELETE FROM audit_chain WHERE seq = 3", &[]).await;
        let (_, findings) = verify(&app, &[]).await;
        assert!(findings.iter().any(|f| f.fault == Fault::Gap { through: 3 } && f.seq == Some(3)), "{findings:#?}");
        let row = findings.iter().find(|f| f.fault == Fault::NotSealed).unwrap();
        assert_eq!((row.id.clone(), row.action.clone(), row.at), (Some(entries[2].id.to_string()), Some(entries[2].action.clone()), Some(entries[2].at)));
    }

    async fn az_07_a_deleted_row_is_found_and_named(app: TestApp) {
        let entries = sealed(&app).await;
        without_triggers(&app).await;
        app.execute("DELETE FROM audit_log WHERE id = ?1", &[id(&entries[2])]).await;
        let (_, findings) = verify(&app, &[]).await;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_names(&findings, Fault::Deleted, 2, &entries[2]);
        // The id tells when.
        assert_eq!(findings[0].at.map(|at| at.as_micros() / 1_000), Some(entries[2].at.as_micros() / 1_000));
    }

    async fn az_07_rows_that_changed_places_are_found_and_named(app: TestApp) {
        let entries = sealed(&app).await;
        without_triggers(&app).await;
        app.execute("UPDATE audit_chain SET seq = 1001 WHERE seq = 2", &[]).await;
        app.execute("UPDATE audit_chain SET seq = 2 WHERE seq = 4", &[]).await;
        app.execute("UPDATE audit_chain SET seq = 4 WHERE seq = 1001", &[]).await;
        let (_, findings) = verify(&app, &[]).await;
        assert_names(&findings, Fault::Changed, 1, &entries[3]);
        assert_names(&findings, Fault::Changed, 3, &entries[1]);
    }

    async fn az_07_a_cut_off_end_is_found_with_a_head(app: TestApp) {
        let entries = sealed(&app).await;
        app.clock.advance(std::time::Duration::from_secs(1));
        app.login("bob", PASSWORD).await;
        assert!(seal(&app).await > 0);
        let (end, first) = (head(&app).await, seq(entries.len()));
        without_triggers(&app).await;
        // The rows alone: the chain names them.
        app.execute("DELETE FROM audit_log WHERE id IN (SELECT entry_id FROM audit_chain WHERE seq >= ?1)", &[Param::Int(first)]).await;
        assert!(verify(&app, &[]).await.1.iter().all(|finding| finding.fault == Fault::Deleted));
        // Rows and links: the segment says so.
        app.execute("DELETE FROM audit_chain WHERE seq >= ?1", &[Param::Int(first)]).await;
        let (_, findings) = verify(&app, &[]).await;
        assert_eq!(findings.iter().map(|finding| (finding.fault, finding.seq)).collect::<Vec<_>>(), [(Fault::Segment { number: 2 }, Some(first))]);
        app.execute("DELETE FROM audit_segments WHERE first_seq >= ?1", &[Param::Int(first)]).await;
        // All of it: what remains is whole, and only the head knows.
        assert_eq!(verify(&app, &[]).await.1, []);
        let (_, findings) = verify(&app, std::slice::from_ref(&end)).await;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!((findings[0].fault, findings[0].seq), (Fault::CutOff { through: end.seq }, Some(first)));
        // And when the chain grows again beyond it.
        app.execute("DELETE FROM audit_tail", &[]).await;
        app.execute("INSERT INTO audit_tail (entry_id) SELECT id FROM audit_log WHERE id NOT IN (SELECT entry_id FROM audit_chain)", &[]).await;
        for _ in 0..10 {
            let (act, event) = (app.app.operator_act(), audit::Event::SetupLinkMade);
            app.db().write(move |tx| audit::record(tx, &act, &event)).await.unwrap();
        }
        app.execute("INSERT INTO audit_tail (entry_id) SELECT id FROM audit_log WHERE id NOT IN (SELECT entry_id FROM audit_chain)", &[]).await;
        assert_eq!(seal(&app).await, 10);
        assert_eq!(verify(&app, &[]).await.1, []);
        let (_, findings) = verify(&app, std::slice::from_ref(&end)).await;
        assert_eq!(findings.iter().map(|finding| finding.fault).collect::<Vec<_>>(), [Fault::Forked]);
    }

    async fn az_07_a_row_that_was_put_in_behind_is_found_and_named(app: TestApp) {
        let entries = sealed(&app).await;
        without_triggers(&app).await;
        let copy = "INSERT INTO audit_log (id, at, action, details) SELECT user_id, at, 'user_enabled', details FROM audit_log WHERE id = ?1";
        let victim = entries.iter().find(|entry| entry.user.is_some()).unwrap();
        app.execute(copy, &[id(victim)]).await;
        let (_, findings) = verify(&app, &[]).await;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        let user = victim.user.unwrap();
        assert_eq!((findings[0].fault, findings[0].id.clone(), findings[0].action.as_deref()), (Fault::NotSealed, Some(user.to_string()), Some("user_enabled")));
        // With a link that somebody without the key made up.
        let next = seq(entries.len());
        app.execute("INSERT INTO audit_chain (seq, entry_id, mac) VALUES (?1, ?2, ?3)",
            &[Param::Int(next), Param::Uuid(user.as_uuid()), Param::Bytes(vec![7; 32].into())]).await;
        let (_, findings) = verify(&app, &[]).await;
        assert!(findings.iter().any(|finding| finding.fault == Fault::Changed && finding.seq == Some(next)), "{findings:#?}");
    }

    async fn az_07_a_row_that_was_deleted_before_it_was_sealed_is_found(app: TestApp) {
        app.user("ada").await;
        let entries = everything(&app).await;
        without_triggers(&app).await;
        app.execute("DELETE FROM audit_log WHERE id = ?1", &[id(&entries[0])]).await;
        seal(&app).await;
        let (_, findings) = verify(&app, &[]).await;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!((findings[0].fault, findings[0].id.clone()), (Fault::DeletedUnsealed, Some(entries[0].id.to_string())));
    }

    async fn az_07_the_triggers_refuse_what_is_not_an_insertion(app: TestApp) {
        sealed(&app).await;
        app.user("carol").await;
        for refused in [
            "UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "UPDATE audit_tail SET entry_id = entry_id", "DELETE FROM audit_tail",
            "UPDATE audit_chain SET seq = seq + 1000", "DELETE FROM audit_chain", "UPDATE audit_segments SET sealed_at = 0", "DELETE FROM audit_segments",
        ] {
            let answer = attempt(&app, refused).await;
            assert!(matches!(answer, Err(DbError::Constraint { .. })), "{refused}: {answer:?}");
        }
        let engines_own: &[&'static str] = match app.engine {
            Engine::Sqlite => &["REPLACE INTO audit_log (id, at, action, details) SELECT id, at, 'x', details FROM audit_log",
                "REPLACE INTO audit_chain (seq, entry_id, mac) SELECT seq, entry_id, x'00' FROM audit_chain"],
            Engine::Postgres => &["TRUNCATE audit_log", "TRUNCATE audit_tail", "TRUNCATE audit_chain", "TRUNCATE audit_segments", "TRUNCATE audit_floor"],
        };
        for refused in engines_own {
            let answer = attempt(&app, refused).await;
            assert!(matches!(answer, Err(DbError::Constraint { .. })), "{refused}: {answer:?}");
        }
        assert_eq!(verify(&app, &[]).await.1, []);
    }
}
