//! The limit of signing in: Argon2id in a bare loop on all cores, each with memory of its own that is reused.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use gatepost_server::passwords::HashParams;

use crate::load::{Sample, Window};
use crate::{Plan, Result};

/// Hashes a second on all cores.
pub(crate) fn hashes(plan: &Plan) -> Result<Sample> {
    let cost = HashParams::default();
    let params = Params::new(cost.memory_kib(), cost.passes(), cost.lanes(), None)?;
    let window = Window::of(plan);
    let loops: Vec<_> = (0..cores())
        .map(|_| {
            thread::spawn({
                let params = params.clone();
                move || hash_until_the_end(&params, window)
            })
        })
        .collect();
    let mut count = 0;
    for finished in loops {
        count += finished.join().map_err(|_| "the hash loop panicked")??;
    }
    Ok(Sample::of_rate(window.rate(count)))
}

/// The cores that this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn hash_until_the_end(params: &Params, window: Window) -> std::result::Result<usize, argon2::Error> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut memory = vec![Block::default(); params.block_count()];
    let (mut tag, mut count) = ([0; 32], 0);
    loop {
        argon2.hash_password_into_with_memory(
            black_box(b"correct horse battery staple"),
            b"0123456789abcdef",
            &mut tag,
            &mut memory,
        )?;
        black_box(tag);
        let now = Instant::now();
        if now >= window.to {
            return Ok(count);
        }
        count += usize::from(window.holds(now));
    }
}
