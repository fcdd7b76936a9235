//! What a connection is waiting for, and since when.
//!
//! hyper's own header timeout starts with the wait for a request, so it would cut idle connections after 10 s;
//! it also sets and drops a timer for every request. Here the socket, the service and the answer's body leave
//! three cheap marks, and the connection's task turns them into one deadline with one timer that is rarely moved.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::limits::HttpLimits;

/// The marks. Only the connection's own task touches them, one after the other, so `Relaxed` is enough.
#[derive(Default)]
pub(super) struct Progress {
    phase: AtomicU8,
    requests: AtomicU32,
    writes: AtomicU32,
    write_blocked: AtomicBool,
    unread_body: AtomicBool,
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A request head is expected to go on arriving. A new connection starts here.
    Head,
    /// A request is being answered.
    Busy,
    /// The next request may come or not.
    Idle,
}

impl Progress {
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Head,
            1 => Phase::Busy,
            _ => Phase::Idle,
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// A complete head has arrived.
    pub(super) fn request_begins(&self, has_body: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.unread_body.store(has_body, Ordering::Relaxed);
        self.enter(Phase::Busy);
    }

    pub(super) fn write_blocked(&self) -> bool {
        self.write_blocked.load(Ordering::Relaxed)
    }

    /// Whether the client may still be sending what nobody will read: half a head, or the body of the last request.
    pub(super) fn may_be_sending(&self) -> bool {
        self.unread_body.load(Ordering::Relaxed) || self.phase() == Phase::Head
    }
}

/// Why a connection was ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The head of a request took too long.
    Head,
    /// No further request came.
    Idle,
    /// The client took no byte of its answer.
    Write,
}

/// Turns marks into a deadline. The clock is read only when a mark has changed.
pub(super) struct Deadlines {
    seen: (Phase, u32),
    since: Instant,
    writes: u32,
    blocked_since: Option<Instant>,
    head_limit: Option<Instant>,
}

impl Deadlines {
    /// Starts with the wait for the first head.
    pub(super) fn new(accepted: Instant) -> Self {
        Self { seen: (Phase::Head, 0), since: accepted, writes: 0, blocked_since: None, head_limit: None }
    }

    /// From now on no head may arrive after `at`.
    pub(super) fn hurry(&mut self, at: Instant) {
        self.head_limit = Some(at);
    }

    /// The next instant at which something is overdue, and what.
    pub(super) fn next(&mut self, progress: &Progress, limits: &HttpLimits) -> Option<(Instant, Overdue)> {
        let now = (progress.phase(), progress.requests.load(Ordering::Relaxed));
        if now != self.seen {
            self.seen = now;
            self.since = Instant::now();
        }
        if progress.write_blocked() {
            let writes = progress.writes.load(Ordering::Relaxed);
            if self.blocked_since.is_none() || writes != self.writes {
                self.writes = writes;
                self.blocked_since = Some(Instant::now());
            }
        } else {
            self.blocked_since = None;
        }
        let wait = match self.seen.0 {
            Phase::Head => {
                let due = self.since + limits.header_timeout;
                Some((self.head_limit.map_or(due, |limit| limit.min(due)), Overdue::Head))
            }
            Phase::Idle => Some((self.since + limits.idle_timeout, Overdue::Idle)),
            // The handler has its own deadline, and so has the body that it reads.
            Phase::Busy => None,
        };
        let write = self.blocked_since.map(|since| (since + limits.write_stall, Overdue::Write));
        match (wait, write) {
            (Some(wait), Some(write)) => Some(if write.0 < wait.0 { write } else { wait }),
            (one, other) => one.or(other),
        }
    }
}

/// The socket, leaving marks.
pub(super) struct Tracked {
    pub(super) stream: TcpStream,
    progress: Arc<Progress>,
}

impl Tracked {
    pub(super) fn new(stream: TcpStream, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.progress.write_blocked.store(result.is_pending(), Ordering::Relaxed);
        if result.is_ready() {
            self.progress.writes.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl AsyncRead for Tracked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before && self.progress.phase() == Phase::Idle {
            self.progress.enter(Phase::Head);
        }
        result
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The body of an answer. hyper drops it when it has taken all of it (or gives up), and then the request is over.
pub(super) struct AnswerBody {
    body: axum::body::Body,
    progress: Arc<Progress>,
}

impl AnswerBody {
    pub(super) fn new(body: axum::body::Body, progress: Arc<Progress>) -> Self {
        Self { body, progress }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.progress.enter(Phase::Idle);
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
