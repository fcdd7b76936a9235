//! The users of a measurement, and what their clients ask.

use crate::client::{Connection, find, request};
use crate::crowd::Crowd;
use crate::load::{Script, once};
use crate::process::Process;
use crate::{CONNECTIONS, Result};

/// As many as there are connections at most.
const USERS: usize = CONNECTIONS[2];

pub(crate) const PASSWORD: &str = "correct horse battery staple";

fn address_of(number: usize) -> String {
    format!("user-{number}@bench.example")
}

/// Registers the users that everything else is measured with.
pub(crate) async fn move_in(server: &Process) -> Result {
    let registrations = (0..USERS).map(|number| Register::new(&address_of(number))).collect();
    once(server.address, registrations, 8).await.map(drop)
}

/// Signs every user in.
pub(crate) async fn sign_in(server: &Process) -> Result<Vec<Login>> {
    once(server.address, logins(USERS), 8).await
}

/// Signs every user in, one after the other, with a crowd in between.
pub(crate) async fn sign_in_among(server: &Process, crowd: &mut Crowd) -> Result<Vec<Login>> {
    let mut signed_in = Vec::new();
    for login in logins(USERS) {
        signed_in.extend(once(server.address, vec![login], 1).await?);
        crowd.arrive()?;
    }
    Ok(signed_in)
}

/// Sees that the lock-out is on: whoever fails must wait, even where the limits by address are off.
pub(crate) async fn see_the_lock_out(server: &Process) -> Result {
    let body = r#"{"identifier":"nobody@bench.example","password":"a password of nobody"}"#;
    let request = request("POST", "/api/v1/auth/login", "", body);
    let mut connection = Connection::open(server.address).await?;
    for _ in 0..20 {
        match connection.exchange(&request).await?.status {
            401 => {}
            429 => return Ok(()),
            status => return Err(format!("a wrong password was answered {status}").into()),
        }
    }
    Err("twenty wrong passwords and no wait: the lock-out is off".into())
}

/// `POST /api/v1/auth/login` with the right password, without the cookie of a known device. Each is of an account of its
/// own, so that no wait of the lock-out is in the figures.
pub(crate) struct Login {
    request: Vec<u8>,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

pub(crate) fn logins(count: usize) -> Vec<Login> {
    let login = |number| {
        let body = format!(r#"{{"identifier":"{}","password":"{PASSWORD}"}}"#, address_of(number));
        let request = request("POST", "/api/v1/auth/login", "", &body);
        Login { request, access_token: String::new(), refresh_token: String::new() }
    };
    (0..count).map(login).collect()
}

impl Script for Login {
    fn request(&mut self) -> &[u8] {
        &self.request
    }

    fn answer(&mut self, status: u16, body: &[u8]) -> bool {
        let tokens = (text_field(body, "access_token"), text_field(body, "refresh_token"));
        let (200, (Some(access), Some(refresh))) = (status, tokens) else { return false };
        self.access_token = access;
        self.refresh_token = refresh;
        true
    }
}

/// `POST /api/v1/auth/register` of somebody new each time.
pub(crate) struct Register {
    address: String,
    taken: usize,
    request: Vec<u8>,
}

impl Register {
    /// The first registers this address, the further ones a variation of it.
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), taken: 0, request: Vec::new() }
    }
}

impl Script for Register {
    fn request(&mut self) -> &[u8] {
        let variation = if self.taken == 0 { String::new() } else { format!("x{}-", self.taken) };
        self.taken += 1;
        let body = format!(r#"{{"email":"{variation}{}","password":"{PASSWORD}"}}"#, self.address);
        self.request = request("POST", "/api/v1/auth/register", "", &body);
        &self.request
    }

    fn answer(&mut self, status: u16, _: &[u8]) -> bool {
        status == 201
    }
}

/// `GET /api/v1/users/me`.
pub(crate) struct Me(Vec<u8>);

impl Me {
    pub(crate) fn of(login: &Login) -> Self {
        let authorization = format!("authorization: Bearer {}\r\n", login.access_token);
        Self(request("GET", "/api/v1/users/me", &authorization, ""))
    }
}

impl Script for Me {
    fn request(&mut self) -> &[u8] {
        &self.0
    }

    fn answer(&mut self, status: u16, _: &[u8]) -> bool {
        status == 200
    }
}

/// `POST /api/v1/tasks`.
pub(crate) struct MakeTask(Vec<u8>);

impl MakeTask {
    pub(crate) fn of(login: &Login) -> Self {
        let authorization = format!("authorization: Bearer {}\r\n", login.access_token);
        let body =
            r#"{"title":"Write the report","description":"By Friday.","due_at":"2026-11-21T09:30:00Z"}"#;
        Self(request("POST", "/api/v1/tasks", &authorization, body))
    }
}

impl Script for MakeTask {
    fn request(&mut self) -> &[u8] {
        &self.0
    }

    fn answer(&mut self, status: u16, _: &[u8]) -> bool {
        status == 201
    }
}

/// `POST /api/v1/auth/refresh`, following the rotation of one session.
pub(crate) struct Refresh {
    token: String,
    request: Vec<u8>,
}

impl Refresh {
    pub(crate) fn of(login: &Login) -> Self {
        Self { token: login.refresh_token.clone(), request: Vec::new() }
    }
}

impl Script for Refresh {
    fn request(&mut self) -> &[u8] {
        let body = format!(r#"{{"refresh_token":"{}"}}"#, self.token);
        self.request = request("POST", "/api/v1/auth/refresh", "", &body);
        &self.request
    }

    fn answer(&mut self, status: u16, body: &[u8]) -> bool {
        let (200, Some(next)) = (status, text_field(body, "refresh_token")) else { return false };
        self.token = next;
        true
    }
}

/// The value of a field whose text needs no unescaping, without parsing what is around it.
fn text_field(body: &[u8], name: &str) -> Option<String> {
    let key = format!("\"{name}\":\"");
    let rest = body.get(find(body, key.as_bytes())? + key.len()..)?;
    let text = rest.split(|byte| *byte == b'"').next()?;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_follows_its_own_rotation() {
        let mut script = Refresh { token: "one".to_owned(), request: Vec::new() };
        assert!(script.request().ends_with(br#"{"refresh_token":"one"}"#));
        assert!(script.answer(200, br#"{"access_token":"x","refresh_token":"two","n":1}"#));
        assert!(!script.answer(401, br#"{"refresh_token":"three"}"#));
        assert!(script.request().ends_with(br#"{"refresh_token":"two"}"#));
    }

    #[test]
    fn nobody_registers_twice() {
        let mut script = Register::new("a@bench.example");
        let (first, second) = (script.request().to_vec(), script.request().to_vec());
        assert!(find(&first, b"\"a@").is_some() && find(&second, b"\"x1-a@").is_some());
    }
}
