//! Computing hashes on one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::pbkdf2;
use gatepost_kernel::Random;
use zeroize::Zeroizing;

use super::hasher::{HashError, Verdict};
use super::params::HashParams;
use super::password::Password;
use super::pepper::{Pepper, Peppers};
use super::phc::{Argon2Hash, Digest, PasswordHash, SALT_LEN, Scheme, TAG_LEN};

/// The address space that is reserved for Argon2 memory, in blocks of 1 KiB, however little of it is used.
///
/// glibc gives a freed block back to the system only when it was mapped on its own, and the size from which it
/// maps grows with each freed mapping, up to 32 MiB: after the first round of logins, blocks of 19 MiB would come
/// from a heap that never shrinks. Above 32 MiB it always maps and always unmaps. Pages that are reserved
/// and never touched take no memory.
const RESERVED_BLOCKS: usize = 33 * 1_024;

/// What one hashing thread works with. The memory is kept from one job to the next.
pub(super) struct Workbench {
    params: HashParams,
    peppers: Arc<Peppers>,
    random: Random,
    memory: Vec<Block>,
    tally: Arc<Tally>,
}

/// What all hashing threads did together. The numbers only grow.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) done: AtomicU64,
    pub(super) argon2: AtomicU64,
    pub(super) memory_kib: AtomicU64,
    pub(super) passes: AtomicU64,
    pub(super) lanes: AtomicU64,
    pub(super) foreign: AtomicU64,
    /// Processor time of one Argon2 hash at the current parameters, in nanoseconds; 0 until one was computed.
    typical_nanos: AtomicU64,
}

/// What Argon2 needs besides the password.
struct Recipe<'a> {
    algorithm: Algorithm,
    version: Version,
    params: HashParams,
    salt: &'a [u8],
}

impl<'a> Recipe<'a> {
    const fn own(params: HashParams, salt: &'a [u8; SALT_LEN]) -> Self {
        Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, salt }
    }
}

impl Workbench {
    pub(super) const fn new(
        params: HashParams,
        peppers: Arc<Peppers>,
        random: Random,
        tally: Arc<Tally>,
    ) -> Self {
        Self { params, peppers, random, memory: Vec::new(), tally }
    }

    /// Whether there is memory to give back.
    pub(super) const fn holds_memory(&self) -> bool {
        self.memory.capacity() > 0
    }

    /// Gives the memory back to the operating system.
    pub(super) fn release_memory(&mut self) {
        self.memory = Vec::new();
    }

    pub(super) fn count_done(&self) {
        self.tally.done.fetch_add(1, Ordering::Relaxed);
    }

    /// A new hash at the current parameters.
    pub(super) fn hash(&mut self, password: &Password) -> Result<PasswordHash, HashError> {
        let salt = self.random.bytes::<SALT_LEN>();
        let mut tag = [0; TAG_LEN];
        self.argon2(password, &Recipe::own(self.params, &salt), &mut tag)?;
        let pepper = self.peppers.current();
        if let Some(pepper) = pepper {
            pepper.apply(&mut tag);
        }
        Ok(PasswordHash::own(self.params, pepper, salt, tag))
    }

    /// Verifies a login. Whatever is stored, a refusal takes the time of one hash at the current parameters, or
    /// that of the stored hash if it is dearer.
    pub(super) fn verify(
        &mut self,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verdict, HashError> {
        let Some(stored) = stored else {
            self.waste(password, self.params)?;
            return Ok(Verdict { matched: false, rehash: None });
        };
        let watch = Stopwatch::start();
        let matched = self.matches(password, stored)?;
        if matched {
            let current = self.peppers.current().map(Pepper::key_id);
            let old = stored.needs_rehash(&self.params, current);
            let rehash = if old { Some(self.hash(password)?) } else { None };
            return Ok(Verdict { matched, rehash });
        }
        if !self.costs_the_usual(stored)
            && let Some(rest) = self.rest(watch.elapsed())
        {
            self.waste(password, rest)?;
        }
        Ok(Verdict { matched, rehash: None })
    }

    /// Whether the password belongs to any of these hashes. One whose pepper is lost belongs to nobody.
    pub(super) fn matches_any(
        &mut self,
        password: &Password,
        stored: &[PasswordHash],
    ) -> Result<bool, HashError> {
        for hash in stored {
            match self.matches(password, hash) {
                Ok(false) | Err(HashError::UnknownPepper(_)) => {}
                Ok(true) => return Ok(true),
                Err(error @ (HashError::Busy | HashError::Failed)) => return Err(error),
            }
        }
        Ok(false)
    }

    fn matches(&mut self, password: &Password, stored: &PasswordHash) -> Result<bool, HashError> {
        let expected = stored.tag();
        let mut tag = Zeroizing::new(vec![0; expected.len()]);
        if !matches!(stored.scheme, Scheme::Argon2(_)) {
            self.tally.foreign.fetch_add(1, Ordering::Relaxed);
        }
        let text = password.expose().as_bytes();
        match &stored.scheme {
            Scheme::Argon2(hash) => self.argon2_tag(password, hash, &mut tag)?,
            Scheme::Bcrypt { cost, salt, .. } => {
                tag.copy_from_slice(&bcrypt_tag(*cost, *salt, text));
                // C implementations end the password at a NUL, and bcrypt repeats its key with a NUL after each
                // round, which makes `a` and `a\0a` one key. No old system can have meant such a password.
                if text.contains(&0) {
                    return Ok(false);
                }
            }
            Scheme::Pbkdf2 { digest, iterations, salt, .. } => {
                let algorithm = match digest {
                    Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
                    Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
                    Digest::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
                };
                pbkdf2::derive(algorithm, *iterations, salt, text, &mut tag);
            }
            Scheme::Scrypt { log_n, r, p, salt, .. } => {
                // The library allocates. glibc may keep that memory (see RESERVED_BLOCKS) until the process ends.
                let params = scrypt::Params::new(*log_n, *r, *p).map_err(|_| HashError::Failed)?;
                scrypt::scrypt(text, salt, &params, &mut tag).map_err(|_| HashError::Failed)?;
            }
        }
        Ok(verify_slices_are_equal(&tag, expected).is_ok())
    }

    fn argon2_tag(
        &mut self,
        password: &Password,
        hash: &Argon2Hash,
        tag: &mut [u8],
    ) -> Result<(), HashError> {
        let Argon2Hash { algorithm, version, params, salt, pepper: _, tag: _ } = hash;
        let recipe = Recipe { algorithm: *algorithm, version: *version, params: *params, salt };
        self.argon2(password, &recipe, tag)?;
        let Some(key_id) = &hash.pepper else { return Ok(()) };
        // Looked up after the work: a lost key must not turn into an answer that is quick.
        let pepper = self.peppers.by_id(key_id).ok_or_else(|| HashError::UnknownPepper(key_id.clone()))?;
        let tag: &mut [u8; TAG_LEN] = tag.try_into().map_err(|_| HashError::Failed)?;
        pepper.apply(tag);
        Ok(())
    }

    /// Does the work of a hash for nobody.
    fn waste(&mut self, password: &Password, params: HashParams) -> Result<(), HashError> {
        let mut tag = [0; TAG_LEN];
        self.argon2(password, &Recipe::own(params, &[0; SALT_LEN]), &mut tag)?;
        std::hint::black_box(tag);
        Ok(())
    }

    fn argon2(&mut self, password: &Password, recipe: &Recipe<'_>, tag: &mut [u8]) -> Result<(), HashError> {
        let &Recipe { algorithm, version, params, salt } = recipe;
        let watch = Stopwatch::start();
        let library = Params::new(params.memory_kib(), params.passes(), params.lanes(), None)
            .map_err(|_| HashError::Failed)?;
        self.prepare_memory(library.block_count())?;
        self.tally.argon2.fetch_add(1, Ordering::Relaxed);
        self.tally.memory_kib.fetch_add(params.memory_kib().into(), Ordering::Relaxed);
        self.tally.passes.fetch_add(params.passes().into(), Ordering::Relaxed);
        self.tally.lanes.fetch_add(params.lanes().into(), Ordering::Relaxed);
        Argon2::new(algorithm, version, library)
            .hash_password_into_with_memory(password.expose().as_bytes(), salt, tag, &mut self.memory)
            .map_err(|_| HashError::Failed)?;
        if params == self.params {
            self.tally.learn(watch.elapsed());
        } else if params.memory_kib() > self.params.memory_kib() {
            // A hash from elsewhere must not raise what we keep between logins.
            self.release_memory();
        }
        Ok(())
    }

    fn prepare_memory(&mut self, blocks: usize) -> Result<(), HashError> {
        if self.memory.capacity() < blocks {
            self.release_memory();
            self.memory.try_reserve_exact(blocks.max(RESERVED_BLOCKS)).map_err(|_| HashError::Busy)?;
        }
        if self.memory.len() < blocks {
            self.memory.resize(blocks, Block::new());
        }
        Ok(())
    }

    fn costs_the_usual(&self, stored: &PasswordHash) -> bool {
        matches!(&stored.scheme, Scheme::Argon2(hash) if hash.params == self.params)
    }

    /// What is left to do when a cheaper hash took `spent`, so that its refusal takes as long as any other.
    /// Processor time is compared, because it does not count what the neighbours do.
    fn rest(&self, spent: Duration) -> Option<HashParams> {
        match self.tally.typical() {
            Some(typical) => self.params.share(1.0 - spent.as_secs_f64() / typical.as_secs_f64()),
            // Nothing to compare with yet: the whole work errs on the safe side and teaches us.
            None => Some(self.params),
        }
    }
}

impl Tally {
    fn typical(&self) -> Option<Duration> {
        let nanos = self.typical_nanos.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// Follows slowly, so that one slow round moves little. Threads may overwrite each other: any of their
    /// measurements will do.
    fn learn(&self, spent: Duration) {
        let spent = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX).max(1);
        let known = self.typical_nanos.load(Ordering::Relaxed);
        let next = if known == 0 { spent } else { known / 8 * 7 + spent / 8 };
        self.typical_nanos.store(next.max(1), Ordering::Relaxed);
    }
}

impl PasswordHash {
    fn tag(&self) -> &[u8] {
        match &self.scheme {
            Scheme::Argon2(hash) => &hash.tag,
            Scheme::Bcrypt { tag, .. } => tag,
            Scheme::Pbkdf2 { tag, .. } | Scheme::Scrypt { tag, .. } => tag,
        }
    }
}

/// bcrypt as old systems compute it: the password and a NUL, cut at 72 bytes.
fn bcrypt_tag(cost: u32, salt: [u8; 16], password: &[u8]) -> [u8; 23] {
    let mut key = Zeroizing::new([0; 72]);
    let used = password.len().min(72);
    key[..used].copy_from_slice(&password[..used]);
    let [tag @ .., _unused] = bcrypt::bcrypt(cost, salt, &key[..(used + 1).min(72)]);
    tag
}

/// Measures the processor time of the current thread.
struct Stopwatch(#[cfg(unix)] rustix::time::Timespec, #[cfg(not(unix))] std::time::Instant);

impl Stopwatch {
    #[cfg(unix)]
    fn start() -> Self {
        Self(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime))
    }

    #[cfg(unix)]
    fn elapsed(&self) -> Duration {
        let now = Self::start().0;
        let nanos = (i128::from(now.tv_sec) - i128::from(self.0.tv_sec)) * 1_000_000_000
            + (i128::from(now.tv_nsec) - i128::from(self.0.tv_nsec));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    #[cfg(not(unix))]
    fn start() -> Self {
        Self(std::time::Instant::now())
    }

    #[cfg(not(unix))]
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests;
