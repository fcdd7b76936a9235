//! The id of the request that is being answered.
//!
//! A problem's body names its request, and a body is rendered deep inside a handler or an extractor. A task-local
//! value carries the id there: the outermost middleware opens a [`scope`] around the rest of the stack, and
//! whatever is rendered inside it finds the id. Outside of any scope a body simply has no `request_id`.

use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static REQUEST_ID: Arc<str>;
}

/// Runs `work` as the answer to the request `id`.
///
/// A task that is spawned inside does not inherit the id; it opens a scope of its own when it needs one.
pub async fn scope<F: Future>(id: impl Into<Arc<str>>, work: F) -> F::Output {
    REQUEST_ID.scope(id.into(), work).await
}

/// The id of the request that this task is answering.
pub fn current() -> Option<Arc<str>> {
    REQUEST_ID.try_with(Arc::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_id_is_known_inside_its_scope_only() {
        assert_eq!(current(), None);
        let inside = scope("outer", async {
            let nested = scope("inner", async { current() }).await;
            (nested, current())
        });
        assert_eq!(inside.await, (Some("inner".into()), Some("outer".into())));
        assert_eq!(current(), None);
    }
}
