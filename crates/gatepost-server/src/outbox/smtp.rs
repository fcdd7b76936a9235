//! Handing mails to a mail server (RFC 5321, RFC 6409).

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use super::courier;
use super::line_by_line::LineByLine;
use super::message::Outgoing;
use super::transport::{SendError, Sending, Transport};
use crate::config::{SmtpConfig, SmtpTls};

/// How long a connection is kept for the next mail. Servers end idle ones after five minutes (RFC 5321 section 4.5.3.2.7).
const IDLE: Duration = Duration::from_secs(60);

/// A mail server. Connections are kept for the next mail, but only those that have said everything they had to say: one
/// that was left in the middle would answer the next mail with the answers to this one.
pub(super) struct Smtp {
    config: SmtpConfig,
    tls: Option<TlsParameters>,
    hello: ClientId,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// Why there is no mail server to talk to.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The file of `mail.smtp.ca_file` cannot be read.
    #[error("cannot read the certificate authority {0}")]
    CaFile(PathBuf, #[source] std::io::Error),
    /// It holds no certificate, or TLS cannot be set up.
    #[error("TLS to the mail server cannot be set up")]
    Tls(#[source] Error),
}

impl Smtp {
    /// A mail server that was configured. Nothing is said to it yet.
    pub(super) fn new(config: SmtpConfig, host: &str) -> Result<Self, SmtpError> {
        let tls = match config.tls {
            SmtpTls::None => None,
            SmtpTls::StartTls | SmtpTls::Implicit => {
                let mut builder = TlsParameters::builder(config.host.clone());
                if let Some(path) = &config.ca_file {
                    let pem = std::fs::read(path).map_err(|error| SmtpError::CaFile(path.clone(), error))?;
                    builder =
                        builder.add_root_certificate(Certificate::from_pem(&pem).map_err(SmtpError::Tls)?);
                }
                Some(builder.build_rustls().map_err(SmtpError::Tls)?)
            }
        };
        let hello = ClientId::Domain(host.to_owned());
        Ok(Self { config, tls, hello, idle: Mutex::default() })
    }

    /// Sends over one connection from beginning to end.
    async fn send_now(&self, mail: &Outgoing) -> Result<(), SendError> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            // Whatever is refused here has nothing to do with the mail: the password, the certificate, the server.
            None => self.connect().await.map_err(|error| SendError::Transient(explained(&*error)))?,
        };
        let sent = connection.send(&mail.envelope, mail.bytes.expose()).await;
        match sent {
            Ok(_) => {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.push((connection, Instant::now()));
                Ok(())
            }
            Err(error) if error.is_permanent() && !is_about_us(&error) => {
                Err(SendError::Permanent(explained(&error)))
            }
            Err(error) => Err(SendError::Transient(explained(&error))),
        }
    }

    /// A connection that an earlier mail left behind and that still answers.
    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() < IDLE && !connection.has_broken() && connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Box<dyn std::error::Error + Send + Sync>> {
        let SmtpConfig { host, port, tls, timeout, .. } = &self.config;
        let wrapper = self.tls.clone().filter(|_| *tls == SmtpTls::Implicit);
        let server = (host.as_str(), *port);
        let mut connection = match (&self.tls, tls) {
            (Some(parameters), SmtpTls::StartTls) => {
                let stream = Box::new(LineByLine::connect(server).await?);
                let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await?;
                // A server that does not offer it is an error, and nothing more is said to it.
                connection.starttls(parameters.clone(), &self.hello).await?;
                connection
            }
            (_, SmtpTls::StartTls | SmtpTls::Implicit | SmtpTls::None) => {
                AsyncSmtpConnection::connect_tokio1(server, Some(*timeout), &self.hello, wrapper, None)
                    .await?
            }
        };
        if let Some((name, password)) = &self.config.credentials {
            let credentials = Credentials::new(name.clone(), password.expose().clone());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
        }
        Ok(connection)
    }
}

/// The longest that somebody waits for a greeting.
const GREETING: Duration = Duration::from_secs(10);

/// Sees whether the mail server would take mails: it answers, its certificate is one that we trust, and it lets us sign in.
/// No mail is sent.
///
/// # Errors
/// [`SendError`]: what stands in the way.
pub async fn greet(config: &SmtpConfig, issuer: &str) -> Result<(), SendError> {
    let smtp = Smtp::new(config.clone(), &courier::host(issuer));
    let smtp = smtp.map_err(|error| SendError::Permanent(error.to_string()))?;
    match tokio::time::timeout(config.timeout.min(GREETING), smtp.connect()).await {
        Ok(Ok(mut connection)) => {
            connection.abort().await;
            Ok(())
        }
        Ok(Err(error)) => Err(SendError::Transient(explained(&*error))),
        Err(_) => Err(SendError::Transient("the mail server took too long".to_owned())),
    }
}

impl Transport for Smtp {
    fn send<'a>(&'a self, mail: &'a Outgoing) -> Sending<'a> {
        Box::pin(async move {
            // When the time is over, the connection is dropped with what was under way.
            match tokio::time::timeout(self.config.timeout, self.send_now(mail)).await {
                Ok(sent) => sent,
                Err(_) => Err(SendError::Transient("the mail server took too long".to_owned())),
            }
        })
    }
}

/// Whether a server that refuses for good speaks of us and not of the mail: it wants another sign-in or more encryption
/// (RFC 4954 section 6, RFC 3207 section 4). Once the operator has mended that, the mail is welcome.
fn is_about_us(error: &Error) -> bool {
    let code = error.status().map(u16::from);
    matches!(code, Some(421 | 523 | 530 | 534 | 535 | 538))
}

/// An error and its causes. The courier takes out what the server quotes.
fn explained(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
