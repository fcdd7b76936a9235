//! One connection, from its acceptance to its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderValue, Request, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tower::Service as _;

use super::client_address::ClientAddress;
use super::health::Draining;
use super::limits::HttpLimits;
use super::progress::{AnswerBody, Deadlines, Overdue, Phase, Progress, Tracked};

/// hyper's read and write buffers, and with them the memory that a stuck connection holds, in bytes. It leaves room
/// above the limit on headers, so that a head that is too large can be read and answered.
const BUFFER: usize = 64 * 1024;

/// How long a half-sent head may hold up a server that stops.
const HURRY: Duration = Duration::from_secs(1);

/// How long, and for how many bytes, we listen on after the last answer to a client that is still sending. Closing
/// a socket with unread bytes resets it, and the reset may overtake the answer (RFC 9112 section 9.6).
const LINGER: (Duration, u64) = (Duration::from_secs(1), 256 * 1024);

/// Sent when the deadline passes after a request line: whoever sent nothing is owed nothing.
const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\
    x-content-type-options: nosniff\r\n\r\n";

/// What the server tells its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Go on.
    Serving,
    /// Finish the request you have begun, then close.
    Closing,
    /// Close.
    Aborting,
}

/// What all connections of a server share.
pub(super) struct Connections {
    pub(super) router: Router,
    pub(super) limits: HttpLimits,
    pub(super) draining: Draining,
    pub(super) stage: watch::Receiver<Stage>,
    pub(super) http: http1::Builder,
}

/// The protocol settings: HTTP/1.1 only. TLS and HTTP/2 end at the proxy in front of us.
pub(super) fn protocol() -> http1::Builder {
    let mut http = http1::Builder::new();
    // hyper's default of 100 header fields is our limit too; setting it would cost an allocation per request.
    // Its header timeout is replaced by `Deadlines`.
    http.max_buf_size(BUFFER).header_read_timeout(None);
    http
}

enum End {
    Hyper,
    Overdue(Overdue),
    Aborted,
}

/// Serves one connection until it ends, is overdue, or the server stops.
pub(super) async fn run(shared: Arc<Connections>, stream: TcpStream, peer: SocketAddr) {
    let accepted = Instant::now();
    // Answers are written whole, so waiting to fill a packet only adds latency. A socket that refuses the option
    // still works.
    let _ = stream.set_nodelay(true);
    let progress = Arc::new(Progress::default());
    let service = service_fn({
        let (shared, progress) = (Arc::clone(&shared), Arc::clone(&progress));
        move |request| answer(Arc::clone(&shared), Arc::clone(&progress), peer, request)
    });
    let io = TokioIo::new(Tracked::new(stream, Arc::clone(&progress)));
    let mut connection = shared.http.serve_connection(io, service);

    let mut stage = shared.stage.clone();
    let mut deadlines = Deadlines::new(accepted);
    let mut timer = pin!(sleep_until(accepted + shared.limits.header_timeout));
    let mut told = false;
    let end = loop {
        let step = poll_fn(|cx| {
            // hyper reports to the peer what it can; its errors are the peer's and not worth a log line.
            if Pin::new(&mut connection).poll(cx).is_ready() {
                return Poll::Ready(End::Hyper);
            }
            let due = deadlines.next(&progress, &shared.limits);
            loop {
                // The timer may ring too early, which costs a look at the marks, but never too late.
                if let Some((at, _)) = due
                    && at < timer.deadline()
                {
                    timer.as_mut().reset(at);
                }
                std::task::ready!(timer.as_mut().poll(cx));
                match due {
                    Some((at, overdue)) if at <= Instant::now() => return Poll::Ready(End::Overdue(overdue)),
                    Some((at, _)) => timer.as_mut().reset(at),
                    None => timer.as_mut().reset(Instant::now() + shared.limits.idle_timeout),
                }
            }
        });
        tokio::select! {
            biased;
            end = step => break end,
            // The sender is gone when the server is: then nobody waits for us.
            changed = stage.changed() => match (changed, *stage.borrow_and_update()) {
                (Ok(()), Stage::Serving) => {}
                (Ok(()), Stage::Closing) if !told => {
                    told = true;
                    deadlines.hurry(Instant::now() + HURRY);
                    // hyper would close a connection whose first bytes are still on their way. That request is
                    // answered, with `Connection: close`, when it comes before the hurried deadline.
                    if progress.phase() != Phase::Head {
                        Pin::new(&mut connection).graceful_shutdown();
                    }
                }
                (Ok(()), Stage::Closing) => {}
                (Ok(()), Stage::Aborting) | (Err(_), _) => break End::Aborted,
            },
        }
    };

    let parts = connection.into_parts();
    let stream = parts.io.into_inner().stream;
    match end {
        End::Hyper => {
            if progress.may_be_sending() {
                linger(stream).await;
            }
        }
        End::Overdue(Overdue::Head) => {
            let head = parts.read_buf.trim_ascii_start();
            if head.contains(&b'\n') && !progress.write_blocked() {
                // A courtesy of one small packet; a client that does not take it is closed all the same.
                let _ = stream.try_write(REQUEST_TIMEOUT);
            }
        }
        End::Overdue(Overdue::Idle | Overdue::Write) | End::Aborted => {}
    }
}

async fn answer(
    shared: Arc<Connections>,
    progress: Arc<Progress>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<http::Response<AnswerBody>, Infallible> {
    let has_body = !request.body().is_end_stream();
    progress.request_begins(has_body);
    // An empty `Body` needs no allocation.
    let mut request = request.map(|body| if has_body { Body::new(body) } else { Body::empty() });
    request.extensions_mut().insert(ClientAddress(peer.ip().to_canonical()));
    let Ok(mut answer) = shared.router.clone().call(request).await;
    if shared.draining.is_underway() {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(answer.map(|body| AnswerBody::new(body, progress)))
}

/// Reads and forgets what a client is still sending. hyper has already said that we send no more.
async fn linger(mut stream: TcpStream) {
    let mut left = LINGER.1;
    let mut sink = [0; 4096];
    let drained = timeout(LINGER.0, async {
        while left > 0 {
            match stream.read(&mut sink).await {
                Ok(0) | Err(_) => break,
                Ok(read) => left = left.saturating_sub(read as u64),
            }
        }
    });
    // Either way the client had its chance.
    let _ = drained.await;
}
