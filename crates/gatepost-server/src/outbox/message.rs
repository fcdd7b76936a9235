//! A letter as it travels (RFC 5322).

use std::time::{Duration, UNIX_EPOCH};

use gatepost_kernel::{Secret, Timestamp};
use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};

use super::letter::Kind;
use super::templates::Rendered;

/// A mail on its way to a [`Transport`](super::Transport). It may hold a link, which is a secret.
pub struct Outgoing {
    /// The id of its row. It names the mail wherever it goes, so that a second copy is known for one.
    pub id: String,
    /// Which letter it is.
    pub kind: Kind,
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// What it says, for people without HTML.
    pub text: Secret<String>,
    /// The same as HTML.
    pub html: Secret<String>,
    /// The sender and recipient, as the mail server is told.
    pub envelope: Envelope,
    /// The whole message. The same at each attempt, byte for byte.
    pub bytes: Secret<Vec<u8>>,
}

/// What all mails of an installation have in common.
pub(super) struct Letterhead {
    pub(super) from: Mailbox,
    /// The host of the public URL.
    pub(super) host: String,
}

/// Why a mail cannot be written at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error("the recipient is no mail address")]
    Address(#[from] lettre::address::AddressError),
    #[error("the message cannot be put together")]
    Message(#[from] lettre::error::Error),
    #[error("a header would hold a line break")]
    LineBreak,
}

impl Letterhead {
    /// Puts a message together.
    pub(super) fn compose(
        &self,
        (id, kind): (String, Kind),
        to: &str,
        rendered: Rendered,
        at: Timestamp,
    ) -> Result<Outgoing, MessageError> {
        let Rendered { subject, text, html } = rendered;
        // The libraries below encode headers. That no line break gets that far does not depend on them.
        if [to, &subject, &id].iter().any(|header| header.contains(char::is_control)) {
            return Err(MessageError::LineBreak);
        }
        let recipient = Mailbox::new(None, to.parse()?);
        let since_epoch = Duration::from_secs(u64::try_from(at.as_secs()).unwrap_or(0));
        let message = Message::builder()
            .from(self.from.clone())
            .to(recipient)
            .subject(subject.clone())
            .message_id(Some(format!("<{id}@{}>", self.host)))
            .date(UNIX_EPOCH + since_epoch)
            // RFC 3834: vacation notices are not sent to it.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .multipart(
                MultiPart::alternative()
                    .boundary(format!("gatepost-{id}"))
                    .singlepart(part(ContentType::TEXT_PLAIN, &text))
                    .singlepart(part(ContentType::TEXT_HTML, &html)),
            )?;
        let (envelope, bytes) = (message.envelope().clone(), Secret::new(message.formatted()));
        Ok(Outgoing { id, kind, to: to.to_owned(), subject, text, html, envelope, bytes })
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Quoted-printable, always: it passes every server, and a person can read it in a file.
fn part(kind: ContentType, text: &Secret<String>) -> SinglePart {
    let encoding = ContentTransferEncoding::QuotedPrintable;
    let body = Body::new_with_encoding(text.expose().clone(), encoding);
    // Quoted-printable takes every text; what it is given comes back from encodings that do not.
    let body = body.unwrap_or_else(|_| Body::dangerous_pre_encoded(Vec::new(), encoding));
    SinglePart::builder().header(kind).body(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::letter::Letter;
    use crate::outbox::templates::Templates;

    fn letterhead() -> Letterhead {
        let from = "Łantern Club <no-reply@example.com>".parse().unwrap();
        Letterhead { from, host: "auth.example.com".to_owned() }
    }

    fn composed(to: &str, subject: &str) -> Result<Outgoing, MessageError> {
        let text = Secret::new("text".to_owned());
        let rendered = Rendered { subject: subject.to_owned(), html: text.clone(), text };
        letterhead().compose(("id".to_owned(), Kind::SessionStolen), to, rendered, Timestamp::from_secs(1))
    }

    #[test]
    fn rec_09_no_line_break_gets_into_a_header() {
        for break_in in ["\r\nBcc: eve@example.com", "\nx", "\rx", "\0", "\u{85}"] {
            assert!(composed(&format!("ada@example.com{break_in}"), "subject").is_err(), "{break_in:?}");
            assert!(composed("ada@example.com", &format!("subject{break_in}")).is_err(), "{break_in:?}");
        }
        assert!(composed("ada@example.com, eve@example.com", "subject").is_err());
        assert!(composed("ada@example.com", "a sübject").is_ok());
    }

    #[test]
    fn a_message_is_the_same_at_each_attempt_and_pure_ascii() {
        let letter = Letter::samples().remove(0);
        let message = || {
            let rendered = Templates::new("Łantern", None).render(letter.kind(), &letter.details()).unwrap();
            let id = "019b76da-a800-7b30-9a44-3f1d5c2e8b10".to_owned();
            let at = Timestamp::from_secs(1_767_225_600);
            letterhead().compose((id, letter.kind()), "ada@example.com", rendered, at).unwrap()
        };
        let bytes = message().bytes;
        assert_eq!(bytes.expose(), message().bytes.expose());
        assert!(bytes.expose().is_ascii());
        insta::assert_snapshot!(String::from_utf8(bytes.expose().clone()).unwrap().replace('\r', ""));
    }
}
