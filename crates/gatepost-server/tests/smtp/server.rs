//! The mail server, and an application that is configured for it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gatepost_db::testing::Engine;
use gatepost_server::outbox::{Courier, Kind, Letter, Mail};
use gatepost_testkit::{Node, Setup, TestApp};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse 42";

/// A mail server. Killed when dropped.
pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    tls: &'static str,
    sign_in: bool,
    child: Option<Child>,
}

impl Server {
    /// A server with STARTTLS that wants a sign-in.
    pub(crate) fn start() -> Self {
        Self::with("starttls", true)
    }

    /// A server with this encryption: `starttls`, `tls` or `none`.
    pub(crate) fn with(tls: &'static str, sign_in: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificate(folder.path());
        let mut server = Self { folder, port: 0, tls, sign_in, child: None };
        server.up();
        server
    }

    /// Starts it, at the port where it was.
    pub(crate) fn up(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtp/server.py");
        let options = json!({ "folder": self.folder.path(), "port": self.port, "tls": self.tls, "sign_in": self.sign_in });
        let log = self.folder.path().join("server.log");
        // Debian's own interpreter is the one that has Debian's packages.
        let mut child = Command::new("/usr/bin/python3")
            .args([script, &options.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("install python3-aiosmtpd, or run `cargo xtask test`: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.port = line.trim().parse().unwrap_or_else(|_| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("no mail server; is python3-aiosmtpd installed? {said}")
        });
        self.child = Some(child);
    }

    /// Ends it.
    pub(crate) fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// How it treats mails from now on.
    pub(crate) fn mood(&self, mood: &str) {
        std::fs::write(self.folder.path().join("mood"), mood).unwrap();
    }

    /// What it took, in order.
    pub(crate) fn mails(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("mails.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What it was told without encryption.
    pub(crate) fn heard_in_clear(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("clear.txt")).unwrap_or_default()
    }

    /// The settings of an application that trusts this server.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("mail.smtp.host", format!("localhost:{}", self.port)),
            ("mail.smtp.tls", self.tls.to_owned()),
            ("mail.from", "Lantern Club <no-reply@example.com>".to_owned()),
            ("mail.app_name", "Łantern Club".to_owned()),
            ("mail.smtp.ca_file", self.folder.path().join("cert.pem").to_str().unwrap().to_owned()),
        ];
        if self.sign_in {
            settings.push(("mail.smtp.username", "gatepost".to_owned()));
            settings.push(("mail.smtp.password", PASSWORD.to_owned()));
        }
        settings
    }

    /// An application that trusts this server.
    pub(crate) async fn app(&self, engine: Engine, name: &str) -> TestApp {
        self.app_but(engine, name, &[]).await
    }

    /// The same with other settings.
    pub(crate) async fn app_but(&self, engine: Engine, name: &str, others: &[(&str, &str)]) -> TestApp {
        let mut setup = Setup::new();
        for (key, value) in self.settings() {
            if !others.iter().any(|(other, _)| *other == key) {
                setup = setup.set(key, &value);
            }
        }
        for (key, value) in others.iter().filter(|(_, value)| !value.is_empty()) {
            setup = setup.set(key, value);
        }
        let app = TestApp::start(engine, name, setup).await;
        app.is_secret("password of the mail server", PASSWORD);
        app
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.down();
    }
}

/// A certificate for `localhost` that is its own authority.
fn make_certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "3650", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Owes a mail with a link, and returns the link's token.
pub(crate) async fn owe(node: &Node, to: &str) -> String {
    let (outbox, now) = (node.app.outbox.clone(), node.app.clock.now());
    let token = gatepost_kernel::OpaqueToken::generate("gpr", &node.app.random).expose().to_owned();
    let link = gatepost_kernel::Secret::new(format!("{}/reset-password#token={token}", node.app.issuer));
    let expires = now.plus(std::time::Duration::from_secs(1_800));
    let letter = Letter::ResetPassword { link, expires };
    assert_eq!(letter.kind(), Kind::ResetPassword);
    let mail = Mail { user: None, to: to.to_owned(), letter, not_after: None };
    node.is_secret("token of a mail", &token);
    node.app.db.write(move |tx| outbox.owe(tx, now, &mail)).await.unwrap();
    token
}

/// The courier that the configuration asks for.
pub(crate) fn courier(node: &Node) -> Courier {
    Courier::new(&node.app).unwrap_or_else(|error| panic!("{error:?}"))
}
