//! Unpredictable bytes.

use std::sync::Arc;

/// Fills a buffer.
type Source = dyn Fn(&mut [u8]) + Send + Sync;

/// Where unpredictable bytes come from. Cloning shares the source.
#[derive(Clone)]
pub struct Random(Arc<Source>);

impl Random {
    /// The operating system's generator.
    ///
    /// When it fails, the process ends: a server that cannot draw a secret must not hand one out.
    pub fn system() -> Self {
        Self::from_fn(|buffer| {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that the ban points to")]
            let drawn = aws_lc_rs::rand::fill(buffer);
            if drawn.is_err() {
                std::process::abort();
            }
        })
    }

    /// A generator that fills buffers with `source`, for tests that must draw the same values twice.
    pub fn from_fn(source: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// Fills the whole buffer.
    pub fn fill(&self, buffer: &mut [u8]) {
        (self.0)(buffer);
    }

    /// `N` fresh bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_generator_does_not_repeat_itself() {
        let random = Random::system();
        assert_ne!(random.bytes::<32>(), random.bytes::<32>());
    }
}
