//! Sessions and refresh tokens, from outside.

#[path = "tests/browser.rs"]
mod browser;
#[path = "tests/devices.rs"]
mod devices;
#[path = "tests/ended.rs"]
mod ended;
#[path = "tests/logout.rs"]
mod logout;
#[path = "tests/races.rs"]
mod races;
#[path = "tests/refresh.rs"]
mod refresh;
#[path = "tests/slow.rs"]
mod slow;
#[path = "tests/walk.rs"]
mod walk;

use std::time::{Duration, Instant};

use gatepost_testkit::{Node, TestApp};

/// How long another node may take to learn of a commit.
const SOON: Duration = Duration::from_secs(5);

/// Asks until the token is refused. The caches of a node that was not told run in real time.
pub(crate) async fn refused_soon(node: &Node, access_token: &str) {
    let deadline = Instant::now() + SOON;
    loop {
        let answer = node.me(access_token).await;
        if answer.status == 401 {
            return answer.assert_refused(401, "invalid_token");
        }
        assert!(Instant::now() < deadline, "the token still opens the other node");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How often this was written into the audit trail.
async fn audited(app: &TestApp, action: &str) -> i64 {
    app.number("SELECT count(*) FROM audit_log WHERE action = ?1", &gatepost_db::params![action]).await
}
