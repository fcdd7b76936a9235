//! The mails that the application under test owes.

use std::sync::{Arc, Mutex, PoisonError};

use gatepost_server::outbox::{Courier, Kind, Outgoing, SendError, Sending, Transport};

use crate::app::TestApp;

/// A mail that was delivered to nobody but the test.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The id of its row, and the local part of its `Message-ID`.
    pub id: String,
    /// Which letter it is.
    pub kind: Kind,
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// The whole message.
    pub message: String,
    /// Where its link leads, if it has one.
    pub link: Option<String>,
    /// The token of its link.
    pub token: Option<String>,
}

impl Delivered {
    fn of(mail: &Outgoing) -> Self {
        let text = mail.text.expose().clone();
        let link = text.split_whitespace().find(|word| word.contains("#token=")).map(str::to_owned);
        Self {
            id: mail.id.clone(),
            kind: mail.kind,
            to: mail.to.clone(),
            subject: mail.subject.clone(),
            html: mail.html.expose().clone(),
            message: String::from_utf8(mail.bytes.expose().clone()).unwrap(),
            token: link
                .as_deref()
                .and_then(|link| link.split_once("#token="))
                .map(|(_, token)| token.to_owned()),
            link,
            text,
        }
    }

    /// The token of its link.
    #[track_caller]
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_else(|| panic!("no link in: {}", self.text))
    }
}

/// A transport that keeps what it is given.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<Delivered>>>);

impl Captured {
    fn take(&self) -> Vec<Delivered> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Transport for Captured {
    fn send<'a>(&'a self, mail: &'a Outgoing) -> Sending<'a> {
        Box::pin(async move {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Delivered::of(mail));
            Ok::<_, SendError>(())
        })
    }
}

impl TestApp {
    /// Delivers every mail that any node owes and that is due, and returns them in the order of their delivery; to one
    /// address, that is the order in which they were owed.
    pub async fn mails(&self) -> Vec<Delivered> {
        let captured = Captured::default();
        Courier::with(&self.app, Arc::new(captured.clone())).deliver().await.unwrap();
        let mails = captured.take();
        for token in mails.iter().filter_map(|mail| mail.token.as_deref()) {
            self.is_secret("token of a mail", token);
        }
        mails
    }

    /// The only mail that is due, of this kind and to this address.
    pub async fn mail(&self, kind: Kind, to: &str) -> Delivered {
        let mut mails = self.mails().await;
        let found: Vec<_> = mails.iter().map(|mail| (mail.kind, mail.to.as_str())).collect();
        assert_eq!(found, [(kind, to)]);
        mails.remove(0)
    }
}
