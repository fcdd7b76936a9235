//! The kinds of id that more than one feature speaks of.

use gatepost_kernel::Id;

/// A kind of [`Id`]: an account.
pub enum UserKind {}
/// A kind of [`Id`]: one sign-in on one device.
pub enum SessionKind {}
/// A kind of [`Id`]: an API key.
pub enum ApiKeyKind {}

/// The id of an account: the `sub` of every token. It is never given to another account.
pub type UserId = Id<UserKind>;
/// The id of a session: the `sid` of its access tokens.
pub type SessionId = Id<SessionKind>;
/// The id of an API key. It opens nothing.
pub type ApiKeyId = Id<ApiKeyKind>;
