//! How a mail leaves the house.

use std::pin::Pin;

use super::message::Outgoing;

/// A delivery under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>;

/// Takes mails and answers once they are somebody else's to keep.
pub trait Transport: Send + Sync {
    /// Hands a mail over.
    fn send<'a>(&'a self, mail: &'a Outgoing) -> Sending<'a>;
}

/// Why a mail was not taken. The text is for the operator: it holds nothing of what the mail says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may be taken later: the server is away, is not the one we trust, or answered 4xx (RFC 5321 section 4.2.1).
    #[error("{0}")]
    Transient(String),
    /// It will never be taken: the server answered 5xx to this mail.
    #[error("{0}")]
    Permanent(String),
}
