//! Deterministic concurrency: jobs that wait for the test.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;

use gatepost_db::{Db, DbError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A write that holds its thread until it is opened (or dropped).
pub(crate) struct Gate {
    open: mpsc::Sender<()>,
    held: JoinHandle<Result<(), DbError>>,
}

impl Gate {
    /// Returns once the write has begun.
    pub(crate) async fn shut(db: &Db) -> Self {
        let db = db.clone();
        let (open, opened) = mpsc::channel::<()>();
        let (began, begun) = oneshot::channel();
        let mut began = Some(began);
        let held = tokio::spawn(async move {
            db.write(move |_| {
                if let Some(began) = began.take() {
                    began.send(()).unwrap();
                }
                // An error says that the other end was dropped, which opens the gate as well.
                let _ = opened.recv();
                Ok(())
            })
            .await
        });
        begun.await.expect("the gate has begun");
        Self { open, held }
    }

    /// Lets the write go and returns once it is committed.
    pub(crate) async fn open(self) {
        drop(self.open);
        self.held.await.unwrap().unwrap();
    }
}

/// Polls a future for the first time, which puts its job into the queue.
pub(crate) async fn submit<F: Future>(mut future: Pin<&mut F>) {
    poll_fn(|context| {
        assert!(future.as_mut().poll(context).is_pending(), "nobody can have answered yet");
        Poll::Ready(())
    })
    .await;
}
