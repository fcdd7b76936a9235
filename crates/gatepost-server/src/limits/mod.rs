//! Rate limits: how often a client may ask.
//!
//! Invariants:
//! * Every route counts against a limit or is exempt on purpose ([`ROUTES`]; a test compares it with the router). The count
//!   comes first: before the body, before a hash, before the database.
//! * A client is its IPv4 address, or its IPv6 /64, with ceilings for the /56 and the /48 (`BRU-06`). The address is that
//!   of the connection, or what a trusted proxy says (`BRU-05`).
//! * A store that fails never opens the door: each node counts for itself then, its part of the whole (`BRU-10`,
//!   `REL-12`). Nothing else depends on the store, and losing it forgets counts and no more.
//! * Memory and rows are bounded.
//!
//! Lock-out, which counts failures against an account, is another feature; a client that is exempt here is not exempt
//! there. `docs/adr/0014-rate-limits.md` tells why it is built like this.

mod config;
mod enforce;
mod headers;
mod key;
mod limiter;
mod memory;
mod model;
mod redis;
mod sql;
mod table;

pub use config::{LimitsConfig, StoreConfig};
pub(crate) use enforce::{enforce, oauth_refusal, refusal};
pub use headers::Standing;
pub use limiter::{Limits, NotARedisUrl};
pub use model::Rule;
pub use sql::STATEMENTS;
pub use table::{Counted, Limit, ROUTES};
