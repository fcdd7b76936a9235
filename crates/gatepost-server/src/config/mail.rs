//! How mails leave.

use std::path::PathBuf;
use std::time::Duration;

use gatepost_kernel::Secret;
use lettre::message::Mailbox;

use super::problem::{Complaint, Source, quote};
use super::reader::Reader;
use super::setting::Setting;

/// How mails leave, and what they look like. It holds a secret, so it has no `Debug`.
#[derive(Clone)]
pub struct MailConfig {
    /// The mail server. `None`: mails are files in a local mailbox.
    pub smtp: Option<SmtpConfig>,
    /// Who the mails are from. `None`: `no-reply` at the host of the public URL.
    pub from: Option<Mailbox>,
    /// What the application is called in mails.
    pub app_name: String,
    /// A folder with templates that take the place of the built-in ones.
    pub templates_dir: Option<PathBuf>,
}

/// A mail server to hand mails to (RFC 6409). It holds a secret, so it has no `Debug`.
#[derive(Clone)]
pub struct SmtpConfig {
    /// Its name or address. Its certificate must have it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// Name and password, if it wants them.
    pub credentials: Option<(String, Secret<String>)>,
    /// How long one delivery may take.
    pub timeout: Duration,
    /// A file with one more certificate authority to trust, in PEM.
    pub ca_file: Option<PathBuf>,
}

/// How a connection to a mail server is encrypted. None of them falls back to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SmtpTls {
    /// From the first byte on (RFC 8314).
    Implicit,
    /// In clear until `STARTTLS`, which must succeed before anything else is said (RFC 3207).
    StartTls,
    /// Not at all.
    None,
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::unset(
        "mail.smtp.host",
        "'smtp.example.com'",
        "The mail server that takes our mails, with its port unless it is the usual one: 465 with tls, 587 with starttls, \
         25 with none. Unset: mails are files in the mailbox folder of data_dir, shown by \
         `gatepost mail list`.",
    ),
    Setting::new(
        "mail.smtp.tls",
        "'tls'",
        "How the connection is encrypted: tls (from the first byte on), starttls, or none (for a server on this \
         machine or a private network). Nothing ever falls back to clear text.",
    ),
    Setting::unset("mail.smtp.username", "'gatepost'", "The name to sign in to the mail server with."),
    Setting::secret("mail.smtp.password", "'(from the mail provider)'", "The password of that name."),
    Setting::new("mail.smtp.timeout", "'60s'", "How long the delivery of one mail may take, 1s to 4m."),
    Setting::unset(
        "mail.smtp.ca_file",
        "'/etc/ssl/mail-ca.pem'",
        "A certificate authority in PEM that is trusted besides those of the operating system.",
    ),
    Setting::unset(
        "mail.from",
        "'Example <no-reply@example.com>'",
        "Who the mails are from. Unset: mail.app_name, no-reply at the host of public_url.",
    ),
    Setting::new("mail.app_name", "'Gatepost'", "What your application is called in mails."),
    Setting::unset(
        "mail.templates_dir",
        "'/etc/gatepost/mails'",
        "A folder with mail templates of your own. Read at the start; what is missing or broken there is built in.",
    ),
];

pub(crate) fn read(reader: &mut Reader<'_>) -> MailConfig {
    MailConfig {
        smtp: read_smtp(reader),
        from: reader.parsed("mail.from", |text| {
            let refused = || {
                Complaint::new(format!("{} is not a mail address", quote(text)))
                    .hint("write it as \"Example <no-reply@example.com>\"")
            };
            if text.contains(char::is_control) { Err(refused()) } else { text.parse().map_err(|_| refused()) }
        }),
        app_name: reader.parsed("mail.app_name", app_name).unwrap_or_else(|| "Gatepost".to_owned()),
        templates_dir: reader.text("mail.templates_dir").map(PathBuf::from),
    }
}

fn read_smtp(reader: &mut Reader<'_>) -> Option<SmtpConfig> {
    let server = reader.parsed("mail.smtp.host", server);
    let modes = [("tls", SmtpTls::Implicit), ("starttls", SmtpTls::StartTls), ("none", SmtpTls::None)];
    let tls = reader.choice("mail.smtp.tls", modes);
    let username = reader.text("mail.smtp.username");
    let password = reader.secret("mail.smtp.password");
    let timeout = reader.duration("mail.smtp.timeout", Duration::from_secs(1)..=Duration::from_secs(240));
    let ca_file = reader.text("mail.smtp.ca_file").map(PathBuf::from);
    let (host, port) = server?;
    if let Some(key) = match (&username, &password) {
        (Some(_), None) => Some("mail.smtp.username"),
        (None, Some(_)) => Some("mail.smtp.password"),
        (Some(_), Some(_)) | (None, None) => None,
    } && reader.are_sound(&["mail.smtp.username", "mail.smtp.password"])
    {
        reader.refuse(key, Complaint::new("is set, but a mail server wants both a username and a password"));
    }
    if matches!(reader.source("mail.smtp.password"), Source::Flag(_)) {
        let complaint = Complaint::new("is a secret and every user of this machine can read command lines");
        reader.refuse("mail.smtp.password", complaint);
    }
    let is_here = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    if tls == SmtpTls::None && !is_here && username.is_some() {
        let complaint = Complaint::new("is none, so the password would travel in clear");
        reader.refuse("mail.smtp.tls", complaint.hint("write tls or starttls, or leave the username out"));
    }
    let usual = match tls {
        SmtpTls::StartTls => 587,
        SmtpTls::Implicit => 465,
        SmtpTls::None => 25,
    };
    let port = port.unwrap_or(usual);
    Some(SmtpConfig { host, port, tls, credentials: username.zip(password), timeout, ca_file })
}

/// A host, and a port if it is written behind a colon. An IPv6 address stands in brackets.
fn server(text: &str) -> Result<(String, Option<u16>), Complaint> {
    let refused = || {
        Complaint::new(format!("{} is not the name of a host", quote(text)))
            .hint("write it as \"smtp.example.com\" or \"smtp.example.com:2525\"")
    };
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        Some(_) | None => (text, None),
    };
    let port =
        port.map(|port| port.parse().ok().filter(|port| *port != 0).ok_or_else(refused)).transpose()?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let is_name = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if is_address || is_name { Ok((host.to_owned(), port)) } else { Err(refused()) }
}

/// A name that fits into a subject.
fn app_name(text: &str) -> Result<String, Complaint> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 60 || text.contains(char::is_control) {
        return Err(Complaint::new("is not a name of 1 to 60 characters"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Raw};

    fn smtp(text: &str) -> Result<SmtpConfig, String> {
        let raw = Raw::new().file("f", text);
        let config = Config::load(&raw).map_err(|problems| problems.to_string())?;
        Ok(config.mail.smtp.unwrap())
    }

    #[test]
    fn a_mail_server_has_the_usual_port_of_its_encryption() {
        for (text, host, port) in [
            ("mail.smtp.host = 'smtp.example.com'", "smtp.example.com", 465),
            ("mail.smtp = { host = 'smtp.example.com', tls = 'starttls' }", "smtp.example.com", 587),
            ("mail.smtp = { host = '127.0.0.1', tls = 'none' }", "127.0.0.1", 25),
            ("mail.smtp.host = 'smtp.example.com:2525'", "smtp.example.com", 2525),
            ("mail.smtp.host = '[::1]:2525'", "::1", 2525),
            ("mail.smtp.host = '::1'", "::1", 465),
        ] {
            let smtp = smtp(text).ok().unwrap();
            assert_eq!((smtp.host.as_str(), smtp.port), (host, port), "{text}");
        }
        for host in
            ["", "smtp.example.com:", "smtp.example.com:0", "a b", "smtp://a.example", "a.example/x", ":25"]
        {
            assert!(smtp(&format!("mail.smtp.host = '{host}'")).is_err(), "{host}");
        }
    }

    #[test]
    fn rel_26_mails_are_encrypted_from_the_first_byte_on_unless_somebody_asks_for_less() {
        assert_eq!(smtp("mail.smtp.host = 'smtp.example.com'").ok().unwrap().tls, SmtpTls::Implicit);
    }

    #[test]
    fn a_password_never_travels_in_clear_to_another_machine() {
        let text = |host: &str, tls: &str| {
            format!("mail.smtp = {{ host = '{host}', tls = '{tls}', username = 'u', password = 'p' }}")
        };
        assert!(smtp(&text("smtp.example.com", "none")).err().unwrap().contains("in clear"));
        assert!(smtp(&text("localhost", "none")).is_ok() && smtp(&text("::1", "none")).is_ok());
        assert!(smtp(&text("smtp.example.com", "starttls")).is_ok());
        assert!(
            smtp("mail.smtp = { host = 'smtp.example.com', username = 'u' }").err().unwrap().contains("both")
        );
    }

    #[test]
    fn rec_09_names_that_would_break_a_header_are_refused() {
        for text in [
            r#"mail.app_name = "a\r\nBcc: x""#,
            r#"mail.app_name = """#,
            r#"mail.from = "a@example.com\r\nBcc: x@example.com""#,
            r#"mail.from = "nobody""#,
        ] {
            assert!(Config::load(&Raw::new().file("f", text)).is_err(), "{text}");
        }
    }
}
