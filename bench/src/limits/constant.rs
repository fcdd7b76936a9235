//! The limit of `me`: the same accept loop, edge, axum and hyper around one route that answers a constant with the
//! same headers, and the same log line for each request. What is left out is what makes it an answer: the token,
//! the user, the rights, the JSON.
//!
//! It runs in a process of its own, as the server does.

use std::net::SocketAddr;
use std::process::Command;

use axum::Router;
use axum::routing::get;
use gatepost_kernel::{Clock, Random};
use gatepost_server::http::health::{keep_metrics_small, metrics_recorder};
use gatepost_server::http::{HttpParts, ServeOptions, finish, serve};
use http::header::{CONTENT_TYPE, ETAG};
use tokio::net::TcpListener;

use crate::Result;
use crate::client::{Connection, find};
use crate::process::{Process, free_address};

/// An answer of the real server, to be given by the limit.
pub(crate) struct Copied {
    etag: String,
    body: String,
}

impl Copied {
    /// Asks the server once.
    pub(crate) async fn from(server: &Process, question: &[u8]) -> Result<Self> {
        let mut connection = Connection::open(server.address).await?;
        let answer = connection.exchange(question).await?;
        let head = answer.head.to_ascii_lowercase();
        let etag = find(&head, b"\r\netag: ").and_then(|at| head.get(at + 8..)).unwrap_or_default();
        let etag = etag.split(|byte| *byte == b'\r').next().unwrap_or_default();
        if answer.status != 200 || etag.is_empty() {
            return Err(format!("`me` answered {}, or without an ETag", answer.status).into());
        }
        Ok(Self { etag: String::from_utf8(etag.to_vec())?, body: String::from_utf8(answer.body.to_vec())? })
    }
}

/// Starts this program as the server of a constant.
pub(crate) async fn start_constant(answer: &Copied) -> Result<Process> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["constant-server", "--listen", &address.to_string()]).args([
        "--etag",
        &answer.etag,
        "--body",
        &answer.body,
    ]);
    Ok(Process::start(&mut command, address).await?.0)
}

/// Serves until it is killed.
pub(crate) fn constant_server(listen: SocketAddr, etag: &str, body: String) -> Result {
    tracing_subscriber::fmt().json().flatten_event(true).init();
    let recorder = metrics_recorder();
    let metrics = recorder.handle();
    metrics::set_global_recorder(recorder)?;

    let headers = [(CONTENT_TYPE, "application/json".to_owned()), (ETAG, etag.to_owned())];
    let routes = Router::new()
        .route("/api/v1/users/me", get(move || async move { (headers, body) }))
        .route("/readyz", get(|| async { "ok" }));
    let routes = finish(routes, HttpParts::new(Clock::system(), Random::system()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        tokio::spawn(keep_metrics_small(metrics));
        serve(listener, routes, ServeOptions::default(), std::future::pending()).await;
        Ok(())
    })
}
