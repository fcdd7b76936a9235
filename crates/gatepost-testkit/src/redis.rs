//! A real Redis server.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

/// Somebody may take the free port between our looking and the server's binding.
const START_ATTEMPTS: u32 = 5;

/// A `redis-server` of our own on a loopback port, which keeps nothing. Dropping it kills it.
pub struct RedisServer {
    child: Child,
    port: u16,
}

impl RedisServer {
    /// Starts one and waits until it says that it is ready.
    pub fn start() -> Self {
        for _ in 0..START_ATTEMPTS {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            if let Some(server) = Self::on(port) {
                return server;
            }
        }
        panic!("redis-server does not start");
    }

    /// Starts it again, empty, where it was.
    pub fn restart(&mut self) {
        self.kill();
        *self = Self::on(self.port).expect("its port is free again");
    }

    fn on(port: u16) -> Option<Self> {
        let port_text = port.to_string();
        let mut child = Command::new("redis-server")
            .args(["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed (Debian: apt-get install redis-server)");
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while log.read_line(&mut line).unwrap() > 0 {
            if line.contains("Ready to accept connections") {
                // Keep reading, or a full pipe would stop the server.
                std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
                return Some(Self { child, port });
            }
            line.clear();
        }
        drop(child.wait());
        None
    }

    /// Its URL, for `limits.redis_url`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// What it says to a command.
    pub fn ask(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
