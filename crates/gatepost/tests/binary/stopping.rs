//! The way out: what has begun, and a second signal.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::process::{Installation, PASSWORD, Server};

/// A sign-in that was sent but for its last byte. The server has its head: it has asked for the body.
struct Begun {
    stream: TcpStream,
    rest: String,
}

impl Begun {
    fn at(server: &Server) -> Self {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let body = json!({ "identifier": "nobody", "password": PASSWORD }).to_string();
        let head = format!(
            "POST /api/v1/auth/login HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nExpect: 100-continue\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            server.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).unwrap();
        assert!(go_on.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&go_on));
        let (first, rest) = body.split_at(body.len() - 1);
        stream.write_all(first.as_bytes()).unwrap();
        Self { stream, rest: rest.to_owned() }
    }

    /// Sends the last byte and reads what comes.
    fn finish(mut self) -> std::io::Result<String> {
        self.stream.write_all(self.rest.as_bytes())?;
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// Waits until the server takes no more connections.
fn until_closed(server: &Server) {
    server.until("the end of the listener", || TcpStream::connect(&server.address).is_err().then_some(()));
}

#[test]
fn rel_20_a_request_that_has_begun_is_answered_before_the_server_ends() {
    let installation = Installation::on_sqlite();
    let server = installation.serve();
    let begun = Begun::at(&server);
    server.signal("TERM");
    until_closed(&server);
    let answer = begun.finish().unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn rel_20_a_second_signal_waits_for_nobody() {
    let installation = Installation::on_sqlite();
    std::fs::write(installation.path("gatepost.toml"), "[http]\ndrain_timeout = '1h'\n").unwrap();
    let mut server = installation.serve();
    let begun = Begun::at(&server);
    server.signal("TERM");
    until_closed(&server);
    assert!(server.child.try_wait().unwrap().is_none(), "it did not wait for the request that had begun");
    server.signal("INT");
    let started = std::time::Instant::now();
    while server.child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(60), "it goes on waiting");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Not even an answer that the request took too long: nobody was there to give one.
    assert_eq!(begun.finish().unwrap_or_default(), "");
    assert_eq!(installation.serve().get("/readyz").0, 200, "it is whole afterwards");
}
