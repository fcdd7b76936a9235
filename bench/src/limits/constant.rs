//! The limit of `me`: the same accept loop, edge, axum and hyper around one route that answers a constant with the
//! same headers, and the same log line for each request. What is left out is what makes it an answer: the token,
//! the user, the rights, the JSON.
//!
//! It runs in a process of its own, as the server does.

use std::net::SocketAddr;
use std::process::Command;

use axum::body::Bytes;
use axum::routing::get;
use axum::{Extension, Router};
use gatepost_kernel::{Clock, Random};
use gatepost_server::http::health::{keep_metrics_small, metrics_recorder};
use gatepost_server::http::{HttpParts, ServeOptions, SignedInUser, finish, serve};
use gatepost_server::ids::UserId;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, ETAG};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

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
    // As the server does when its output is no terminal.
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("info"))
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .init();
    let recorder = metrics_recorder();
    let metrics = recorder.handle();
    metrics::set_global_recorder(recorder)?;

    let (clock, random) = (Clock::system(), Random::system());
    let somebody = UserId::generate(clock.now(), &random);
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json")), (ETAG, HeaderValue::from_str(etag)?)];
    let body = Bytes::from(body);
    let answer = async move |Extension(user): Extension<SignedInUser>| {
        user.set(somebody);
        (headers, body)
    };
    let routes =
        Router::new().route("/api/v1/users/me", get(answer)).route("/readyz", get(|| async { "ok" }));
    let routes = finish(routes, HttpParts::new(clock, random));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        tokio::spawn(keep_metrics_small(metrics));
        serve(listener, routes, ServeOptions::default(), std::future::pending()).await;
        Ok(())
    })
}
