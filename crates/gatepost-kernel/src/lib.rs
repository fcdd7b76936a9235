//! The values that every Gatepost crate shares: [`Timestamp`] and [`Clock`], [`Random`], typed [`Id`]s,
//! [`Secret`]s, [`TokenHash`]es and [`OpaqueToken`]s.
//!
//! Nothing here does I/O, and nothing here knows a feature. Time and randomness are values that are handed
//! down from the edge, so that a test can set the clock to the second before a token expires and draw the
//! same ids twice.
//!
//! ```
//! use gatepost_kernel::{Id, OpaqueToken, Purpose, Random, Timestamp, TokenHash};
//!
//! enum Invoice {} // a kind of id, never a value
//! const LINK: Purpose = Purpose::new("invoice-link");
//!
//! let now = Timestamp::from_micros(1_700_000_000_000_000);
//! let random = Random::system();
//! let id = Id::<Invoice>::generate(now, &random);
//! let link = OpaqueToken::generate("inv", &random);
//!
//! assert_eq!(id.to_string().parse::<Id<Invoice>>().unwrap(), id);
//! // What the database keeps is the hash, bound to what the token is for.
//! assert!(TokenHash::of(LINK, link.expose()) != TokenHash::of(Purpose::new("other"), link.expose()));
//! ```

mod hash;
mod id;
mod opaque;
mod random;
mod secret;
mod time;

pub use hash::{Purpose, TokenHash};
pub use id::{Id, ParseIdError};
pub use opaque::OpaqueToken;
pub use random::Random;
pub use secret::Secret;
pub use time::{Clock, ParseTimestampError, Timestamp};
