//! Buckets in Redis, Valkey or what else speaks the protocol: one script, one round trip.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatepost_kernel::{Secret, Timestamp};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script};

use super::key::Key;
use super::model::{Bucket, Decision, decided};

/// The longest that a new connection may take, with its handshake and a first answer. Nobody waits for it.
const CONNECT: Duration = Duration::from_secs(2);

/// A Redis server, and the connection to it while it answers.
pub(super) struct Redis {
    client: Client,
    script: Script,
    /// The longest that a request waits for an answer.
    patience: Duration,
    /// `None` from the first failure until a new connection has answered. So only the requests that are under way when it
    /// stops answering wait for it.
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// Why Redis did not decide.
#[derive(Debug, thiserror::Error)]
pub(super) enum RedisFailure {
    /// It was found silent before, and nothing has answered since.
    #[error("it does not answer")]
    Away,
    /// It took too long.
    #[error("it took longer than {0:?}")]
    Slow(Duration),
    /// It said something else than an answer.
    #[error(transparent)]
    Refused(#[from] RedisError),
    /// Its answer was not what the script answers.
    #[error("it answered something else")]
    Strange,
}

impl Redis {
    /// A server that is not connected yet.
    pub(super) fn new(url: &Secret<String>, patience: Duration) -> Result<Self, RedisError> {
        let client = Client::open(url.expose().as_str())?;
        let script = Script::new(include_str!("take.lua"));
        Ok(Self { client, script, patience, connection: Mutex::new(None) })
    }

    /// Takes a token from each bucket, in order, until one has none.
    pub(super) async fn take(
        &self,
        buckets: &[(Key, Bucket)],
        now: Timestamp,
    ) -> Result<Vec<Decision>, RedisFailure> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let connection = connection.ok_or(RedisFailure::Away)?;
        let answer = self.ask(connection, buckets, now, self.patience).await;
        if answer.is_err() {
            self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        answer
    }

    /// Connects, and keeps the connection when the script works: a replica that only reads, or a server without memory,
    /// would accept connections.
    pub(super) async fn connect(&self) -> Result<(), RedisFailure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(CONNECT));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        let connection = connected.map_err(|_| RedisFailure::Slow(CONNECT))??;
        let probe = (Key::Family([0; 32]), super::model::Rule::new(1, Duration::from_millis(1)).bucket());
        self.ask(connection.clone(), &[probe], Timestamp::from_secs(0), CONNECT).await?;
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(())
    }

    async fn ask(
        &self,
        mut connection: MultiplexedConnection,
        buckets: &[(Key, Bucket)],
        now: Timestamp,
        patience: Duration,
    ) -> Result<Vec<Decision>, RedisFailure> {
        let mut call = self.script.prepare_invoke();
        call.arg(now.as_micros());
        for (key, bucket) in buckets {
            call.key(format!("gatepost:limits:{key}")).arg(bucket.interval()).arg(bucket.capacity());
        }
        let asking = call.invoke_async::<Vec<i64>>(&mut connection);
        let answer = tokio::time::timeout(patience, asking).await;
        let answer = answer.map_err(|_| RedisFailure::Slow(patience))??;
        let decisions: Vec<Decision> = buckets
            .iter()
            .zip(answer.chunks_exact(2))
            .filter_map(|((_, bucket), pair)| match pair {
                [allowed, tat] => Some(decided(*allowed == 1, Timestamp::from_micros(*tat), now, *bucket)),
                _ => None,
            })
            .collect();
        if decisions.is_empty() { Err(RedisFailure::Strange) } else { Ok(decisions) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The TLS of the client finds its cryptography, and a peer that does not speak TLS is a failure like another.
    #[tokio::test]
    async fn a_peer_without_tls_is_refused_in_peace() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("rediss://:hunter2@127.0.0.1:{}", listener.local_addr().unwrap().port());
        let peer = tokio::spawn(async move { drop(listener.accept().await.unwrap()) });
        let redis = Redis::new(&Secret::new(url), Duration::from_millis(50)).unwrap();
        let failure = redis.connect().await.unwrap_err();
        peer.await.unwrap();
        assert!(matches!(failure, RedisFailure::Refused(_)), "{failure}");
        assert!(!format!("{failure} {failure:?}").contains("hunter2"), "{failure:?}");
    }
}
