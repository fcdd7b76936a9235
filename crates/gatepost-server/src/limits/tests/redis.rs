//! Nodes that count together in a real Redis, and what happens when it is gone, silent or wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gatepost_kernel::{Secret, Timestamp};
use gatepost_server::limits::{Limit, Limits, LimitsConfig, Rule, StoreConfig};
use gatepost_testkit::{Engine, PASSWORD, RedisServer, Setup, TestApp, on_each_db};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{guess, let_through, limited};

fn with_redis(url: &str) -> Setup {
    limited(Setup::new()).set("limits.redis_url", url).set("limits.nodes", "2")
}

/// Two nodes share the count that this Redis keeps.
async fn app(name: &str, url: &str) -> TestApp {
    TestApp::start(Engine::Sqlite, name, with_redis(url)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_what_redis_counts() {
    let redis = RedisServer::start();
    let app = app("shared redis", &redis.url()).await;
    let other = app.second_node().await;
    assert!(!app.app.limits.is_degraded());
    assert_eq!(let_through(&app, "203.0.113.9", 6).await, 6);
    assert_eq!(let_through(&other, "203.0.113.9", 6).await, 4);
    let refused = guess(&app, "203.0.113.9").await;
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), ("10", "\"login\";r=0;t=10"));
    app.clock.advance(Duration::from_secs(20));
    assert_eq!(let_through(&other, "203.0.113.9", 1).await, 1);
    assert_eq!(let_through(&app, "203.0.113.9", 2).await, 1);
    assert_eq!(let_through(&app, "2001:db8::1", 12).await, 10);
    // Every bucket goes by itself once it is full.
    assert_eq!(redis.ask(&["KEYS", "gatepost:limits:login:*"]).lines().count(), 4);
    let left: i64 = redis.ask(&["PTTL", "gatepost:limits:login:203.0.113.9/32"]).parse().unwrap();
    assert!((1..=100_000).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bru_10_redis_that_is_killed_opens_nothing_and_closes_nothing() {
    let mut redis = RedisServer::start();
    let app = app("killed redis", &redis.url()).await;
    let ada = app.user("ada").await;
    assert_eq!(let_through(&app, "203.0.113.9", 3).await, 3);

    redis.kill();
    let login = serde_json::json!({ "identifier": ada.email, "password": PASSWORD });
    let answer = app.post("/api/v1/auth/login").from("198.51.100.1").json(&login).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(app.app.limits.is_degraded());
    // This node's part of ten.
    assert_eq!(let_through(&app, "203.0.113.9", 12).await, 5);
    app.app.limits.look_again().await;
    assert!(app.app.limits.is_degraded());

    redis.restart();
    app.app.limits.look_again().await;
    assert!(!app.app.limits.is_degraded());
    let other = app.second_node().await;
    assert_eq!(let_through(&app, "203.0.113.9", 6).await + let_through(&other, "203.0.113.9", 6).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bru_10_a_node_that_starts_without_redis_counts_its_part() {
    let mut redis = RedisServer::start();
    redis.kill();
    let app = app("no redis", &redis.url()).await;
    assert!(app.app.limits.is_degraded());
    assert_eq!(let_through(&app, "203.0.113.9", 12).await, 5);
}

/// Stands between the server and Redis, and can fall silent.
struct Proxy {
    port: u16,
    silent: Arc<AtomicBool>,
    /// How many times the server sent something.
    heard: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (silent, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (mute, count) = (Arc::clone(&silent), Arc::clone(&heard));
        tokio::spawn(async move {
            while let Ok((server, _)) = listener.accept().await {
                let Ok(redis) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
                let ((mut from_server, mut to_server), (mut from_redis, mut to_redis)) =
                    (server.into_split(), redis.into_split());
                let (mute, count) = (Arc::clone(&mute), Arc::clone(&count));
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
                        count.fetch_add(1, Ordering::SeqCst);
                        if !mute.load(Ordering::SeqCst)
                            && to_redis.write_all(&buffer[..length]).await.is_err()
                        {
                            break;
                        }
                    }
                });
                tokio::spawn(async move { tokio::io::copy(&mut from_redis, &mut to_server).await });
            }
        });
        Self { port, silent, heard }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_12_redis_that_hangs_is_waited_for_once() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.port()).await;
    let setup = with_redis(&format!("redis://127.0.0.1:{}", proxy.port)).set("limits.redis_timeout", "1s");
    let app = TestApp::start(Engine::Sqlite, "slow redis", setup).await;
    assert_eq!(let_through(&app, "203.0.113.9", 1).await, 1);

    proxy.silent.store(true, Ordering::SeqCst);
    assert_eq!(let_through(&app, "203.0.113.9", 1).await, 1);
    assert!(app.app.limits.is_degraded());
    let heard = proxy.heard.load(Ordering::SeqCst);
    // Nobody asks it again, so nobody waits for it again.
    assert_eq!(let_through(&app, "203.0.113.9", 12).await, 4);
    assert_eq!(let_through(&app, "203.0.113.10", 12).await, 5);
    assert_eq!(proxy.heard.load(Ordering::SeqCst), heard);

    proxy.silent.store(false, Ordering::SeqCst);
    app.app.limits.look_again().await;
    assert!(!app.app.limits.is_degraded());
    assert_eq!(let_through(&app, "203.0.113.11", 12).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_12_old_wiped_and_impossible_counts_in_redis_lock_nobody_out() {
    let redis = RedisServer::start();
    let app = app("old redis", &redis.url()).await;
    let key = "gatepost:limits:login:203.0.113.9/32";
    assert_eq!(let_through(&app, "203.0.113.9", 1).await, 1);
    // A node whose clock was a thousand years ahead.
    redis.ask(&["SET", key, "33000000000000000"]);
    assert_eq!(guess(&app, "203.0.113.9").await.header("retry-after"), "10");
    app.clock.advance(Duration::from_secs(100));
    assert_eq!(let_through(&app, "203.0.113.9", 12).await, 10);
    app.clock.advance(Duration::from_secs(100));
    // A fail-over that brought old counts back, somebody else's value, and nothing at all.
    for old in ["0", "-1", "not a number", "nan", "1e999", ""] {
        redis.ask(&["SET", key, old]);
        let passed = let_through(&app, "203.0.113.9", 12).await;
        assert!(passed <= 10 && !app.app.limits.is_degraded(), "{old}: {passed}");
        app.clock.advance(Duration::from_secs(100));
    }
    redis.ask(&["FLUSHALL"]);
    assert_eq!(let_through(&app, "203.0.113.9", 12).await, 10);

    // A key of another type is a failure, and no open door.
    app.clock.advance(Duration::from_secs(100));
    redis.ask(&["DEL", key]);
    redis.ask(&["LPUSH", key, "x"]);
    assert_eq!(let_through(&app, "203.0.113.9", 12).await, 5);
    assert!(app.app.limits.is_degraded());
}

/// The three stores, asked the same.
async fn agree(stores: &[Limits]) {
    let addresses =
        ["203.0.113.9", "2001:db8:0:1::1", "2001:db8:0:1:f::", "2001:db8:0:2::1", "2001:db8:0:102::1"];
    let mut now = Timestamp::from_secs(1_767_225_600);
    // A fixed sequence of pauses from 0 to 19 seconds (the generator of Numerical Recipes).
    let mut state = 7_u32;
    for step in 0..400_usize {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        now = now.plus(Duration::from_micros(u64::from(state % 5) * u64::from(state >> 10)));
        let address = addresses[(state >> 16) as usize % addresses.len()].parse().unwrap();
        let mut said = Vec::new();
        for store in stores {
            let standing = store.admit(Limit::Login, address, now).await.unwrap();
            said.push((standing.is_allowed(), standing.retry_after(), standing.fields()));
            assert!(!store.is_degraded());
        }
        assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "step {step}, {address}: {said:#?}");
    }
}

on_each_db! {
    async fn the_three_stores_come_to_the_same_answers(app: TestApp = limited) {
        let redis = RedisServer::start();
        let mut stores = Vec::new();
        for store in [StoreConfig::Memory, StoreConfig::Database, StoreConfig::Redis(Secret::new(redis.url()))] {
            let login = Rule::new(30, Duration::from_secs(300)).burst(3);
            let config = LimitsConfig { store, login, redis_timeout: Duration::from_secs(60), ..LimitsConfig::default() };
            let limits = Limits::new(config, app.db().clone()).unwrap();
            limits.look_again().await;
            stores.push(limits);
        }
        agree(&stores).await;
    }
}
