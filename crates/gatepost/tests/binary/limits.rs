//! Rate limits of a real server, with a real Redis beside it.

use gatepost_testkit::RedisServer;
use serde_json::json;

use crate::process::Installation;

#[test]
fn bru_10_a_redis_that_dies_is_an_alarm_and_no_outage() {
    let mut redis = RedisServer::start();
    let installation = Installation::on_sqlite().limited();
    let settings = format!("[limits]\nredis_url = '{}'\nredis_timeout = '5s'\nnodes = 2\n", redis.url());
    std::fs::write(installation.path("gatepost.toml"), settings).unwrap();
    let server = installation.serve();
    let mut number = 0;
    let mut guess = || {
        // Another name each time, so that lock-out has nothing to say.
        number += 1;
        let body = json!({ "identifier": format!("somebody-{number}"), "password": "a wrong password" });
        server.post("/api/v1/auth/login", &body).0
    };
    let degraded = |value: u8| {
        let line = format!("ratelimit_degraded {value}");
        server.until(&line, || server.get("/metrics").1.lines().any(|shown| shown == line).then_some(()));
    };
    degraded(0);
    assert_eq!([guess(), guess()], [401, 401]);

    redis.kill();
    let answers: Vec<u16> = (0..6).map(|_| guess()).collect();
    assert_eq!(answers, [401, 401, 401, 401, 401, 429]);
    degraded(1);

    redis.restart();
    degraded(0);
    assert_eq!(guess(), 401);
    assert_eq!(redis.ask(&["EXISTS", "gatepost:limits:login:127.0.0.1/32"]), "1");
}

#[test]
fn bru_05_the_operator_hears_once_of_a_proxy_that_was_not_named() {
    let installation = Installation::on_sqlite().limited();
    std::fs::write(installation.path("gatepost.toml"), "[limits]\ngeneral = '2/1h'\n").unwrap();
    let server = installation.serve();
    let statuses = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"]
        .map(|client| server.request("GET", "/api/v1/users/me", &[("X-Forwarded-For", client)], "").0);
    assert_eq!(statuses, [401, 401, 429, 429]);
    server.signal("TERM");
    let (_, log) = server.end();
    assert_eq!(log.matches("trusted_proxies is empty").count(), 1, "{log}");
}
