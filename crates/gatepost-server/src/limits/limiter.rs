//! The limiter: which store decides, and what happens when it cannot.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_db::{Db, DbError};
use gatepost_kernel::{Timestamp, TokenHash};

use super::config::{LimitsConfig, StoreConfig};
use super::headers::Standing;
use super::key::{Key, buckets};
use super::memory::Memory;
use super::model::{Bucket, Decision, decide};
use super::redis::{Redis, RedisFailure};
use super::sql;
use super::table::Limit;

/// The most rows that the database keeps: about 30 MiB.
const MOST_ROWS: i64 = 200_000;

/// The limiter. Cloning shares it.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    config: LimitsConfig,
    /// What this node counts for itself.
    local: Memory,
    /// What all nodes count together; `None` when there is nothing but this process.
    shared: Option<Shared>,
    /// Whether the operator was told of a proxy that nobody trusts.
    suspected: AtomicBool,
}

struct Shared {
    store: Store,
    /// Whether the store failed and has not answered since. Then this node counts for itself.
    degraded: AtomicBool,
    /// Buckets that the store found empty. Nobody else can fill them before their time, so until then the refusal is
    /// answered from here: a client that goes on and on costs the store nothing.
    empty: Memory,
}

enum Store {
    Database(Db),
    Redis(Box<Redis>),
}

/// The URL of Redis is none.
#[derive(Debug, thiserror::Error)]
#[error("limits.redis_url is not the URL of a Redis server")]
pub struct NotARedisUrl;

/// Why the shared store did not decide.
#[derive(Debug, thiserror::Error)]
enum StoreFailure {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Redis(#[from] RedisFailure),
}

impl Limits {
    /// A limiter. It is not connected to Redis before [`Limits::look_again`].
    ///
    /// # Errors
    /// [`NotARedisUrl`].
    pub fn new(config: LimitsConfig, db: Db) -> Result<Self, NotARedisUrl> {
        let store = match &config.store {
            StoreConfig::Memory => None,
            StoreConfig::Database => Some(Store::Database(db)),
            StoreConfig::Redis(url) => {
                let redis = Redis::new(url, config.redis_timeout).map_err(|_| NotARedisUrl)?;
                Some(Store::Redis(Box::new(redis)))
            }
        };
        let shared = store.map(|store| Shared {
            degraded: AtomicBool::new(matches!(store, Store::Redis(_))),
            store,
            empty: Memory::new(),
        });
        Ok(Self(Arc::new(Inner { config, local: Memory::new(), shared, suspected: AtomicBool::new(false) })))
    }

    /// Counts one request of a client. `None` when the client is exempt.
    pub async fn admit(&self, limit: Limit, address: IpAddr, now: Timestamp) -> Option<Standing> {
        let config = &self.0.config;
        if !config.enabled || config.exempts(address) {
            return None;
        }
        let rule = limit.rule(config);
        let bucket = rule.bucket();
        let wanted: Vec<_> = buckets(limit, address).map(|(key, times)| (key, bucket.times(times))).collect();
        let decided = match &self.0.shared {
            Some(shared) if limit.is_shared() => shared.take(&wanted, now).await,
            Some(_) | None => None,
        };
        let decision = decided.unwrap_or_else(|| self.take_here(&wanted, now));
        Some(self.stand(Standing { limit, rule, decision }))
    }

    /// Counts one exchange of a family of refresh tokens, named by the hash of its selector. `None` when the client is
    /// exempt.
    pub fn admit_family(
        &self,
        selector: &TokenHash,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Option<Standing> {
        let config = &self.0.config;
        if !config.enabled || address.is_some_and(|address| config.exempts(address)) {
            return None;
        }
        let (limit, rule) = (Limit::RefreshFamily, config.refresh_family);
        let decision = self.take_here(&[(Key::Family(*selector.as_bytes()), rule.bucket())], now);
        Some(self.stand(Standing { limit, rule, decision }))
    }

    /// Whether limits that nodes share are counted by this node alone, because the store does not answer.
    pub fn is_degraded(&self) -> bool {
        self.0.shared.as_ref().is_some_and(|shared| shared.degraded.load(Ordering::Relaxed))
    }

    /// Asks a store that failed whether it answers again. A job does this every second, so that no request waits for it.
    pub async fn look_again(&self) {
        let Some(shared) = &self.0.shared else { return };
        if self.is_degraded() {
            match shared.answers().await {
                Ok(()) => tracing::info!("the limits are counted for all nodes together"),
                Err(why) => return tracing::debug!(%why, "the shared store of the limits does not answer"),
            }
            shared.degraded.store(false, Ordering::Relaxed);
        }
        shared.report();
    }

    /// Forgets rows that mean nothing any more.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget(&self, now: Timestamp) -> Result<(), DbError> {
        match self.0.shared.as_ref().map(|shared| &shared.store) {
            Some(Store::Database(db)) => sql::forget(db, now, MOST_ROWS).await,
            Some(Store::Redis(_)) | None => Ok(()),
        }
    }

    /// Whether nobody has asked this before: what is said once need not be said again.
    pub(super) fn is_first_suspicion(&self) -> bool {
        !self.0.suspected.swap(true, Ordering::Relaxed)
    }

    /// This node's part of the whole.
    fn take_here(&self, wanted: &[(Key, Bucket)], now: Timestamp) -> Decision {
        let nodes = self.0.config.nodes.get();
        let mut decisions = Vec::with_capacity(wanted.len());
        for (key, bucket) in wanted {
            let decision = self.0.local.take(*key, bucket.divided_by(nodes), now);
            decisions.push(decision);
            if !decision.allowed {
                break;
            }
        }
        binding(&decisions)
    }

    fn stand(&self, standing: Standing) -> Standing {
        if !standing.is_allowed() {
            metrics::counter!("ratelimit_refused_total", "limit" => standing.limit.name()).increment(1);
        }
        standing
    }
}

impl Shared {
    /// The decision of all nodes together; `None` when it cannot be had.
    async fn take(&self, wanted: &[(Key, Bucket)], now: Timestamp) -> Option<Decision> {
        if self.degraded.load(Ordering::Relaxed) {
            return None;
        }
        let known = wanted.iter().find_map(|(key, bucket)| {
            let (_, decision) = decide(Some(self.empty.tat(key)?), now, *bucket);
            (!decision.allowed).then_some(decision)
        });
        if known.is_some() {
            return known;
        }
        match self.ask(wanted, now).await {
            Ok(decisions) => {
                let refused = wanted.iter().zip(&decisions).find(|(_, decision)| !decision.allowed);
                if let Some(((key, _), decision)) = refused {
                    self.empty.note(*key, now.plus(decision.reset));
                }
                Some(binding(&decisions))
            }
            Err(why) => {
                if !self.degraded.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%why, "the shared store of the limits failed: this node counts for itself");
                }
                self.report();
                None
            }
        }
    }

    async fn ask(&self, wanted: &[(Key, Bucket)], now: Timestamp) -> Result<Vec<Decision>, StoreFailure> {
        match &self.store {
            Store::Redis(redis) => Ok(redis.take(wanted, now).await?),
            Store::Database(db) => {
                let mut decisions = Vec::with_capacity(wanted.len());
                for (key, bucket) in wanted {
                    let decision = sql::take(db, &key.to_string(), *bucket, now).await?;
                    decisions.push(decision);
                    if !decision.allowed {
                        break;
                    }
                }
                Ok(decisions)
            }
        }
    }

    async fn answers(&self) -> Result<(), StoreFailure> {
        match &self.store {
            Store::Redis(redis) => Ok(redis.connect().await?),
            Store::Database(db) => Ok(sql::ping(db).await?),
        }
    }

    fn report(&self) {
        let degraded = self.degraded.load(Ordering::Relaxed);
        metrics::gauge!("ratelimit_degraded").set(if degraded { 1.0 } else { 0.0 });
    }
}

/// The decision that binds: a refusal, or else the one that leaves the least.
fn binding(decisions: &[Decision]) -> Decision {
    let binding = decisions.iter().min_by_key(|decision| (decision.allowed, decision.remaining));
    // There is always a bucket. If there were none, nothing would be left of it.
    let nothing = Duration::from_secs(1);
    binding.copied().unwrap_or(Decision {
        allowed: false,
        remaining: 0,
        retry_after: nothing,
        reset: nothing,
    })
}
