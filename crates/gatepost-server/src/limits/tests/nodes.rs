//! Several nodes, and a database that counts for them.

use std::time::Duration;

use gatepost_testkit::{Setup, on_each_db};

use super::{guess, let_through, limited};

fn in_the_database(setup: Setup) -> Setup {
    limited(setup).set("limits.store", "database")
}

on_each_db! {
    async fn two_nodes_share_what_the_database_counts(app: TestApp = in_the_database) {
        let other = app.second_node().await;
        assert_eq!(let_through(&app, "203.0.113.9", 6).await, 6);
        assert_eq!(let_through(&other, "203.0.113.9", 6).await, 4);
        assert_eq!(let_through(&app, "203.0.113.9", 2).await, 0);
        let refused = guess(&other, "203.0.113.9").await;
        assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), ("10", "\"login\";r=0;t=10"));
        app.clock.advance(Duration::from_secs(20));
        assert_eq!(let_through(&other, "203.0.113.9", 1).await, 1);
        assert_eq!(let_through(&app, "203.0.113.9", 2).await, 1);
        assert_eq!(let_through(&app, "2001:db8::1", 12).await, 10);
        assert_eq!(app.number("SELECT COUNT(*) FROM rate_limits", &[]).await, 4);
    }

    async fn racing_nodes_let_no_more_through_than_the_burst(app: TestApp = in_the_database) {
        let other = app.second_node().await;
        let tries: Vec<_> = (0..40)
            .map(|number| {
                let node = if number % 2 == 0 { (*app).clone() } else { other.clone() };
                tokio::spawn(async move { guess(&node, "203.0.113.9").await.status })
            })
            .collect();
        let mut passed = 0;
        for answer in tries {
            passed += usize::from(answer.await.unwrap() == 401);
        }
        assert_eq!(passed, 10);
    }

    async fn a_client_that_goes_on_costs_the_database_nothing(app: TestApp = in_the_database) {
        assert_eq!(let_through(&app, "203.0.113.9", 11).await, 10);
        // What nobody would notice: the row is gone, and the refusal stands until its time.
        app.execute("DELETE FROM rate_limits", &[]).await;
        assert_eq!(let_through(&app, "203.0.113.9", 5).await, 0);
        assert_eq!(app.number("SELECT COUNT(*) FROM rate_limits", &[]).await, 0);
        app.clock.advance(Duration::from_secs(10));
        assert_eq!(let_through(&app, "203.0.113.9", 1).await, 1);
    }

    async fn rel_12_old_and_impossible_counts_block_for_no_longer_than_an_empty_bucket(app: TestApp = in_the_database) {
        assert_eq!(let_through(&app, "203.0.113.9", 1).await, 1);
        // A node whose clock was a day ahead.
        app.execute("UPDATE rate_limits SET tat = tat + 86400000000", &[]).await;
        let refused = guess(&app, "203.0.113.9").await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, "10"));
        app.clock.advance(Duration::from_secs(10));
        assert_eq!(let_through(&app, "203.0.113.9", 2).await, 1);
        // A backup that was restored.
        app.execute("UPDATE rate_limits SET tat = 0, allowed = FALSE", &[]).await;
        assert_eq!(let_through(&app, "203.0.113.10", 12).await, 10);
        app.clock.advance(Duration::from_secs(10));
        assert_eq!(let_through(&app, "203.0.113.9", 12).await, 10);
    }

    async fn rel_12_a_store_that_fails_leaves_each_node_its_part(app: TestApp = |setup| in_the_database(setup).set("limits.nodes", "2")) {
        let ada = app.user("ada").await;
        app.execute("ALTER TABLE rate_limits RENAME TO rate_limits_elsewhere", &[]).await;
        // Sign-ins go on, from this node with half of the burst and never without a limit.
        let login = serde_json::json!({ "identifier": ada.email, "password": gatepost_testkit::PASSWORD });
        let answer = app.post("/api/v1/auth/login").from("203.0.113.9").json(&login).send().await;
        assert_eq!(answer.status, 200);
        assert!(app.app.limits.is_degraded());
        assert_eq!(let_through(&app, "203.0.113.9", 12).await, 4);
        app.app.limits.look_again().await;
        assert!(app.app.limits.is_degraded());

        app.execute("ALTER TABLE rate_limits_elsewhere RENAME TO rate_limits", &[]).await;
        app.app.limits.look_again().await;
        assert!(!app.app.limits.is_degraded());
        assert_eq!(let_through(&app, "203.0.113.9", 12).await, 10);
    }

    async fn bru_10_the_database_keeps_a_bounded_number_of_rows(app: TestApp = in_the_database) {
        for host in 1..=5 {
            assert_eq!(let_through(&app, &format!("203.0.113.{host}"), host).await, host);
        }
        app.clock.advance(Duration::from_secs(25));
        app.app.limits.forget(app.clock.now()).await.unwrap();
        // Two of them are full again.
        assert_eq!(app.number("SELECT COUNT(*) FROM rate_limits", &[]).await, 3);
        assert_eq!(let_through(&app, "203.0.113.5", 12).await, 7);
        assert_eq!(let_through(&app, "203.0.113.1", 12).await, 10);
    }

    async fn what_a_node_counts_for_itself_is_its_part(app: TestApp = |setup| limited(setup).set("limits.store", "memory").set("limits.nodes", "5")) {
        let other = app.second_node().await;
        assert_eq!(let_through(&app, "203.0.113.9", 5).await, 2);
        assert_eq!(let_through(&other, "203.0.113.9", 5).await, 2);
        app.clock.advance(Duration::from_secs(49));
        assert_eq!(let_through(&app, "203.0.113.9", 2).await, 0);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(let_through(&app, "203.0.113.9", 2).await, 1);
    }
}

#[test]
fn the_default_store_is_the_one_that_nodes_share() {
    use gatepost_server::config::{Config, Raw};
    use gatepost_server::limits::StoreConfig;

    let store = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let raw = Raw::new().env(variables.collect::<Vec<(std::ffi::OsString, std::ffi::OsString)>>());
        Config::load(&raw).map(|config| config.limits.store).map_err(|problems| problems.to_string())
    };
    let postgres = ("GATEPOST_DATABASE_URL", "postgres://db/gatepost");
    let redis = ("GATEPOST_LIMITS_REDIS_URL", "rediss://:hunter2@cache");
    assert!(matches!(store(&[]), Ok(StoreConfig::Memory)));
    assert!(matches!(store(&[postgres]), Ok(StoreConfig::Database)));
    assert!(matches!(store(&[postgres, ("GATEPOST_LIMITS_STORE", "memory")]), Ok(StoreConfig::Memory)));
    assert!(matches!(store(&[postgres, redis]), Ok(StoreConfig::Redis(_))));
    let Err(both) = store(&[redis, ("GATEPOST_LIMITS_STORE", "memory")]) else { panic!("both are taken") };
    assert!(both.contains("limits.store"), "{both}");
    let Err(wrong) = store(&[("GATEPOST_LIMITS_REDIS_URL", "http://:hunter2@cache")]) else {
        panic!("it is taken")
    };
    assert!(wrong.contains("limits.redis_url") && !wrong.contains("hunter2"), "{wrong}");
}
