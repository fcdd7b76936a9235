//! The laws of configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::reader::Reader;
use super::setting::env_name;
use super::value::Value;
use super::*;
use crate::passwords::PasswordPolicy;

fn file(text: &str) -> Raw {
    Raw::new().file("gatepost.toml", text)
}

fn problems(raw: &Raw) -> Vec<ConfigProblem> {
    Config::load(raw).err().map(|problems| problems.to_vec()).unwrap_or_default()
}

/// The only problem of a configuration, as an operator reads it.
fn problem(raw: &Raw) -> String {
    let problems = problems(raw);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].to_string()
}

mod declarations {
    use super::*;

    #[test]
    fn every_declared_setting_is_read_and_every_setting_read_is_declared() {
        let raw = Raw::new();
        let mut reader = Reader::new(&raw);
        let _ = Config::read(&mut reader);
        let declared: BTreeSet<_> = settings().map(|setting| setting.key).collect();
        assert_eq!(reader.keys_read(), &declared);
    }

    #[test]
    fn no_two_settings_share_a_variable() {
        let mut owners = BTreeMap::new();
        for key in settings().flat_map(Setting::keys) {
            let other = owners.insert(env_name(&key), key.clone());
            assert_eq!(other, None, "{key}");
        }
        for (reserved, _) in RESERVED_ENV {
            assert!(!owners.contains_key(*reserved), "{reserved}");
        }
    }

    #[test]
    fn no_variable_of_ours_looks_like_a_service_link() {
        for setting in settings() {
            let raw = Raw::new().env([(setting.env_name(), "tcp://10.0.0.1:80")]);
            assert!(raw.get(setting.key).is_some(), "{setting:?}");
        }
    }

    #[test]
    fn every_setting_has_a_default_or_an_example_and_a_sentence() {
        for setting in settings() {
            assert!(setting.default.is_empty() != setting.example.is_empty(), "{setting:?}");
            assert!(
                Value::from_toml_text(setting.default).is_some() || setting.default.is_empty(),
                "{setting:?}"
            );
            assert!(setting.doc.ends_with('.'), "{setting:?}");
            assert!(
                setting.kind == Kind::Plain || setting.default.is_empty(),
                "{setting:?}: a secret with a default"
            );
        }
    }

    #[test]
    fn the_example_equals_the_defaults_once_uncommented() {
        let uncommented: String = example()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let raw = file(&uncommented);
        assert_eq!(problems(&raw), []);
        for setting in settings() {
            let given = raw.get(setting.key).map(|given| given.value.to_toml());
            assert_eq!(given, setting.default_value().map(|value| value.to_toml()), "{setting:?}");
        }
    }

    #[test]
    fn the_example_as_it_is_changes_nothing() {
        let raw = file(&example());
        assert_eq!(problems(&raw), []);
        assert!(settings().all(|setting| raw.get(setting.key).is_none()));
    }

    #[test]
    fn the_examples_of_unset_settings_are_accepted() {
        for setting in settings().filter(|setting| setting.kind == Kind::Plain && !setting.example.is_empty())
        {
            assert_eq!(problems(&file(&format!("{} = {}", setting.key, setting.example))), [], "{setting:?}");
        }
    }
}

mod layers {
    use super::*;

    #[test]
    fn with_nothing_given_the_server_starts_on_loopback() {
        let config = Config::load(&Raw::new()).ok().unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.server.issuer(8080), "http://127.0.0.1:8080");
        assert!(
            matches!(config.database.location, DatabaseLocation::Sqlite(path) if path.ends_with("data/gatepost.db"))
        );
        assert_eq!(config.tokens.access_ttl, Duration::from_secs(900));
        assert_eq!(config.passwords, PasswordConfig::default());
        assert_eq!(config.http.limits(), crate::http::HttpLimits::default());
        assert!(config.keys.master_key.is_none());
    }

    #[test]
    fn flags_beat_the_environment_which_beats_the_file_which_beats_the_default() {
        let ttl = |raw: &Raw| Config::load(raw).ok().unwrap().tokens.access_ttl.as_secs() / 60;
        let raw = Raw::new();
        assert_eq!(ttl(&raw), 15);
        let raw = raw.file("f", "tokens.access_ttl = '10m'");
        assert_eq!(ttl(&raw), 10);
        let raw = raw.env([("GATEPOST_TOKENS_ACCESS_TTL", "5m")]);
        assert_eq!(ttl(&raw), 5);
        let raw = raw.flags([("tokens.access_ttl", "2m", "--access-ttl")]);
        assert_eq!(ttl(&raw), 2);
    }

    #[test]
    fn the_environment_can_set_every_type() {
        let raw = Raw::new().env([
            ("GATEPOST_DOCS_ENABLED", "false"),
            ("GATEPOST_HTTP_MAX_CONNECTIONS", "7"),
            ("GATEPOST_TOKENS_REPLAY_WINDOW", "0"),
            ("GATEPOST_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("GATEPOST_PASSWORD_POLICY", "nist_strict"),
        ]);
        let config = Config::load(&raw).ok().unwrap();
        assert!(!config.docs.enabled);
        assert_eq!(config.http.max_connections, 7);
        assert_eq!(config.tokens.replay_window, Duration::ZERO);
        assert_eq!(config.server.trusted_proxies.len(), 2);
        assert_eq!(config.passwords.policy, PasswordPolicy::NistStrict);
    }

    #[test]
    fn an_empty_variable_is_unset_unless_it_is_a_secret() {
        let raw = Raw::new().env([("GATEPOST_PUBLIC_URL", ""), ("GATEPOST_DATABASE_URL_FILE", "")]);
        assert_eq!(problems(&raw), []);
        let raw = Raw::new().env([("GATEPOST_KEYS_MASTER_KEY", "")]);
        assert!(problem(&raw).contains("is empty"));
    }

    #[test]
    fn foreign_reserved_and_injected_variables_are_left_alone() {
        let raw = Raw::new().env([
            ("PATH", "/bin"),
            ("GATEPOST_CONFIG", "x.toml"),
            ("GATEPOST_ADMIN_EMAIL", "a@example.com"),
            ("GATEPOST_ADMIN_PASSWORD", "hunter2"),
            ("GATEPOST_ADMIN_PASSWORD_FILE", "/run/secrets/admin"),
            ("GATEPOST_TEST_POSTGRES", "1"),
            ("GATEPOST_SERVICE_HOST", "10.0.0.1"),
            ("GATEPOST_SERVICE_PORT", "80"),
            ("GATEPOST_SERVICE_PORT_HTTP", "80"),
            ("GATEPOST_PORT", "tcp://10.0.0.1:80"),
            ("GATEPOST_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("GATEPOST_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("GATEPOST_DB_PORT_5432_TCP_PROTO", "tcp"),
        ]);
        assert_eq!(problems(&raw), []);
    }
}

mod mistakes {
    use super::*;

    #[test]
    fn every_problem_is_reported_at_once_with_its_place_and_a_hint() {
        let raw = file("listen = '0.0.0.0:80'\n[password]\npolicy = 'modren'\nhistroy = 3\n[tokens]\naccess_ttl = '2h'\n")
            .env([("GATEPOST_LOG_LEVLE", "info"), ("GATEPOST_HTTP_MAX_CONNECTIONS", "many")])
            .flags([("public_url", "http://auth.example.com", "--public-url")]);
        let text = Config::load(&raw).err().unwrap().to_string();
        insta::assert_snapshot!(text, @r"
        The configuration has 6 problems:

          1. password.histroy (gatepost.toml:4): is not a setting
             hint: did you mean `password.history`?

          2. GATEPOST_LOG_LEVLE: is not a setting
             hint: did you mean `GATEPOST_LOG_LEVEL`?

          3. public_url (--public-url): `http://auth.example.com` is not https
             hint: let a reverse proxy end TLS and write https://; http is for localhost

          4. password.policy (gatepost.toml:3): `modren` is not one of modern, classic, nist_strict
             hint: did you mean `modern`?

          5. tokens.access_ttl (gatepost.toml:6): 2h is not between 1m and 1h

          6. http.max_connections (GATEPOST_HTTP_MAX_CONNECTIONS): `many` is not a whole number
        ");
    }

    #[test]
    fn an_unknown_key_is_refused_with_what_was_meant() {
        assert_eq!(
            problem(&file("\n[password]\npolciy = 'modern'")),
            "password.polciy (gatepost.toml:3): is not a setting\n     hint: did you mean `password.policy`?"
        );
        assert!(problem(&file("policy = 'modern'")).contains("`password.policy`"));
        assert!(problem(&file("[passwords]\npolicy = 'modern'")).contains("`password.policy`"));
        assert!(problem(&file("password_policy = 'modern'")).contains("`password.policy`"));
        assert!(problem(&file("tokens = 3")).contains("is a section"));
        assert!(problem(&file("[listen]\nport = 3")).contains("expects a text"));
        assert!(problem(&file("[metric]")).contains("metric (gatepost.toml:1): is not a setting"));
        assert!(problem(&file("[[tokens]]\naccess_ttl = '5m'")).contains("is a section"));
        assert!(problem(&Raw::new().flags([("lissten", "x", "--set")])).contains("`listen`"));
    }

    #[test]
    fn an_unknown_variable_is_refused_with_what_was_meant() {
        assert_eq!(
            problem(&Raw::new().env([("GATEPOST_DATABSE_URL", "postgres://u:hunter2@h/d")])),
            "GATEPOST_DATABSE_URL: is not a setting\n     hint: did you mean `GATEPOST_DATABASE_URL`?"
        );
        assert!(problem(&Raw::new().env([("GATEPOST_ADMIN_EMIAL", "x")])).contains("`GATEPOST_ADMIN_EMAIL`"));
        assert!(problem(&Raw::new().env([("GATEPOST_PORT", "8080")])).contains("is not a setting"));
        assert!(problem(&Raw::new().env([("GATEPOST_listen", "x")])).contains("`GATEPOST_LISTEN`"));
    }

    #[test]
    fn a_file_that_is_no_toml_names_each_line_and_quotes_none() {
        let raw = file("listen = \nkeys.master_key = 'hunter2\n[tokens]\naccess_ttl = '5m'\n");
        let text = Config::load(&raw).err().unwrap().to_string();
        assert!(text.contains("gatepost.toml:1: is not valid TOML"), "{text}");
        assert!(text.contains("gatepost.toml:2: is not valid TOML"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.starts_with("The configuration has 2 problems:"), "guesses are not judged: {text}");
    }

    #[test]
    fn a_file_that_is_too_long_is_not_parsed() {
        assert!(problem(&file(&"#\n".repeat(200_000))).contains("longer than 256 KiB"));
    }

    #[test]
    fn an_open_listener_needs_a_public_url() {
        let text = problem(&Raw::new().env([("GATEPOST_LISTEN", "0.0.0.0:8080")]));
        assert!(text.starts_with("listen (GATEPOST_LISTEN): 0.0.0.0:8080 is reachable"), "{text}");
        assert!(text.contains("public_url = \"https://auth.example.com\""), "{text}");
        assert_eq!(problems(&file("listen = '[::]:80'\npublic_url = 'https://a.example'")), []);
        assert_eq!(problems(&file("listen = '[::1]:80'")), []);
    }

    #[test]
    fn nothing_is_concluded_from_what_a_broken_file_lacks() {
        let found = problems(&file("listen = '0.0.0.0:80'\npublic_url = 'https://a.example\n"));
        assert!(found.iter().all(|problem| problem.message.contains("TOML")), "{found:#?}");
        let raw = file(&"#\n".repeat(200_000)).env([("GATEPOST_LISTEN", "0.0.0.0:80")]);
        assert!(problem(&raw).contains("longer than"));
    }

    #[test]
    fn values_out_of_their_range_are_refused() {
        for (line, expected) in [
            ("tokens.access_ttl = '61m'", "61m is not between 1m and 1h"),
            ("tokens.access_ttl = 59", "59s is not between 1m and 1h"),
            ("tokens.access_ttl = -5", "is not a length of time"),
            ("tokens.replay_window = '61s'", "61s is not between 0s and 1m"),
            ("password.history = 11", "11 is not between 0 and 10"),
            ("password.history = '5'", "without quotes"),
            ("password.hash.memory_kib = 19455", "below the floor"),
            ("password.hash.memory_kib = 300000", "300000 is not between 8 and 262144"),
            ("password.hash.iterations = 1", "below the floor"),
            ("keys.retire_after = '5m'", "5m is less than tokens.access_ttl (15m)"),
            ("keys.publish_before = '30d'", "is not less than keys.rotate_every"),
            ("tokens.refresh_idle = '31d'", "is more than tokens.refresh_absolute"),
            ("tokens.algorithm = 'none'", "not one of EdDSA, ES256, RS256, HS256"),
            ("tokens.algorithm = 'eddsa'", "did you mean `EdDSA`?"),
            ("tokens.audience = 'a b'", "visible ASCII"),
            ("cors.allowed_origins = ['*']", "any page"),
            ("cors.allowed_origins = 'https://a.example'", "in brackets"),
            ("cors.allowed_origins = [1]", "expects a list of texts"),
            ("trusted_proxies = ['0.0.0.0/0']", "everybody"),
            ("trusted_proxies = ['10.0.0.0/33']", "is not a network"),
            ("sign_up.mode = 'verify-first'", "did you mean `verify_first`?"),
            ("sign_up.allowed_domains = ['ada@example.com']", "is not a domain"),
            ("sign_up.allowed_domains = 'example.com'", "in brackets"),
            ("sign_up.sign_in_url = 'app.example.com'", "is not the address of a page"),
            ("docs.enabled = 'true'", "without quotes"),
            ("listen = 'localhost'", "is not an IP address and a port"),
            ("data_dir = ''", "is empty"),
            ("metrics.listen = 9090", "expects a text, but this is a whole number"),
        ] {
            let text = problem(&file(line));
            assert!(text.contains(expected), "{line}: {text}");
        }
        assert_eq!(problems(&file("password.hash = { iterations = 1, memory_kib = 47104 }")), []);
    }
}

mod secrets {
    use super::*;

    /// 44 characters that no other text holds.
    const KEY: &str = "u8mMFYTV8rF5WmTn7m1i2UfbYTVb4M8k0c9RkmkqgYz1";

    #[test]
    fn a_secret_comes_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, format!("{KEY}\n")).unwrap();
        let raw = Raw::new().env([("GATEPOST_KEYS_MASTER_KEY_FILE", path.as_os_str())]);
        let config = Config::load(&raw).ok().unwrap();
        assert!(config.keys.master_key.is_some_and(|key| key.expose() == KEY));
        assert!(show(&raw).contains("master_key_file = "), "a path is no secret");
    }

    #[test]
    fn a_secret_set_twice_is_refused_wherever_it_was_set() {
        let raw = file(&format!("keys.master_key = '{KEY}'")).env([("GATEPOST_KEYS_MASTER_KEY_FILE", "/x")]);
        let text = problem(&raw);
        assert!(text.contains("set twice: directly (gatepost.toml:1)"), "{text}");
        assert!(text.contains("through `keys.master_key_file` (GATEPOST_KEYS_MASTER_KEY_FILE)"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let text = problem(&file("database_url_file = '/nowhere/url'"));
        assert!(
            text.starts_with("database_url (gatepost.toml:1): cannot read the file \"/nowhere/url\""),
            "{text}"
        );
    }

    #[test]
    fn jwt_08_weak_and_well_known_keys_are_refused() {
        for (key, expected) in [
            ("your-super-secret-key", "everybody knows"),
            ("secret", "everybody knows"),
            ("changeme", "everybody knows"),
            ("Zk3vQ9xW1mB7tR5yL2pD8sF4hJ6gN0c", "31 bytes"),
        ] {
            for setting in ["keys.master_key", "metrics.token"] {
                let text = problem(&file(&format!("{setting} = '{key}'")));
                assert!(text.contains(expected) && !text.contains(&format!("`{key}`")), "{text}");
            }
        }
        assert_eq!(problems(&file(&format!("keys.master_key = '{KEY}'"))), []);
    }

    #[test]
    fn jwt_08_a_key_is_refused_on_the_command_line() {
        let text = problem(&Raw::new().flags([("keys.master_key", KEY, "--set")]));
        assert!(text.contains("command lines") && !text.contains(KEY), "{text}");
    }

    #[test]
    fn no_problem_and_no_listing_ever_holds_a_secret() {
        let mistakes = [
            format!("database_url = '{KEY}'"),
            format!("database_url = ['{KEY}']"),
            format!("keys.master_key = {{ a = '{KEY}' }}"),
            format!("keys.master_kye = '{KEY}'"),
            format!("metrics.token = '{KEY}'\nmetrics.token_file = '/x'"),
            format!("public_url = 'https://user:{KEY}@a.example'"),
            format!("cors.allowed_origins = ['https://user:{KEY}@a.example']"),
            format!("metrics.token = '{KEY}"),
        ];
        for text in mistakes {
            let raw = file(&text);
            let found = Config::load(&raw).err().unwrap();
            assert!(!found.to_string().contains(KEY) && !format!("{found:?}").contains(KEY), "{found}");
            assert!(!show(&raw).contains(KEY), "{text}");
        }
        let raw = Raw::new().env([("GATEPOST_METRICS_TOKEN", KEY), ("GATEPOST_KEYS_MASTER_KYE", KEY)]);
        assert!(!Config::load(&raw).err().unwrap().to_string().contains(KEY));
        assert!(!show(&raw).contains(KEY));
    }
}

#[test]
fn the_effective_configuration_names_the_source_of_each_value() {
    let raw = file("[tokens]\naccess_ttl = '10m'\n")
        .env([("GATEPOST_DATABASE_URL", "postgres://u:hunter2@h/d")])
        .flags([("listen", "127.0.0.1:9000", "--listen")]);
    let text = show(&raw);
    let line = |start: &str| {
        let line = text.lines().find(|line| line.starts_with(start)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("access_ttl"), "access_ttl = \"10m\" # gatepost.toml:2");
    assert_eq!(line("database_url"), "database_url = \"[redacted]\" # GATEPOST_DATABASE_URL");
    assert_eq!(line("listen"), "listen = \"127.0.0.1:9000\" # --listen");
    assert_eq!(line("data_dir"), "data_dir = \"data\" # default");
    assert_eq!(line("# public_url"), "# public_url is not set");
}

#[test]
fn the_effective_configuration_is_a_configuration() {
    let raw = file("data_dir = \"a\\u001b[31m\\\"b\"\ncors.allowed_origins = ['https://a.example']");
    let again = file(&show(&raw));
    assert_eq!(problems(&again), []);
    assert_eq!(again.get("data_dir").unwrap().value.to_toml(), "\"a\\u001B[31m\\\"b\"");
    assert!(!show(&raw).contains('\u{1b}'));
}
