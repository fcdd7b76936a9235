//! Codes of an authenticator (RFC 6238), without a process for each: a walk needs thousands.

use aws_lc_rs::hmac;
use gatepost_kernel::Timestamp;

/// What an authenticator was told.
pub(crate) type Secret = Vec<u8>;

/// Reads base32 (RFC 4648 section 6) without padding.
pub(crate) fn secret(base32: &str) -> Secret {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in base32.bytes() {
        let value = if letter.is_ascii_digit() { letter - b'2' + 26 } else { letter - b'A' };
        held = (held << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).unwrap());
        }
    }
    bytes
}

/// The step of thirty seconds at this time.
pub(crate) fn step(now: Timestamp) -> i64 {
    now.as_secs().div_euclid(30)
}

/// The code of a step.
pub(crate) fn code(secret: &Secret, step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 0xf);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

#[test]
fn the_codes_are_those_of_rfc_6238() {
    let secret = secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert_eq!(secret, b"12345678901234567890");
    for (time, digits) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
        assert_eq!(code(&secret, step(Timestamp::from_secs(time))), digits);
    }
}
