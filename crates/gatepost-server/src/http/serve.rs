//! The accept loop, and the way out of it.
//!
//! It is our own because `axum::serve` cannot be told any of [`HttpLimits`]. It speaks HTTP/1.1 over plain TCP:
//! TLS and HTTP/2 end at the proxy in front of it.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

use super::client_address::TrustedProxies;
use super::connection::{self, Connections, Stage};
use super::health::Draining;
use super::limits::HttpLimits;

/// File descriptors that connections never take: for databases, logs and files.
const RESERVED_FILES: u64 = 256;

/// The pause after an error that retrying at once would only repeat, such as "too many open files".
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a server is run.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// The limits of the transport.
    pub limits: HttpLimits,
    /// Peers that speak for many clients and may open as many connections as they like.
    pub trusted_proxies: TrustedProxies,
    /// Raised as soon as the server is told to stop; `/readyz` reads it.
    pub draining: Draining,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeOutcome {
    /// Connections that were cut off because they had not ended within `drain_timeout`.
    pub aborted: usize,
}

/// Serves `router` until `shutdown` resolves, and then stops in order:
///
/// 1. `/readyz` turns 503, and every answer says `Connection: close`, so that kept-alive connections move away
///    while they have an answer in hand. New connections are accepted for `drain_delay`.
/// 2. What waits in the backlog is accepted, then nothing more. Idle connections are closed, half-sent heads get a
///    second, requests in flight get `drain_timeout`.
/// 3. The rest is cut off.
///
/// A second signal is for the caller: dropping the future ends everything at once.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> ServeOutcome {
    let ServeOptions { limits, trusted_proxies, draining } = options;
    let (stage, stages) = watch::channel(Stage::Serving);
    let most = connections_that_fit(limits.connections);
    let (delay, patience) = (limits.drain_delay, limits.drain_timeout);
    let server = Server {
        permits: Arc::new(Semaphore::new(most as usize)),
        seats: Seats {
            taken: Arc::default(),
            limit: limits.connections_per_client,
            proxies: trusted_proxies,
        },
        connections: Arc::new(Connections {
            router,
            limits,
            draining: draining.clone(),
            stage: stages,
            http: connection::protocol(),
        }),
    };

    server.accept_until(&listener, shutdown).await;
    draining.begin();
    server.accept_until(&listener, sleep(delay)).await;
    server.accept_backlog(&listener).await;
    drop(listener);

    // Nobody listens only when there are no connections.
    let _ = stage.send(Stage::Closing);
    // Every connection holds a permit, so holding all of them means that there are none.
    let ended = timeout(patience, server.permits.acquire_many(most)).await.is_ok();
    let aborted = if ended { 0 } else { most as usize - server.permits.available_permits() };
    let _ = stage.send(Stage::Aborting);
    ServeOutcome { aborted }
}

struct Server {
    permits: Arc<Semaphore>,
    seats: Seats,
    connections: Arc<Connections>,
}

impl Server {
    /// Accepts connections until `stop`. At the cap it waits for a connection to end before it accepts the next;
    /// the kernel's backlog holds the others meanwhile.
    async fn accept_until(&self, listener: &TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut trouble = AcceptTrouble::default();
        loop {
            let next = async {
                // The semaphore is never closed; if it were, waiting would be the safe answer.
                let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                    return std::future::pending().await;
                };
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                biased;
                () = &mut stop => return,
                next = next => next,
            };
            match accepted {
                Ok((stream, peer)) => self.begin(permit, stream, peer),
                Err(error) => {
                    drop(permit);
                    if let Some(pause) = trouble.met(&error, Instant::now()) {
                        sleep(pause).await;
                    }
                }
            }
        }
    }

    /// Accepts what the kernel has already shaken hands with: closing the listener would reset it.
    async fn accept_backlog(&self, listener: &TcpListener) {
        while let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            let waiting = poll_fn(|cx| match listener.poll_accept(cx) {
                Poll::Ready(Ok(accepted)) => Poll::Ready(Some(accepted)),
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
            });
            let Some((stream, peer)) = waiting.await else { return };
            self.begin(permit, stream, peer);
        }
    }

    fn begin(&self, permit: OwnedSemaphorePermit, stream: TcpStream, peer: SocketAddr) {
        // Without a seat the stream is dropped, which closes it.
        if let Some(seat) = self.seats.take(peer.ip()) {
            let connection = connection::run(Arc::clone(&self.connections), stream, peer);
            tokio::spawn(async move {
                connection.await;
                drop((seat, permit));
            });
        }
    }
}

/// The number of connections of each client that has any.
type Taken = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Counts the connections of each client.
struct Seats {
    taken: Taken,
    limit: usize,
    proxies: TrustedProxies,
}

/// One connection of a client; dropping it gives the seat back.
struct Seat(Option<(Taken, IpAddr)>);

impl Seats {
    fn take(&self, peer: IpAddr) -> Option<Seat> {
        if self.proxies.contains(peer) {
            return Some(Seat(None));
        }
        let client = household(peer);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let seats = taken.entry(client).or_default();
        if *seats >= self.limit {
            return None;
        }
        *seats += 1;
        Some(Seat(Some((Arc::clone(&self.taken), client))))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((taken, client)) = self.0.take() else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seats) = taken.get_mut(&client) {
            *seats -= 1;
            if *seats == 0 {
                taken.remove(&client);
            }
        }
    }
}

/// Who counts as one client: an IPv4 address or an IPv6 /64, because whoever has one address of a /64 has all.
fn household(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

/// What to do about errors of `accept`: the loop never ends because of one, and never spins.
#[derive(Default)]
struct AcceptTrouble {
    logged: Option<Instant>,
}

impl AcceptTrouble {
    /// Logs at most once a second; returns how long to wait before the next try.
    fn met(&mut self, error: &io::Error, now: Instant) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        // The client was faster than we: the next one is unaffected.
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return None;
        }
        if self.logged.is_none_or(|at| now.duration_since(at) >= Duration::from_secs(1)) {
            self.logged = Some(now);
            tracing::error!(error = %error, "cannot accept connections; trying again");
        }
        Some(ACCEPT_PAUSE)
    }
}

/// The configured cap, or what the process's limit on open files leaves room for.
fn connections_that_fit(configured: usize) -> u32 {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = files.saturating_sub(RESERVED_FILES).max(16);
    let configured = u64::try_from(configured).unwrap_or(u64::MAX);
    let most = configured.min(room).max(1);
    if most < configured {
        tracing::warn!(configured, most, files, "the limit on open files lowers the cap on connections");
    }
    u32::try_from(most).unwrap_or(u32::MAX).min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn http_07_out_of_files_is_logged_once_a_second_and_retried() {
        let (start, mut trouble) = (Instant::now(), AcceptTrouble::default());
        let no_files = io::Error::from_raw_os_error(24);
        assert_eq!(trouble.met(&no_files, start), Some(ACCEPT_PAUSE));
        assert_eq!(trouble.logged, Some(start));
        trouble.met(&no_files, start + Duration::from_millis(999));
        assert_eq!(trouble.logged, Some(start));
        trouble.met(&no_files, start + Duration::from_secs(1));
        assert_eq!(trouble.logged, Some(start + Duration::from_secs(1)));
        let gone = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert_eq!(trouble.met(&gone, start), None);
    }

    #[test]
    fn http_07_seats_are_counted_by_household_and_given_back() {
        let seats = Seats { taken: Arc::default(), limit: 2, proxies: TrustedProxies::default() };
        let from = |text: &str| seats.take(text.parse().unwrap());
        let (first, _second) = (from("2001:db8::1").unwrap(), from("2001:db8::2").unwrap());
        assert!(from("2001:db8::3").is_none());
        let _neighbour = from("2001:db8:0:1::1").unwrap();
        drop(first);
        assert!(from("2001:db8::3").is_some());
        let _v4 = (from("192.0.2.1").unwrap(), from("::ffff:192.0.2.1").unwrap());
        assert!(from("192.0.2.1").is_none());
    }

    #[test]
    fn http_07_no_seat_is_remembered_for_nobody() {
        let seats = Seats { taken: Arc::default(), limit: 1, proxies: TrustedProxies::default() };
        drop(seats.take("192.0.2.1".parse().unwrap()));
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}
