//! ECDSA signatures with one form each.
//!
//! For a signature `(r, s)` also `(r, n - s)` verifies. That lets anybody who holds a token write a second
//! token with the same claims. Nothing of ours relies on the bytes of a token, but somebody's cache or deny
//! list will; so, as elsewhere in the field, only the lower `s` is written and accepted. Every verifier reads
//! what we write.

/// `n - 1` halved, for the order `n` of P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3), big-endian.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Whether `r || s`, 32 bytes each, has the lower of its two values of `s`.
pub(crate) fn is_low_s(signature: &[u8]) -> bool {
    signature.len() == 64 && signature[32..] <= HALF_ORDER[..]
}

/// Gives `r || s` the lower of its two values of `s`.
pub(crate) fn lower_s(signature: &mut [u8]) {
    if signature.len() == 64 && !is_low_s(signature) {
        negate_s(signature);
    }
}

/// Replaces `s` by `n - s`, for an `s` below `n`.
pub(crate) fn negate_s(signature: &mut [u8]) {
    let mut borrow = 0;
    for (digit, order) in signature.iter_mut().skip(32).zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = difference.to_be_bytes()[1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_s(s: [u8; 32]) -> [u8; 64] {
        let mut signature = [7; 64];
        signature[32..].copy_from_slice(&s);
        signature
    }

    #[test]
    fn the_middle_is_low_and_the_next_number_is_brought_back_to_it() {
        let mut above = HALF_ORDER;
        above[31] += 1;
        assert!(is_low_s(&with_s(HALF_ORDER)));
        assert!(!is_low_s(&with_s(above)));

        let mut signature = with_s(above);
        lower_s(&mut signature);
        assert_eq!(signature, with_s(HALF_ORDER));
        lower_s(&mut signature);
        assert_eq!(signature, with_s(HALF_ORDER));
    }

    #[test]
    fn the_largest_s_becomes_one() {
        let mut largest = ORDER;
        largest[31] -= 1;
        let mut signature = with_s(largest);
        lower_s(&mut signature);
        let mut one = [0; 32];
        one[31] = 1;
        assert_eq!(signature, with_s(one));
    }
}
