//! Running the binary, and talking to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub(crate) const PASSWORD: &str = "lanterns under the old pier";

/// How long a test waits for something that must happen, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An empty folder and the database of one installation.
pub(crate) struct Installation {
    pub(crate) folder: tempfile::TempDir,
    database_url: Option<String>,
    /// What `limits.exempt` is: this machine, because all tests come from one address.
    exempt: &'static str,
}

const THIS_MACHINE: &str = "127.0.0.0/8";

impl Installation {
    pub(crate) fn on_sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database_url: None, exempt: THIS_MACHINE }
    }

    /// On a schema of its own of the test server.
    pub(crate) async fn on_postgres() -> Self {
        let scratch =
            gatepost_db::testing::scratch(gatepost_db::testing::Engine::Postgres, Default::default()).await;
        let gatepost_db::Target::Postgres { url, .. } = &scratch.target else { panic!("not PostgreSQL") };
        let database_url = Some(url.expose().clone());
        Self { folder: tempfile::tempdir().unwrap(), database_url, exempt: THIS_MACHINE }
    }

    /// With limits for everybody.
    pub(crate) fn limited(self) -> Self {
        Self { exempt: "", ..self }
    }

    /// The database, where it is not a file in the folder.
    pub(crate) fn database_url(&self) -> Option<&str> {
        self.database_url.as_deref()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        if let Some(url) = &self.database_url {
            command.env("GATEPOST_DATABASE_URL", url);
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and returns what it printed.
    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs a command with this standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Starts a server on a free port and waits until it says that it is ready.
    pub(crate) fn serve(&self) -> Server {
        self.serve_at("127.0.0.1:0")
    }

    /// The same at this address.
    pub(crate) fn serve_at(&self, address: &str) -> Server {
        let mut child = self
            .command(&["serve", "--listen", address])
            .env("GATEPOST_LIMITS_EXEMPT", self.exempt)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            if log.read_line(&mut line).unwrap() == 0 {
                let mut errors = String::new();
                child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
                panic!("the server did not start: {errors}");
            }
            if let Some((_, rest)) = line.split_once("\"address\":\"") {
                break rest.split('"').next().unwrap().to_owned();
            }
        };
        // Keep reading, or a full pipe would stop the server.
        let rest = std::thread::spawn(move || {
            let mut rest = String::new();
            log.read_to_string(&mut rest).unwrap();
            rest
        });
        Server { child, address, log: Some(rest) }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Server {
    /// Sends one request and returns the status and the body.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {answer}"));
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        let (status, body) =
            self.request("POST", path, &[("Content-Type", "application/json")], &body.to_string());
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    pub(crate) fn me(&self, access_token: &str) -> u16 {
        let bearer = format!("Bearer {access_token}");
        self.request("GET", "/api/v1/users/me", &[("Authorization", &bearer)], "").0
    }

    /// Asks until the answer is what it must become.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain for: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end: the exit code and the rest of the log.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (status.code(), self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The link in the file that is written when nobody watches.
pub(crate) fn setup_token(folder: &Path) -> String {
    let link = std::fs::read_to_string(folder.join("data/setup-link")).unwrap();
    link.trim().split_once('#').unwrap().1.to_owned()
}
