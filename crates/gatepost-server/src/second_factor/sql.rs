//! Every statement on the tables of the second factor.

use gatepost_db::{DbError, ReadTx, WriteTx, params, statements};
use gatepost_kernel::{Id, Random, Timestamp, TokenHash};

use super::browser::Tie;
use super::model::{CredentialId, DAY, Failures, QUARTER};
use crate::ids::{SessionId, UserId};
use crate::sessions::Wanted;

statements! {
    PUT_PENDING = "INSERT INTO pending_totp (session_id, user_id, credential_id, sealed, expires_at) \
        VALUES (?1, ?2, ?3, ?4, ?5) \
        ON CONFLICT (session_id) DO UPDATE SET credential_id = excluded.credential_id, sealed = excluded.sealed, \
        expires_at = excluded.expires_at";
    PENDING = "SELECT credential_id, sealed FROM pending_totp WHERE session_id = ?1 AND user_id = ?2 AND expires_at > ?3";
    FORGET_PENDING = "DELETE FROM pending_totp WHERE user_id = ?1";
    PURGE_PENDING = "DELETE FROM pending_totp WHERE expires_at < ?1";

    INSERT_CREDENTIAL = "INSERT INTO totp_credentials (user_id, id, sealed, last_used_step, created_at) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    CREDENTIAL = "SELECT id, sealed, last_used_step, closed_until FROM totp_credentials WHERE user_id = ?1";
    /// The compare-and-swap of a code: a step is used once, and steps only grow.
    USE_STEP = "UPDATE totp_credentials SET last_used_step = ?3 WHERE user_id = ?1 AND id = ?2 AND last_used_step < ?3";
    CLOSE = "UPDATE totp_credentials SET closed_until = ?2 WHERE user_id = ?1";
    FORGET_CREDENTIAL = "DELETE FROM totp_credentials WHERE user_id = ?1";

    INSERT_ATTEMPT = "INSERT INTO second_factor_attempts (id, user_id, at) VALUES (?1, ?2, ?3)";
    COUNT_ATTEMPTS = "SELECT COALESCE(SUM(CASE WHEN at > ?2 THEN 1 ELSE 0 END), 0), count(*) \
        FROM second_factor_attempts WHERE user_id = ?1 AND at > ?3";
    FORGET_ATTEMPTS = "DELETE FROM second_factor_attempts WHERE user_id = ?1";
    PURGE_ATTEMPTS = "DELETE FROM second_factor_attempts WHERE at < ?1";

    INSERT_CODE = "INSERT INTO recovery_codes (user_id, code_hash, created_at) VALUES (?1, ?2, ?3)";
    UNUSED_CODES = "SELECT code_hash FROM recovery_codes WHERE user_id = ?1 AND used_at IS NULL";
    /// The compare-and-swap of a recovery code.
    USE_CODE = "UPDATE recovery_codes SET used_at = ?3 WHERE user_id = ?1 AND code_hash = ?2 AND used_at IS NULL";
    FORGET_CODES = "DELETE FROM recovery_codes WHERE user_id = ?1";

    INSERT_CHALLENGE = "INSERT INTO second_factor_challenges (token_hash, user_id, auth_epoch, client_id, device_name, \
        wanted, tie, tie_hash, failures, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9)";
    CHALLENGE = "SELECT user_id, auth_epoch, client_id, device_name, wanted, tie, tie_hash \
        FROM second_factor_challenges WHERE token_hash = ?1 AND expires_at > ?2 AND failures < ?3";
    COUNT_FAILURE = "UPDATE second_factor_challenges SET failures = failures + 1 WHERE token_hash = ?1";
    /// The compare-and-swap of a challenge: of any number who answer it at once, one finds it.
    CONSUME_CHALLENGE = "DELETE FROM second_factor_challenges WHERE token_hash = ?1";
    FORGET_CHALLENGES = "DELETE FROM second_factor_challenges WHERE user_id = ?1";
    PURGE_CHALLENGES = "DELETE FROM second_factor_challenges WHERE expires_at < ?1";
}

/// A kind of [`Id`]: one wrong code.
enum AttemptKind {}

/// A secret that waits for its first code.
pub(super) struct Pending {
    pub(super) credential: CredentialId,
    pub(super) sealed: Vec<u8>,
}

/// An enrolled authenticator.
pub(super) struct Credential {
    pub(super) id: CredentialId,
    pub(super) sealed: Vec<u8>,
    pub(super) last_used_step: i64,
    pub(super) closed_until: Option<Timestamp>,
}

/// A sign-in that waits for its second factor.
pub(super) struct ChallengeRow {
    pub(super) user: UserId,
    pub(super) epoch: i64,
    pub(super) client_id: String,
    pub(super) device: Option<String>,
    pub(super) wanted: Wanted,
    pub(super) tie: Tie,
}

pub(super) fn put_pending(
    tx: &mut WriteTx<'_>,
    (session, user): (SessionId, UserId),
    pending: &Pending,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    let Pending { credential, sealed } = pending;
    tx.execute(&PUT_PENDING, &params![session, user, credential, sealed, expires_at]).map(|_| ())
}

pub(super) fn pending(
    tx: &mut ReadTx<'_>,
    session: SessionId,
    user: UserId,
    now: Timestamp,
) -> Result<Option<Pending>, DbError> {
    tx.query_opt(&PENDING, &params![session, user, now], |row| {
        Ok(Pending { credential: row.get(0)?, sealed: row.get(1)? })
    })
}

pub(super) fn insert_credential(
    tx: &mut WriteTx<'_>,
    user: UserId,
    pending: &Pending,
    step: i64,
    now: Timestamp,
) -> Result<(), DbError> {
    let made =
        tx.execute(&INSERT_CREDENTIAL, &params![user, pending.credential, pending.sealed, step, now])?;
    if made == 0 {
        // Another confirmation was faster, and this snapshot cannot see it: only a rerun can tell.
        return Err(DbError::Conflict);
    }
    tx.execute(&FORGET_PENDING, &params![user]).map(|_| ())
}

pub(super) fn credential(tx: &mut ReadTx<'_>, user: UserId) -> Result<Option<Credential>, DbError> {
    tx.query_opt(&CREDENTIAL, &params![user], |row| {
        Ok(Credential {
            id: row.get(0)?,
            sealed: row.get(1)?,
            last_used_step: row.get(2)?,
            closed_until: row.get(3)?,
        })
    })
}

pub(super) fn use_step(
    tx: &mut WriteTx<'_>,
    user: UserId,
    credential: CredentialId,
    step: i64,
) -> Result<bool, DbError> {
    Ok(tx.execute(&USE_STEP, &params![user, credential, step])? == 1)
}

/// Counts one more wrong code, and returns how many there are.
pub(super) fn count_attempt(
    tx: &mut WriteTx<'_>,
    user: UserId,
    now: Timestamp,
    random: &Random,
) -> Result<Failures, DbError> {
    let id = Id::<AttemptKind>::generate(now, random);
    tx.execute(&INSERT_ATTEMPT, &params![id, user, now])?;
    tx.query_one(&COUNT_ATTEMPTS, &params![user, now.minus(QUARTER), now.minus(DAY)], |row| {
        Ok(Failures { within_quarter: row.get(0)?, within_day: row.get(1)? })
    })
}

pub(super) fn forget_attempts(tx: &mut WriteTx<'_>, user: UserId) -> Result<(), DbError> {
    tx.execute(&FORGET_ATTEMPTS, &params![user]).map(|_| ())
}

pub(super) fn close(tx: &mut WriteTx<'_>, user: UserId, until: Timestamp) -> Result<(), DbError> {
    tx.execute(&CLOSE, &params![user, until]).map(|_| ())
}

pub(super) fn replace_codes(
    tx: &mut WriteTx<'_>,
    user: UserId,
    hashes: &[TokenHash],
    now: Timestamp,
) -> Result<(), DbError> {
    tx.execute(&FORGET_CODES, &params![user])?;
    for hash in hashes {
        tx.execute(&INSERT_CODE, &params![user, hash, now])?;
    }
    Ok(())
}

pub(super) fn unused_codes(tx: &mut ReadTx<'_>, user: UserId) -> Result<Vec<TokenHash>, DbError> {
    tx.query_all(&UNUSED_CODES, &params![user], |row| row.get(0))
}

pub(super) fn use_code(
    tx: &mut WriteTx<'_>,
    user: UserId,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx.execute(&USE_CODE, &params![user, hash, now])? == 1)
}

pub(super) fn insert_challenge(
    tx: &mut WriteTx<'_>,
    token: &TokenHash,
    challenge: &ChallengeRow,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    let ChallengeRow { user, epoch, client_id, device, wanted, tie } = challenge;
    let (tie, tie_hash) = tie.columns();
    tx.execute(
        &INSERT_CHALLENGE,
        &params![token, user, epoch, client_id, device, wanted.name(), tie, tie_hash, expires_at],
    )?;
    Ok(())
}

/// The challenge with this token, if it can still be answered.
pub(super) fn challenge(
    tx: &mut ReadTx<'_>,
    token: &TokenHash,
    now: Timestamp,
    tries: i64,
) -> Result<Option<ChallengeRow>, DbError> {
    let found = tx.query_opt(&CHALLENGE, &params![token, now, tries], |row| {
        let (wanted, tie): (String, String) = (row.get(4)?, row.get(5)?);
        let tie_hash = row.get(6)?;
        let (user, epoch, client_id, device) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        // What this version does not know cannot be answered by it.
        Ok(Wanted::from_name(&wanted)
            .zip(Tie::from_columns(&tie, tie_hash))
            .map(|(wanted, tie)| ChallengeRow { user, epoch, client_id, device, wanted, tie }))
    })?;
    Ok(found.flatten())
}

pub(super) fn count_failure(tx: &mut WriteTx<'_>, token: &TokenHash) -> Result<(), DbError> {
    tx.execute(&COUNT_FAILURE, &params![token]).map(|_| ())
}

pub(super) fn consume_challenge(tx: &mut WriteTx<'_>, token: &TokenHash) -> Result<bool, DbError> {
    Ok(tx.execute(&CONSUME_CHALLENGE, &params![token])? == 1)
}

/// Forgets all that an account has of a second factor. Whether there was an authenticator.
pub(super) fn forget(tx: &mut WriteTx<'_>, user: UserId) -> Result<bool, DbError> {
    for statement in [&FORGET_PENDING, &FORGET_ATTEMPTS, &FORGET_CODES, &FORGET_CHALLENGES] {
        tx.execute(statement, &params![user])?;
    }
    Ok(tx.execute(&FORGET_CREDENTIAL, &params![user])? > 0)
}

pub(super) fn purge(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<u64, DbError> {
    let expired =
        tx.execute(&PURGE_CHALLENGES, &params![now])? + tx.execute(&PURGE_PENDING, &params![now])?;
    Ok(expired + tx.execute(&PURGE_ATTEMPTS, &params![now.minus(DAY)])?)
}
