//! The way out and in again.

use gatepost_server::imports::{Export, Format, Options};
use gatepost_testkit::{PASSWORD, Setup, TestApp, on_each_db};

use super::{HASH, OLD_PASSWORD, csv, import, jsonl, stream, users};

async fn exported(app: &TestApp, format: Format, with_hashes: bool) -> String {
    let mut export = Export::new(&app.app, format, with_hashes);
    let mut text = String::new();
    while let Some(page) = export.next().await.unwrap() {
        text.push_str(page.text.expose());
    }
    text
}

/// Accounts of one millisecond leave in any order.
fn sorted(text: &str) -> Vec<String> {
    let header = usize::from(text.starts_with("email,"));
    // A text may have line breaks: what is compared are its parts between them.
    let mut lines: Vec<String> = text.lines().skip(header).map(str::to_owned).collect();
    lines.sort();
    lines
}

on_each_db! {
    async fn what_was_exported_is_imported_as_it_was(app: TestApp) {
        let profile = serde_json::json!({
            "email": "Ada.L@Example.com", "username": "Ada", "phone_number": "+441632960961", "first_name": "=1+1",
            "last_name": "'-x", "bio": "two\n\"lines\", one comma", "country": "GB",
            "avatar_url": "https://a.example/x.png", "email_verified": true, "roles": ["admin"],
            "created_at": "2019-05-01T10:00:00.000001Z", "password_hash": HASH,
        });
        jsonl(&app, &format!("{profile}\n")).await;
        csv(&app, "email,is_active,awaiting_approval\nbob@example.com,false,true\n").await;
        app.user("eve").await;
        for format in [Format::Csv, Format::Jsonl] {
            let text = exported(&app, format, true).await;
            let there = TestApp::start(app.engine, "where exports go", Setup::new()).await;
            let ended = import(&there, stream(&text, format), Options::default()).await.unwrap();
            assert_eq!(ended.counts(), [3, 0, 0, 0, 0], "{:?}", ended.lines);
            assert_eq!(sorted(&exported(&there, format, true).await), sorted(&text));
            assert_eq!(there.login("ada", OLD_PASSWORD).await.status, 200);
            // The same master key: a hash of ours goes on to verify.
            assert_eq!(there.login("eve", PASSWORD).await.status, 200);
            assert_eq!(import(&app, stream(&text, format), Options::default()).await.unwrap().counts(), [0, 0, 3, 0, 0]);
        }
        let csv = exported(&app, Format::Csv, false).await;
        assert!(csv.contains(",'=1+1,''-x,"), "{csv}");
    }

    async fn pwd_09_hashes_leave_only_when_they_are_asked_for(app: TestApp) {
        csv(&app, &format!("email,password_hash\nada@example.com,{HASH}\n")).await;
        for format in [Format::Csv, Format::Jsonl] {
            let text = exported(&app, format, false).await;
            assert!(!text.contains("password_hash") && !text.contains("$2b$"), "{text}");
            assert!(exported(&app, format, true).await.contains(HASH));
        }
    }

    async fn more_accounts_than_a_page_leave_each_once(app: TestApp) {
        let rows: String = (0..1_001).map(|row| format!("user{row}@example.com\n")).collect();
        csv(&app, &format!("email\n{rows}")).await;
        assert_eq!(users(&app).await, 1_001);
        let text = exported(&app, Format::Csv, false).await;
        let mut addresses: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(addresses.len(), 1_001);
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 1_001);
    }

    async fn an_empty_installation_exports_a_header(app: TestApp) {
        let header = exported(&app, Format::Csv, false).await;
        assert_eq!(header.lines().count(), 1);
        assert!(header.starts_with("email,email_verified,"), "{header}");
        assert_eq!(exported(&app, Format::Jsonl, true).await, "");
    }
}
