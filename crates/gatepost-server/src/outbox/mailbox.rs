//! The local mailbox: where mails go while no mail server is configured. One file a mail, for its owner's eyes only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::message::Outgoing;
use super::transport::{SendError, Sending, Transport};

/// A file larger than this is no mail of ours.
const LARGEST: u64 = 4 * 1024 * 1024;
/// How many mails are kept. A mailbox is for looking at, and strangers can have mails written.
const KEPT: usize = 1_000;

/// A folder of mails.
#[derive(Clone)]
pub struct Mailbox(PathBuf);

/// A mail in the mailbox, read back. What it says may hold a link.
#[derive(Clone)]
pub struct StoredMail {
    /// Its id, which is the name of its file.
    pub id: String,
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// When it was sent, as the message says.
    pub date: String,
    /// What it says.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

impl Mailbox {
    /// The mailbox of a data directory. The folder is made with the first mail.
    pub fn in_directory(data_dir: &Path) -> Self {
        Self(data_dir.join("mailbox"))
    }

    /// The mails, newest first, at most this many.
    ///
    /// # Errors
    /// When the folder cannot be read. One that is not there is empty.
    pub fn list(&self, limit: usize) -> std::io::Result<Vec<StoredMail>> {
        let ids = self.ids()?;
        ids.iter().take(limit).filter_map(|id| self.show(id).transpose()).collect()
    }

    /// The ids, newest first.
    fn ids(&self) -> std::io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            if let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".eml")).filter(|id| is_id(id))
            {
                ids.push(id.to_owned());
            }
        }
        // Ids sort by time.
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// One mail.
    ///
    /// # Errors
    /// When its file is there and cannot be read.
    pub fn show(&self, id: &str) -> std::io::Result<Option<StoredMail>> {
        if !is_id(id) {
            return Ok(None);
        }
        let file = match File::open(self.0.join(format!("{id}.eml"))) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(Some(StoredMail::read(id, &bytes)))
    }

    /// Writes a mail, whole and durable before it has its name.
    fn put(&self, id: &str, bytes: &[u8]) -> std::io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let (draft, path) = (self.0.join(format!(".{id}.draft")), self.0.join(format!("{id}.eml")));
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            // Of a process that was killed in the middle.
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, &path)?;
        self.forget_the_oldest(id);
        File::open(&self.0)?.sync_all()
    }

    /// Keeps the newest mails, and the one that was just written.
    fn forget_the_oldest(&self, written: &str) {
        let ids = self.ids().unwrap_or_default();
        for id in ids.iter().skip(KEPT).filter(|id| *id != written) {
            // Where it stays, the next mail tries again: the mail itself is delivered.
            drop(std::fs::remove_file(self.0.join(format!("{id}.eml"))));
        }
    }
}

impl Transport for Mailbox {
    fn send<'a>(&'a self, mail: &'a Outgoing) -> Sending<'a> {
        Box::pin(async move {
            let (mailbox, id, bytes) = (self.clone(), mail.id.clone(), mail.bytes.clone());
            let put = tokio::task::spawn_blocking(move || mailbox.put(&id, bytes.expose())).await;
            let put = put.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            put.map_err(|error| SendError::Transient(format!("cannot write to the mailbox: {error}")))
        })
    }
}

/// Whether a name is the id of a mail, and so no path to anywhere else.
fn is_id(name: &str) -> bool {
    name.len() == 36 && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

impl StoredMail {
    /// Reads a message as [`Outgoing`] writes it. Of any other message it shows what it finds.
    fn read(id: &str, bytes: &[u8]) -> Self {
        let message = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let (head, body) = message.split_once("\n\n").unwrap_or((&message, ""));
        let part = |kind: &str| {
            let mut parts = body.split("\n--gatepost-").filter_map(|part| part.split_once("\n\n"));
            let found = parts.find(|(head, _)| head.to_ascii_lowercase().contains(kind));
            found.map(|(_, text)| quoted_printable(text)).unwrap_or_default()
        };
        Self {
            id: id.to_owned(),
            to: header(head, "to"),
            subject: encoded_words(&header(head, "subject")),
            date: header(head, "date"),
            text: part("text/plain"),
            html: part("text/html"),
        }
    }
}

/// The value of a header, unfolded (RFC 5322 section 2.2.3).
fn header(head: &str, name: &str) -> String {
    let mut lines = head
        .lines()
        .skip_while(|line| !line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name)));
    let Some((_, value)) = lines.next().and_then(|line| line.split_once(':')) else {
        return String::new();
    };
    let mut value = value.trim().to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(line.trim());
    }
    value
}

/// Decodes quoted-printable (RFC 2045 section 6.7). What is no such code stays as it is.
fn quoted_printable(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte != b'=' {
            out.push(byte);
            continue;
        }
        if bytes.get(at) == Some(&b'\n') {
            at += 1; // a line that was only broken for the way
            continue;
        }
        let code = bytes.get(at..at + 2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 2;
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Decodes the words `=?utf-8?b?…?=` of a header (RFC 2047), the only kind that we write.
fn encoded_words(text: &str) -> String {
    use base64::Engine as _;
    let mut out = String::new();
    let mut after_code = false;
    for word in text.split(' ') {
        let code = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
        let decoded = code.and_then(|code| base64::engine::general_purpose::STANDARD.decode(code).ok());
        // Between two codes, the space is part of neither.
        let between_codes = after_code && decoded.is_some();
        if !out.is_empty() && !between_codes {
            out.push(' ');
        }
        after_code = decoded.is_some();
        match decoded {
            Some(bytes) => out.push_str(&String::from_utf8_lossy(&bytes)),
            None => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::outbox::letter::Letter;
    use crate::outbox::message::Letterhead;
    use crate::outbox::templates::Templates;
    use gatepost_kernel::Timestamp;

    const ID: &str = "019b76da-a800-7b30-9a44-3f1d5c2e8b10";

    #[tokio::test]
    async fn a_mail_is_a_private_file_and_is_read_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mailbox = Mailbox::in_directory(folder.path());
        assert!(mailbox.list(10).unwrap().is_empty());
        let templates = Templates::new("Łantern Club of Zürich, a name that is long enough to fold", None);
        let letterhead =
            Letterhead { from: "no-reply@example.com".parse().unwrap(), host: "example.com".to_owned() };
        for letter in Letter::samples() {
            let rendered = templates.render(letter.kind(), &letter.details()).unwrap();
            let (subject, text, html) =
                (rendered.subject.clone(), rendered.text.clone(), rendered.html.clone());
            let id = (ID.to_owned(), letter.kind());
            let mail = letterhead.compose(id, "ada@example.com", rendered, Timestamp::from_secs(0)).unwrap();
            mailbox.send(&mail).await.unwrap();
            let stored = mailbox.show(ID).unwrap().unwrap();
            assert_eq!((stored.to.as_str(), &stored.subject), ("ada@example.com", &subject));
            assert_eq!(stored.text.trim_end(), text.expose().trim_end());
            assert_eq!(stored.html.trim_end(), html.expose().trim_end());
        }
        assert_eq!(mailbox.list(10).unwrap().len(), 1, "the same mail again takes the place of the first");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&folder.path().join("mailbox")), 0o700);
        assert_eq!(mode(&folder.path().join(format!("mailbox/{ID}.eml"))), 0o600);
    }

    #[test]
    fn the_newest_thousand_mails_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mailbox = Mailbox::in_directory(folder.path());
        std::fs::create_dir(&mailbox.0).unwrap();
        let id = |number: usize| format!("019b76da-a800-7b30-9a44-{number:012x}");
        for number in 10..KEPT + 20 {
            std::fs::write(mailbox.0.join(format!("{}.eml", id(number))), "").unwrap();
        }
        std::fs::write(mailbox.0.join("notes.txt"), "mine").unwrap();
        mailbox.put(&id(KEPT + 20), b"the newest").unwrap();
        let ids = mailbox.ids().unwrap();
        assert_eq!((ids.len(), ids[0].as_str(), ids[KEPT - 1].as_str()), (KEPT, &*id(KEPT + 20), &*id(21)));
        // A dead letter of long ago that was owed again is there to be read.
        mailbox.put(&id(1), b"late").unwrap();
        assert!(mailbox.show(&id(1)).unwrap().is_some());
        assert!(mailbox.0.join("notes.txt").exists(), "files of others stay");
    }

    #[test]
    fn a_name_that_is_no_id_is_no_path() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret.eml"), "x").unwrap();
        let mailbox = Mailbox::in_directory(folder.path());
        for name in ["../secret", "", ".", "../../../../../../../../../etc/passwd", &"/".repeat(36)] {
            assert!(mailbox.show(name).unwrap().is_none(), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_file_can_be_shown(bytes in proptest::collection::vec(0_u8.., 0..400)) {
            StoredMail::read(ID, &bytes);
        }
    }
}
