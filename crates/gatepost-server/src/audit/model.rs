//! The chain, as pure values: what is authenticated, in which order of bytes, under which key.
//!
//! Every code is an HMAC-SHA-256 (RFC 2104) under a key that is derived from the master key and is not in the database.
//! What goes in is framed: a label that says what is sealed and in which version, and each field with its length, so that
//! no two different rows have the same bytes.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::{Secret, Timestamp};

/// How many bytes of an entry go into the chain: its id and its code.
pub(super) const SEALED_LENGTH: usize = 16 + MAC_LENGTH;
/// The length of HMAC-SHA-256.
const MAC_LENGTH: usize = 32;

/// A row of the log as its columns' bytes.
pub(super) struct Raw {
    pub(super) id: Vec<u8>,
    pub(super) at: i64,
    pub(super) action: Vec<u8>,
    pub(super) actor: Option<Vec<u8>>,
    pub(super) user: Option<Vec<u8>>,
    pub(super) address: Option<Vec<u8>>,
    pub(super) user_agent: Option<Vec<u8>>,
    pub(super) request_id: Option<Vec<u8>>,
    pub(super) details: Vec<u8>,
}

/// A place in the chain and its code: `SEQ:MAC` in text, the code as 43 characters of base64url. Whoever keeps one
/// elsewhere can tell later that nothing up to there was changed, and that nothing was cut off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The number of the entry, counted from 1.
    pub seq: i64,
    /// Its code.
    pub(super) mac: Vec<u8>,
}

impl Head {
    /// What stands before the first entry.
    pub(super) fn beginning() -> Self {
        Self { seq: 0, mac: vec![0; MAC_LENGTH] }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, URL_SAFE_NO_PAD.encode(&self.mac))
    }
}

/// The text is not a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a head of the audit log: it is written SEQ:MAC, as `gatepost audit head` prints it")]
pub struct ParseHeadError;

impl FromStr for Head {
    type Err = ParseHeadError;

    fn from_str(text: &str) -> Result<Self, ParseHeadError> {
        // 19 digits, a colon, 43 characters.
        if text.len() > 63 {
            return Err(ParseHeadError);
        }
        let (seq, mac) = text.split_once(':').ok_or(ParseHeadError)?;
        if !seq.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseHeadError);
        }
        let seq = seq.parse().map_err(|_| ParseHeadError)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| ParseHeadError)?;
        if mac.len() == MAC_LENGTH { Ok(Self { seq, mac }) } else { Err(ParseHeadError) }
    }
}

/// Entries that were sealed together.
#[derive(Clone)]
pub(super) struct Segment {
    pub(super) number: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) sealed_at: Timestamp,
    pub(super) mac: Vec<u8>,
}

/// Up to where retention took entries away.
#[derive(Clone)]
pub(super) struct Floor {
    /// The last segment that went.
    pub(super) segment: i64,
    /// Its last entry: where the chain goes on.
    pub(super) head: Head,
    pub(super) mac: Vec<u8>,
}

/// The key of the chain.
#[derive(Clone)]
pub struct ChainKey(hmac::Key);

impl ChainKey {
    /// The chain's key from a key of its own.
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The code of the entry at `seq`, which follows the entry with the code `previous`.
    pub(super) fn entry(&self, previous: &[u8], seq: i64, row: &Raw) -> Vec<u8> {
        let Raw { id, at, action, actor, user, address, user_agent, request_id, details } = row;
        let mut frame = Frame::of("gatepost audit entry 1");
        frame.bytes(previous).number(seq).bytes(id).number(*at).bytes(action);
        for column in [actor, user, address, user_agent, request_id] {
            frame.optional(column.as_deref());
        }
        frame.bytes(details);
        self.sign(&frame)
    }

    /// The code of a segment whose last entry has the code `last`. It holds the times by which retention goes.
    pub(super) fn segment(&self, segment: &Segment, last: &[u8]) -> Vec<u8> {
        let mut frame = Frame::of("gatepost audit segment 1");
        frame.number(segment.number).number(segment.first).number(segment.last);
        frame.number(segment.sealed_at.as_micros()).bytes(last);
        self.sign(&frame)
    }

    /// The code of a floor: without it, whoever deletes the beginning could say that retention did.
    pub(super) fn floor(&self, segment: i64, head: &Head) -> Vec<u8> {
        let mut frame = Frame::of("gatepost audit floor 1");
        frame.number(segment).number(head.seq).bytes(&head.mac);
        self.sign(&frame)
    }

    fn sign(&self, frame: &Frame) -> Vec<u8> {
        hmac::sign(&self.0, &frame.0).as_ref().to_vec()
    }
}

/// Whether two codes are the same, in constant time.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

/// Bytes that can be read in one way only.
struct Frame(Vec<u8>);

impl Frame {
    fn of(label: &str) -> Self {
        let mut frame = Self(Vec::with_capacity(512));
        frame.bytes(label.as_bytes());
        frame
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        self.0.extend_from_slice(bytes);
        self
    }

    fn optional(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        self.0.push(u8::from(bytes.is_some()));
        self.bytes(bytes.unwrap_or_default())
    }

    fn number(&mut self, number: i64) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ChainKey {
        ChainKey::new(&Secret::new([7; 32]))
    }

    fn row() -> Raw {
        Raw {
            id: vec![1; 16],
            at: 5,
            action: b"signed_in".to_vec(),
            actor: None,
            user: Some(vec![2; 16]),
            address: Some(b"192.0.2.1".to_vec()),
            user_agent: Some(b"a".to_vec()),
            request_id: Some(b"r".to_vec()),
            details: b"{}".to_vec(),
        }
    }

    type Bend = fn(&mut Raw);

    #[test]
    fn az_07_every_column_and_every_place_changes_the_code() {
        let plain = key().entry(&[0; 32], 1, &row());
        let bends: [Bend; 11] = [
            |row| row.id[0] ^= 1,
            |row| row.at ^= 1,
            |row| row.action[0] ^= 1,
            |row| row.actor = row.user.take(),
            |row| row.user = None,
            |row| row.user = Some(Vec::new()),
            |row| row.address.as_mut().unwrap()[0] ^= 1,
            // A byte that moves from one column to its neighbour.
            |row| (row.user_agent, row.request_id) = (Some(b"ar".to_vec()), Some(Vec::new())),
            |row| (row.user_agent, row.request_id) = (None, Some(b"ar".to_vec())),
            |row| row.request_id = None,
            |row| row.details.push(b' '),
        ];
        let mut codes = vec![plain, key().entry(&[0; 32], 2, &row()), key().entry(&[1; 32], 1, &row())];
        for bend in bends {
            let mut bent = row();
            bend(&mut bent);
            codes.push(key().entry(&[0; 32], 1, &bent));
        }
        let all = codes.len();
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }

    #[test]
    fn a_head_reads_back_and_nothing_else_is_one() {
        let head = Head { seq: 17, mac: vec![9; 32] };
        assert_eq!(head.to_string().parse(), Ok(head.clone()));
        let text = head.to_string();
        for wrong in [
            "",
            ":",
            "17",
            "17:",
            "+17:x",
            &text[1..text.len() - 1],
            &format!("{text}A"),
            &format!(" {text}"),
        ] {
            assert_eq!(wrong.parse::<Head>(), Err(ParseHeadError), "{wrong}");
        }
        assert!(format!("9999999999999999999{}", &text[2..]).parse::<Head>().is_err());
    }
}
