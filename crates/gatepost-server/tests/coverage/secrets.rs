//! Where secrets may be seen: the rules that the type cannot hold by itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::source;

/// The files that take a secret out of its custody, and why. A new one wants a second pair of eyes.
#[rustfmt::skip]
const EXPOSE: &[(&str, &str)] = &[
    ("crates/gatepost-db/src/postgres/connector.rs", "the URL of the database, parsed to connect"),
    ("crates/gatepost-kernel/src/opaque.rs", "the token that is handed out once"),
    ("crates/gatepost-problem/src/bearer.rs", "the token of a request, to be verified"),
    ("crates/gatepost-server/src/api_keys/create.rs", "a key is hashed, and answered once"),
    ("crates/gatepost-server/src/attempts/device_cookie.rs", "a device cookie is made and verified"),
    ("crates/gatepost-server/src/attempts/target.rs", "keys become HMAC keys, a device cookie is read"),
    ("crates/gatepost-server/src/audit/model.rs", "the key of the chain becomes an HMAC key"),
    ("crates/gatepost-server/src/config/database.rs", "the URL of the database, judged and shown without its password"),
    ("crates/gatepost-server/src/config/limits.rs", "the URL of Redis is judged"),
    ("crates/gatepost-server/src/config/reader.rs", "the length and form of a configured secret"),
    ("crates/gatepost-server/src/http/caller.rs", "the access token goes to its verification"),
    ("crates/gatepost-server/src/http/credential.rs", "the prefix tells a key from a token"),
    ("crates/gatepost-server/src/http/csrf.rs", "the double-submit token is compared"),
    ("crates/gatepost-server/src/http/health.rs", "the token of the metrics is hashed"),
    ("crates/gatepost-server/src/http/session_cookies.rs", "the id of a browser session goes into its cookie, once"),
    ("crates/gatepost-server/src/imports/export.rs", "hashes leave in a file, where they were asked for"),
    ("crates/gatepost-server/src/imports/known.rs", "a hash of a file is compared with the stored one"),
    ("crates/gatepost-server/src/imports/row.rs", "a hash of a file is parsed"),
    ("crates/gatepost-server/src/keys/master.rs", "keys are derived, sealed and opened"),
    ("crates/gatepost-server/src/keys/ring.rs", "the private half of a key is sealed"),
    ("crates/gatepost-server/src/outbox/letter.rs", "the link of a mail is written into what is sealed"),
    ("crates/gatepost-server/src/outbox/mailbox_key.rs", "the key is made, compared, and written into its link and its cookie"),
    ("crates/gatepost-server/src/outbox/mailbox.rs", "a mail goes to its file, for its owner's eyes only"),
    ("crates/gatepost-server/src/outbox/message.rs", "a letter is written into the message"),
    ("crates/gatepost-server/src/outbox/smtp.rs", "the mail goes to the mail server, and so does the configured password"),
    ("crates/gatepost-server/src/outbox/owe.rs", "a mail is sealed, its address hashed"),
    ("crates/gatepost-server/src/limits/redis.rs", "the URL of Redis, parsed to connect"),
    ("crates/gatepost-server/src/passwords/password.rs", "a password is normalised, measured and wiped"),
    ("crates/gatepost-server/src/passwords/pepper.rs", "the pepper is mixed in"),
    ("crates/gatepost-server/src/passwords/phc.rs", "the text of a hash goes to its row"),
    ("crates/gatepost-server/src/passwords/policy.rs", "a new password is judged"),
    ("crates/gatepost-server/src/passwords/sql.rs", "the text of a hash goes to its row"),
    ("crates/gatepost-server/src/passwords/stored.rs", "a stored hash is held against the one that was read before"),
    ("crates/gatepost-server/src/passwords/verify.rs", "a password is hashed and compared"),
    ("crates/gatepost-server/src/recovery/link.rs", "a link's token is hashed, and written into its mail"),
    ("crates/gatepost-server/src/second_factor/browser.rs", "the cookie of a sign-in that has begun is hashed"),
    ("crates/gatepost-server/src/second_factor/challenge.rs", "the challenge is handed out once, and hashed"),
    ("crates/gatepost-server/src/second_factor/codes.rs", "recovery codes are answered, once"),
    ("crates/gatepost-server/src/second_factor/enrol.rs", "the secret of an authenticator is shown once"),
    ("crates/gatepost-server/src/second_factor/factors.rs", "an opened secret is read, recovery codes are hashed"),
    ("crates/gatepost-server/src/second_factor/judge.rs", "a presented code is judged"),
    ("crates/gatepost-server/src/second_factor/mod.rs", "recovery codes are read and written for the fuzzer"),
    ("crates/gatepost-server/src/second_factor/recovery_code.rs", "recovery codes are read, and written out once"),
    ("crates/gatepost-server/src/second_factor/totp.rs", "codes are computed, and the secret written out once"),
    ("crates/gatepost-server/src/sessions/cookie.rs", "the id of a browser session is hashed"),
    ("crates/gatepost-server/src/sessions/model.rs", "refresh tokens are hashed, and written out once"),
    ("crates/gatepost-server/src/sessions/refresh.rs", "a sealed successor is opened"),
    ("crates/gatepost-server/src/sign_in/answer.rs", "tokens are answered, once"),
    ("crates/gatepost-server/src/sign_in/logout.rs", "tokens go to their verification"),
    ("crates/gatepost-server/src/sign_in/refresh.rs", "the refresh token goes to its exchange"),
    ("crates/gatepost-server/src/sign_in/token.rs", "the refresh token goes to its exchange, a client's secret to its comparison"),
    ("crates/gatepost-server/src/sign_up/accept_invitation.rs", "the invitation's token is hashed"),
    ("crates/gatepost-server/src/sign_up/invitation.rs", "the invitation's token is hashed, and written into its mail"),
    ("crates/gatepost-server/src/sign_up/setup.rs", "the link's token is hashed"),
    ("crates/gatepost-server/src/sign_up/setup_link.rs", "the link is shown once, and its token hashed"),
    ("crates/gatepost/src/export.rs", "accounts are written to their file, with hashes where they were asked for"),
    ("crates/gatepost/src/user.rs", "the link of an invitation is printed, once"),
    ("crates/gatepost/src/context.rs", "the configured master key is decoded"),
    ("crates/gatepost/src/secret_input.rs", "a typed password is read, trimmed and compared with its repetition"),
    ("crates/gatepost-token/src/signing.rs", "the stored key is read to sign with"),
];

#[test]
fn a_secret_is_exposed_only_where_it_must_be() {
    let found: BTreeSet<_> = source::files()
        .into_iter()
        .filter(|file| {
            [".expose()", ".expose_mut()", "::expose)"].iter().any(|word| file.code.contains(word))
        })
        .map(|file| file.path)
        .collect();
    let known: BTreeSet<_> = EXPOSE.iter().map(|(path, _)| (*path).to_owned()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "these files expose secrets; say why in the list above: {new:#?}");
    let stale: Vec<_> = known.difference(&found).collect();
    assert!(stale.is_empty(), "these files expose nothing any more: {stale:#?}");
}

/// What holds a secret cannot be printed by accident. (`Secret` itself has no `Debug`; the rule is for what wraps it, and
/// for whoever might give it one.)
#[test]
fn what_holds_a_secret_derives_no_debug_and_no_serialize() {
    let mut holders = BTreeMap::new();
    for file in source::files() {
        for item in items(&file.code) {
            if item.body.contains("Secret<") || item.body.contains("OpaqueToken") {
                holders.insert(format!("{} in {}", item.name, file.path), item);
            }
        }
    }
    assert!(holders.len() > 10, "{:#?}", holders.keys());
    for (name, item) in holders {
        assert!(!item.derives("Debug"), "{name} holds a secret and derives Debug");
        // An answer may show a token once, through a function that is named for it.
        let shown = item.body.matches("shown_once").count();
        let secrets = item.body.matches("Secret<").count();
        assert!(
            !item.derives("Serialize") || shown == secrets,
            "{name} holds a secret and derives Serialize"
        );
    }
}

#[derive(Debug)]
struct Item {
    name: String,
    attributes: String,
    body: String,
}

impl Item {
    fn derives(&self, name: &str) -> bool {
        source::between(&self.attributes, "derive(", ")")
            .any(|traits| traits.split(", ").any(|one| one.rsplit("::").next() == Some(name)))
    }
}

/// The structs and enums of a file, with what stands before and in them.
fn items(code: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut attributes = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let declaration = ["pub ", "pub(super) ", "pub(crate) "]
            .iter()
            .find_map(|visibility| trimmed.strip_prefix(visibility))
            .unwrap_or(trimmed);
        if let Some(rest) = declaration.strip_prefix("struct ").or_else(|| declaration.strip_prefix("enum "))
        {
            let end = |letter: char| letter != '_' && !letter.is_alphanumeric();
            let name = rest.split(end).next().unwrap_or_default().to_owned();
            let mut body = rest.to_owned();
            if !line.ends_with(';') && !line.ends_with('}') {
                // To the brace that stands as deep as the declaration: rustfmt saw to it.
                for line in lines.by_ref() {
                    if line.starts_with(&format!("{}}}", " ".repeat(indent))) {
                        break;
                    }
                    body.push_str(line);
                }
            }
            items.push(Item { name, attributes: std::mem::take(&mut attributes), body });
        } else if trimmed.starts_with("#[") || !attributes.is_empty() && !trimmed.is_empty() {
            attributes.push_str(line);
            // An attribute may take several lines; anything else ends it.
            if !trimmed.starts_with("#[") && (trimmed.ends_with(';') || trimmed.ends_with('{')) {
                attributes.clear();
            }
        } else {
            attributes.clear();
        }
    }
    items
}

#[test]
fn a_leaky_struct_is_noticed() {
    let code = "#[derive(Clone, Debug)]\npub(super) struct Leaky {\n    token: Secret<String>,\n}\n\n\
        #[derive(Clone)]\n#[schema(as = X, example = json!({\n    \"a\": 1\n}))]\nstruct Tight(Secret<String>);\nfn f() {}\nenum Kind {\n    One,\n}\n";
    let items = items(code);
    let seen: Vec<_> = items
        .iter()
        .map(|item| (item.name.as_str(), item.derives("Debug"), item.body.contains("Secret<")))
        .collect();
    assert_eq!(seen, [("Leaky", true, true), ("Tight", false, true), ("Kind", false, false)]);
}
