//! What a letter looks like: compiled-in templates, which an operator may override one by one.
//!
//! A letter has two files, `<kind>.txt` and `<kind>.html`; both may use `footer.txt` and `layout.html`. The first line of
//! the text is the subject. It is a template of its own that knows the name of the application and nothing else, so that
//! no text from outside can stand in a subject.

use std::path::Path;
use std::sync::Arc;

use gatepost_kernel::Secret;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Value, json};

use super::letter::{Kind, Letter};

/// A file larger than this is no letter.
const LARGEST: u64 = 256 * 1024;

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_str!(concat!("templates/", $name)))),+] };
}

/// The file names and texts of the templates that are compiled in.
pub const BUILT_IN: &[(&str, &str)] = built_in![
    "layout.html",
    "footer.txt",
    "verify_address.txt",
    "verify_address.html",
    "confirm_address.txt",
    "confirm_address.html",
    "address_changing.txt",
    "address_changing.html",
    "address_changed.txt",
    "address_changed.html",
    "reset_password.txt",
    "reset_password.html",
    "password_changed.txt",
    "password_changed.html",
    "new_device.txt",
    "new_device.html",
    "second_factor_changed.txt",
    "second_factor_changed.html",
    "recovery_code_used.txt",
    "recovery_code_used.html",
    "too_many_failures.txt",
    "too_many_failures.html",
    "session_stolen.txt",
    "session_stolen.html",
    "invitation.txt",
    "invitation.html",
    "account_exists.txt",
    "account_exists.html",
    "awaiting_approval.txt",
    "awaiting_approval.html",
    "account_approved.txt",
    "account_approved.html",
];

/// The templates of an installation. Cloning shares them.
#[derive(Clone)]
pub(super) struct Templates(Arc<Parts>);

struct Parts {
    app_name: String,
    built_in: Environment<'static>,
    /// The built-in ones with the operator's laid over them, if there are any.
    own: Option<Environment<'static>>,
}

/// A letter in words. It may hold a link, which is a secret.
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: Secret<String>,
    pub(super) html: Secret<String>,
}

/// Why a template gives no letter.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplateError {
    #[error(transparent)]
    Template(#[from] minijinja::Error),
    #[error("the first line, which is the subject, is empty, too long or holds control characters")]
    Subject,
}

impl Templates {
    /// The built-in templates, and those of a folder over them. A file there that cannot be read or gives no letter is
    /// warned of, and the built-in one is used.
    pub(super) fn new(app_name: &str, folder: Option<&Path>) -> Self {
        let built_in = environment(BUILT_IN.iter().map(|(name, text)| (*name, (*text).to_owned())));
        let overrides = folder.map(read_overrides).unwrap_or_default();
        let own = (!overrides.is_empty()).then(|| {
            let texts = BUILT_IN.iter().map(|(name, text)| {
                let own = overrides.iter().find(|(known, _)| known == name);
                (*name, own.map_or_else(|| (*text).to_owned(), |(_, text)| text.clone()))
            });
            environment(texts)
        });
        let templates = Self(Arc::new(Parts { app_name: app_name.to_owned(), built_in, own }));
        for letter in Letter::samples() {
            // Says now, and not with the first mail, which template is broken.
            drop(templates.render(letter.kind(), &letter.details()));
        }
        templates
    }

    /// Puts a letter into words.
    pub(super) fn render(&self, kind: Kind, details: &Value) -> Result<Rendered, TemplateError> {
        let name = &self.0.app_name;
        if let Some(own) = &self.0.own {
            match render(own, name, kind, details) {
                Ok(rendered) => return Ok(rendered),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    letter = kind.name(),
                    "a mail template of mail.templates_dir is broken: the built-in one is used"
                ),
            }
        }
        render(&self.0.built_in, name, kind, details)
    }
}

fn render(
    environment: &Environment<'_>,
    app_name: &str,
    kind: Kind,
    details: &Value,
) -> Result<Rendered, TemplateError> {
    let name = kind.name();
    let mut context = details.clone();
    if let Value::Object(members) = &mut context {
        members.insert("app_name".to_owned(), app_name.into());
    }
    let render = |file: String, context: &Value| -> Result<String, minijinja::Error> {
        environment.get_template(&file)?.render(minijinja::value::Serde(context))
    };
    let subject = render(format!("{name}.subject"), &json!({ "app_name": app_name }))?;
    let subject = subject.trim();
    if subject.is_empty() || subject.chars().count() > 200 || subject.contains(char::is_control) {
        return Err(TemplateError::Subject);
    }
    Ok(Rendered {
        subject: subject.to_owned(),
        text: Secret::new(render(format!("{name}.txt"), &context)?),
        html: Secret::new(render(format!("{name}.html"), &context)?),
    })
}

/// An environment with these templates. One that does not even parse is left out, and warned of when it is used.
fn environment(texts: impl Iterator<Item = (&'static str, String)>) -> Environment<'static> {
    let mut environment = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    // A name that a template misspells is a mistake, not an empty place. Asking whether it is there is allowed.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
    });
    for (name, text) in texts {
        let added = match name.strip_suffix(".txt").filter(|letter| Kind::parse(letter).is_some()) {
            Some(letter) => {
                let (subject, body) = text.split_once('\n').unwrap_or((&text, ""));
                let subject = environment.add_template_owned(format!("{letter}.subject"), subject.to_owned());
                subject.and_then(|()| {
                    environment.add_template_owned(name, body.trim_start_matches(['\r', '\n']).to_owned())
                })
            }
            None => environment.add_template_owned(name, text),
        };
        if let Err(error) = added {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                file = name,
                "a mail template is broken"
            );
        }
    }
    environment
}

/// The files of a folder that have the names of templates.
fn read_overrides(folder: &Path) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (name, _) in BUILT_IN {
        let path = folder.join(name);
        let length = match std::fs::metadata(&path) {
            Ok(file) => file.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                tracing::warn!(%error, file = %path.display(), "cannot read a mail template");
                continue;
            }
        };
        match std::fs::read_to_string(&path) {
            Ok(text) if length <= LARGEST => found.push((*name, text)),
            Ok(_) => tracing::warn!(file = %path.display(), "a mail template is larger than 256 KiB"),
            Err(error) => tracing::warn!(%error, file = %path.display(), "cannot read a mail template"),
        }
    }
    if !folder.is_dir() {
        tracing::warn!(folder = %folder.display(), "mail.templates_dir is no folder");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Gone;

    #[test]
    fn every_letter_reads_as_it_should() {
        let templates = Templates::new("Lantern Club", None);
        for letter in Letter::samples() {
            let details = letter.details();
            let rendered = templates.render(letter.kind(), &details).unwrap();
            let suffix = details.get("what").and_then(Value::as_str).unwrap_or("it");
            let whole = format!(
                "Subject: {}\n\n{}\n======== HTML\n{}",
                rendered.subject,
                rendered.text.expose(),
                rendered.html.expose()
            );
            insta::assert_snapshot!(format!("{}_{suffix}", letter.kind().name()), whole);
        }
    }

    #[test]
    fn a_change_of_password_that_took_nothing_along_says_so_of_nothing() {
        let (at, gone) = (gatepost_kernel::Timestamp::from_secs(0), Gone::default());
        let letter = Letter::PasswordChanged { at, device: None, gone };
        let rendered = Templates::new("Lantern Club", None).render(letter.kind(), &letter.details()).unwrap();
        for text in [rendered.text.expose(), rendered.html.expose()] {
            assert!(text.contains("was changed on 1970-01-01, 00:00 UTC."), "{text}");
            assert!(text.contains("there is nothing to do"), "{text}");
            assert!(!text.contains("second factor") && !text.contains("API keys"), "{text}");
        }
    }

    #[test]
    fn every_kind_has_a_sample_and_two_templates() {
        for kind in Kind::ALL {
            assert!(Letter::samples().iter().any(|letter| letter.kind() == *kind), "{kind:?}");
            for suffix in ["txt", "html"] {
                let name = format!("{}.{suffix}", kind.name());
                assert!(BUILT_IN.iter().any(|(known, _)| *known == name), "{name}");
            }
        }
        assert_eq!(BUILT_IN.len(), 2 + 2 * Kind::ALL.len());
    }

    #[test]
    fn rec_09_text_from_outside_is_escaped_in_html_and_absent_from_subjects() {
        let device = "<script>alert(1)</script>\" {{ link }}\r\nBcc: eve@example.com".to_owned();
        let letter = Letter::NewDevice {
            device: device.clone(),
            address: "192.0.2.1".to_owned(),
            location: Some(device),
            at: gatepost_kernel::Timestamp::from_secs(0),
        };
        let rendered = Templates::new("A & B", None).render(letter.kind(), &letter.details()).unwrap();
        let html = rendered.html.expose();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("&lt;script&gt;") && html.contains("{{ link }}"), "{html}");
        assert!(!rendered.text.expose().contains("\r\nBcc"), "{}", rendered.text.expose());
        assert_eq!(rendered.subject, "A & B: a sign-in on a new device");
    }

    #[test]
    fn an_override_is_used_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("session_stolen.txt", "Ahoy from {{ app_name }}\n\nSigned out.\n");
        write("awaiting_approval.txt", "Hello {{ nobody }}\n\nText.\n");
        write("address_changed.html", "{% if %}");
        write("new_device.txt", "Signed in on {{ device }}\n\nText.\n");
        write("unknown.txt", "Never read");
        let templates = Templates::new("Lantern Club", Some(folder.path()));
        let render = |kind: Kind| {
            let samples = Letter::samples();
            let letter = samples.iter().find(|letter| letter.kind() == kind).unwrap();
            templates.render(kind, &letter.details()).unwrap()
        };
        let own = render(Kind::SessionStolen);
        assert_eq!(own.subject, "Ahoy from Lantern Club");
        assert_eq!(own.text.expose(), "Signed out.");
        assert_eq!(render(Kind::AwaitingApproval).subject, "Lantern Club: your account waits for approval");
        assert!(render(Kind::AddressChanged).html.expose().contains("Sign in with the new one from now on"));
        // A subject knows nothing but the name of the application.
        assert_eq!(render(Kind::NewDevice).subject, "Lantern Club: a sign-in on a new device");
    }
}
