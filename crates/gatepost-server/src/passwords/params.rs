//! What one Argon2id hash costs.

/// Argon2 parameters (RFC 9106 §3.1).
///
/// The default is the OWASP recommendation: 19,456 KiB, two passes, one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Why parameters were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashParamsError {
    /// Less work than any of the equivalent OWASP recommendations.
    #[error("below the floor: use at least 19456 KiB with 2 passes, or 47104/1, 12288/3, 9216/4, 7168/5")]
    BelowFloor,
    /// More memory or time than one hash may take.
    #[error(
        "more than {} KiB, or more than {} KiB times passes",
        HashParams::MAX_MEMORY_KIB,
        HashParams::MAX_WORK
    )]
    AboveCeiling,
    /// Not Argon2: no pass, no lane, more lanes than 64, or less than 8 KiB a lane.
    #[error("needs at least one pass, 1 to 64 lanes and 8 KiB a lane")]
    Invalid,
}

/// OWASP Password Storage Cheat Sheet: (KiB, passes) of equal strength, at one lane.
const FLOOR: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

impl HashParams {
    /// The most memory that one hash may take: 256 MiB.
    pub const MAX_MEMORY_KIB: u32 = 256 * 1_024;

    /// The most blocks of 1 KiB that one hash may fill: about a second on one core of 2020.
    pub const MAX_WORK: u64 = 1 << 20;

    /// Parameters that are strong enough to be used for new hashes.
    ///
    /// # Errors
    /// [`HashParamsError::BelowFloor`] when none of the OWASP recommendations is reached, and whatever
    /// [`HashParams::below_the_floor`] refuses.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, HashParamsError> {
        let params = Self::below_the_floor(memory_kib, passes, lanes)?;
        if FLOOR
            .iter()
            .any(|&(least_memory, least_passes)| memory_kib >= least_memory && passes >= least_passes)
        {
            Ok(params)
        } else {
            Err(HashParamsError::BelowFloor)
        }
    }

    /// Parameters of any strength: for hashes that another system made, and for tests that must be quick.
    /// Configuration goes through [`HashParams::new`].
    ///
    /// # Errors
    /// [`HashParamsError::Invalid`] when this is not Argon2, [`HashParamsError::AboveCeiling`] when one hash
    /// would take more memory or time than a stranger's hash may cost us.
    pub const fn below_the_floor(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, HashParamsError> {
        if passes == 0 || lanes == 0 || lanes > 64 || memory_kib < 8 * lanes {
            return Err(HashParamsError::Invalid);
        }
        let params = Self { memory_kib, passes, lanes };
        if memory_kib > Self::MAX_MEMORY_KIB || params.work() > Self::MAX_WORK {
            return Err(HashParamsError::AboveCeiling);
        }
        Ok(params)
    }

    /// Memory in KiB (`m`).
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory (`t`).
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// Lanes (`p`). They are computed one after the other: a login uses one core.
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Blocks of 1 KiB that are filled: what the running time is proportional to.
    pub const fn work(&self) -> u64 {
        self.memory_kib as u64 * self.passes as u64
    }

    /// The same shape with about `part` (0 to 1) of the work, or `None` when nothing worth doing is left.
    pub(super) fn share(&self, part: f64) -> Option<Self> {
        // Below 1/64 the overhead of starting is what one would measure.
        if part.is_nan() || part < 1.0 / 64.0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a u32, at least 0"
        )]
        let memory_kib = (f64::from(self.memory_kib) * part.min(1.0)) as u32;
        Self::below_the_floor(memory_kib.max(8 * self.lanes), self.passes, self.lanes).ok()
    }
}

impl Default for HashParams {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_and_each_owasp_row_reach_the_floor() {
        let default = HashParams::default();
        assert_eq!(HashParams::new(default.memory_kib, default.passes, default.lanes), Ok(default));
        for (memory, passes) in FLOOR {
            assert!(HashParams::new(memory, passes, 1).is_ok());
            assert_eq!(HashParams::new(memory - 1, passes, 1), Err(HashParamsError::BelowFloor));
        }
    }

    #[test]
    fn the_ceiling_bounds_memory_and_time() {
        assert!(HashParams::new(262_144, 4, 1).is_ok());
        assert_eq!(HashParams::new(262_145, 1, 1), Err(HashParamsError::AboveCeiling));
        assert_eq!(HashParams::new(262_144, 5, 1), Err(HashParamsError::AboveCeiling));
        assert_eq!(HashParams::new(19_456, u32::MAX, 1), Err(HashParamsError::AboveCeiling));
        for (memory, passes, lanes) in [(19_456, 0, 1), (19_456, 2, 0), (7, 1, 1), (19_456, 2, u32::MAX)] {
            assert_eq!(HashParams::new(memory, passes, lanes), Err(HashParamsError::Invalid));
        }
    }

    #[test]
    fn a_share_is_never_more_than_the_whole() {
        let whole = HashParams::default();
        assert_eq!(whole.share(7.0), Some(whole));
        assert_eq!(whole.share(0.5).map(|half| half.work() * 2), Some(whole.work()));
        assert_eq!(whole.share(0.0), None);
        assert_eq!(whole.share(-3.0), None);
        assert_eq!(whole.share(f64::NAN), None);
    }
}
