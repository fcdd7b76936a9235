//! The key that is not in the database.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::{Random, Secret};
use zeroize::Zeroize as _;

/// 256 bits that seal what the database must not tell a thief: private signing keys, successors of refresh tokens.
///
/// Each use has a key of its own, derived with HKDF-SHA-256 (RFC 5869).
#[derive(Clone)]
pub struct MasterKey(Secret<[u8; 32]>);

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or written.
    #[error("cannot use the master key file {0}")]
    Io(PathBuf, #[source] std::io::Error),
    /// Others may read the file.
    #[error("the master key file {0} can be read by others: run chmod 600 on it")]
    TooOpen(PathBuf),
    /// The file belongs to another user.
    #[error("the master key file {0} belongs to another user than the one that runs this program")]
    ForeignOwner(PathBuf),
    /// The text is not what was written there.
    #[error("the master key is not 43 characters of base64url (32 bytes)")]
    Malformed,
}

impl MasterKey {
    /// A key that was drawn elsewhere.
    pub const fn from_bytes(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The key that an operator configured: 43 characters of base64url.
    ///
    /// # Errors
    /// [`MasterKeyError::Malformed`].
    pub fn from_text(text: &str) -> Result<Self, MasterKeyError> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| MasterKeyError::Malformed)?;
        let key = bytes.as_slice().try_into().map_err(|_| MasterKeyError::Malformed);
        bytes.zeroize();
        Ok(Self(Secret::new(key?)))
    }

    /// The key in `master.key` of the data directory, which is made with mode 0600 if it is not there.
    ///
    /// # Errors
    /// [`MasterKeyError`], also when the file could be read by others.
    pub fn in_directory(data_dir: &Path, random: &Random) -> Result<Self, MasterKeyError> {
        let path = data_dir.join("master.key");
        match read_private(&path) {
            Err(MasterKeyError::Io(_, error)) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = make_private(data_dir, &path, random);
                made.map_err(|error| MasterKeyError::Io(path.clone(), error))?;
                // Whoever was first: another process may have made the file meanwhile.
                read_private(&path)
            }
            read => read,
        }
    }

    /// The key for one use. The label is part of what is derived: change it and everything sealed is lost.
    pub fn derive(&self, label: &'static str) -> ServerKey {
        ServerKey(Secret::new(expand(self.0.expose(), &[], label)))
    }
}

/// Reads a key file that only its owner can read.
fn read_private(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let io = |error| MasterKeyError::Io(path.to_owned(), error);
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(MasterKeyError::TooOpen(path.to_owned()));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(MasterKeyError::ForeignOwner(path.to_owned()));
    }
    let mut text = Secret::new(String::new());
    file.read_to_string(text.expose_mut()).map_err(io)?;
    MasterKey::from_text(text.expose())
}

/// Writes a new key file, whole and durable before it has its name: a half-written key, or a directory entry that a
/// power loss takes back, would be the loss of every sealed secret. An existing file is left alone.
fn make_private(data_dir: &Path, path: &Path, random: &Random) -> std::io::Result<()> {
    let text = Secret::new(URL_SAFE_NO_PAD.encode(random.bytes::<32>()));
    let draft = data_dir.join(format!("master.key.{:08x}", u32::from_le_bytes(random.bytes())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()?;
    let linked = match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    std::fs::remove_file(&draft)?;
    linked?;
    File::open(data_dir)?.sync_all()
}

/// The key for one use of the master key.
#[derive(Clone)]
pub struct ServerKey(Secret<[u8; 32]>);

impl ServerKey {
    /// A key that it takes `salt` to derive, too.
    pub fn salted(&self, salt: &[u8]) -> Self {
        Self(Secret::new(expand(self.0.expose(), salt, "gatepost salted key")))
    }

    /// The bare key, for uses other than sealing.
    pub fn into_bytes(self) -> Secret<[u8; 32]> {
        self.0
    }

    /// Seals a text under this key, bound to `context` (AES-256-GCM-SIV, RFC 8452).
    ///
    /// The nonce is derived from the context. That is sound here: the mode is misuse-resistant, so that equal nonces
    /// reveal at most whether two texts are equal, and every text that is sealed is random.
    pub fn seal(&self, context: &[u8], text: &[u8]) -> Vec<u8> {
        let mut sealed = text.to_vec();
        let done = self.aead().and_then(|key| {
            key.seal_in_place_append_tag(self.nonce(context), Aad::from(context), &mut sealed).ok()
        });
        // Sealing fails only for texts of 2^36 bytes. An empty seal opens to nothing.
        if done.is_none() {
            sealed.zeroize();
            sealed.clear();
        }
        sealed
    }

    /// Opens what [`ServerKey::seal`] sealed in the same context, or `None`.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        let mut text = sealed.to_vec();
        let length =
            self.aead()?.open_in_place(self.nonce(context), Aad::from(context), &mut text).ok()?.len();
        text.truncate(length);
        Some(Secret::new(text))
    }

    fn aead(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM_SIV, self.0.expose()).ok().map(LessSafeKey::new)
    }

    fn nonce(&self, context: &[u8]) -> Nonce {
        let bytes: [u8; NONCE_LEN] = expand(self.0.expose(), context, "gatepost nonce");
        Nonce::assume_unique_for_key(bytes)
    }
}

fn expand<const N: usize>(key: &[u8; 32], salt: &[u8], label: &str) -> [u8; N] {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = [0; N];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key);
    let info = [label.as_bytes()];
    let filled = prk.expand(&info, Length(N)).and_then(|okm| okm.fill(&mut out));
    debug_assert!(filled.is_ok(), "HKDF-SHA-256 gives up to 8,160 bytes");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MasterKey {
        MasterKey(Secret::new([7; 32]))
    }

    #[test]
    fn mfa_09_a_seal_opens_only_in_its_context_and_under_its_key() {
        let sealed = key().derive("a").seal(b"row 1", b"text");
        assert_eq!(key().derive("a").open(b"row 1", &sealed).unwrap().expose(), b"text");
        assert!(key().derive("a").open(b"row 2", &sealed).is_none());
        assert!(key().derive("b").open(b"row 1", &sealed).is_none());
        assert!(key().derive("a").salted(b"token").open(b"row 1", &sealed).is_none());
        let mut bent = sealed.clone();
        bent[0] ^= 1;
        assert!(key().derive("a").open(b"row 1", &bent).is_none());
        assert!(key().derive("a").open(b"row 1", &[]).is_none());
    }

    #[test]
    fn jwt_08_the_master_key_is_made_once_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let random = Random::system();
        let first = MasterKey::in_directory(folder.path(), &random).unwrap();
        let again = MasterKey::in_directory(folder.path(), &random).unwrap();
        assert_eq!(first.0.expose(), again.0.expose());
        let path = folder.path().join("master.key");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(MasterKey::in_directory(folder.path(), &random), Err(MasterKeyError::TooOpen(_))));
    }

    #[test]
    fn a_master_key_of_another_length_is_refused() {
        assert!(MasterKey::from_text(&URL_SAFE_NO_PAD.encode([1; 31])).is_err());
        assert!(MasterKey::from_text("not base64url!").is_err());
        assert!(MasterKey::from_text(&format!("{}\n", URL_SAFE_NO_PAD.encode([1; 32]))).is_ok());
    }
}
