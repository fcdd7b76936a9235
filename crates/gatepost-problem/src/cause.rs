//! What the operator reads and the client never does.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The error behind an error answer, left in the response's extensions for the one request log.
///
/// It has no path into a body: rendering reads only the fields that are meant for clients.
#[derive(Clone)]
pub struct Cause(pub Arc<dyn Error + Send + Sync>);

impl Cause {
    /// Takes any error, or a text.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }

    /// The error and everything below it, as `outer: inner: innermost`.
    ///
    /// A layer whose text already ends with the text of the next one is not repeated.
    pub fn chain(&self) -> String {
        let mut text = self.0.to_string();
        let mut next = self.0.source();
        while let Some(error) = next {
            let inner = error.to_string();
            if !text.ends_with(&inner) {
                text.push_str(": ");
                text.push_str(&inner);
            }
            next = error.source();
        }
        text
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cause({:?})", self.chain())
    }
}

/// The code of an error answer, left in the response's extensions for the log and the metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code(pub &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the request failed: {0}")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("the query failed")]
    struct Middle(#[source] std::io::Error);

    #[test]
    fn a_chain_names_every_layer_once() {
        let cause = Cause::new(Outer(Middle(std::io::Error::other("disk on fire"))));
        assert_eq!(cause.chain(), "the request failed: the query failed: disk on fire");
        assert_eq!(Cause::new("only a text").chain(), "only a text");
    }
}
