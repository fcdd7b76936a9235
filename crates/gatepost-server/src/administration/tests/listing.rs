//! The list of accounts: pages, filters, search.

use std::collections::BTreeSet;

use gatepost_kernel::Id;
use gatepost_problem::Check;
use gatepost_server::access;
use gatepost_server::accounts::{self, Email, NewUser, Patch, ProfileChange, ProfileInput};

use super::*;

fn profile(username: Option<&str>, phone: Option<&str>) -> ProfileChange {
    let set = |value: Option<&str>| value.map_or(Patch::Keep, |value| Patch::Set(value.to_owned()));
    let input = ProfileInput { username: set(username), phone_number: set(phone), ..ProfileInput::default() };
    input.check(&mut Check::new()).unwrap()
}

/// Makes accounts with these addresses and usernames; nobody signs in to them.
async fn people(app: &TestApp, people: &[(&str, Option<&str>)]) {
    let act = app.app.operator_act();
    let new: Vec<_> = people
        .iter()
        .map(|(address, username)| NewUser {
            id: Id::generate(act.at, &app.app.random),
            email: Email::parse(address).unwrap(),
            verified: true,
            awaiting_approval: false,
            profile: profile(*username, None),
            by: "command_line",
        })
        .collect();
    let made = app.db().write(move |tx| {
        for new in &new {
            let user = accounts::create(tx, &act, new.clone())?.id;
            access::grant(tx, &act, user, access::USER)?;
        }
        Ok::<_, accounts::Error>(())
    });
    made.await.unwrap();
}

/// Every account of a list, page by page, and how many pages there were.
async fn walked(app: &TestApp, by: &Persona, query: &str) -> (Vec<Value>, usize) {
    let (mut all, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = get(app, &format!("{USERS}?{query}{cursor}"), by).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let body = page.json();
        all.extend(body["data"].as_array().unwrap().clone());
        pages += 1;
        match body["next_cursor"].as_str() {
            None => return (all, pages),
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
}

/// The addresses of a list, in its order.
async fn addresses(app: &TestApp, by: &Persona, query: &str) -> Vec<String> {
    let text = |user: &Value| user["email"].as_str().unwrap().to_owned();
    walked(app, by, query).await.0.iter().map(text).collect()
}

fn sorted(mut all: Vec<String>) -> Vec<String> {
    all.sort();
    all
}

on_each_db! {
    async fn pages_are_newest_first_complete_and_without_duplicates(app: TestApp) {
        let admin = an_admin(&app, "root").await;
        let many: Vec<_> = (0..120).map(|number| format!("person-{number:03}@example.com")).collect();
        people(&app, &many.iter().map(|address| (address.as_str(), None)).collect::<Vec<_>>()).await;
        for (query, pages) in [("limit=7", 18), ("", 3), ("limit=100", 2)] {
            let (all, walked) = walked(&app, &admin, query).await;
            assert_eq!((all.len(), walked), (121, pages), "{query}");
            let ids: Vec<_> = all.iter().map(|user| user["id"].as_str().unwrap()).collect();
            assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
        }
        // A page that was begun goes on where it was, whatever happens before it.
        let first = get(&app, &format!("{USERS}?limit=60"), &admin).await.json();
        app.clock.advance(std::time::Duration::from_millis(1));
        people(&app, &[("later@example.com", None)]).await;
        let next = first["next_cursor"].as_str().unwrap();
        let second = get(&app, &format!("{USERS}?limit=100&cursor={next}"), &admin).await.json();
        assert_eq!((second["data"].as_array().unwrap().len(), &second["next_cursor"]), (61, &Value::Null));
    }

    async fn an_entry_is_the_account_with_roles_and_permissions(app: TestApp) {
        let admin = an_admin(&app, "root").await;
        let bob = user_who_may(&app, &admin, "bob", &["users:read", "audit:read"]).await;
        let listed = walked(&app, &admin, "q=bob").await.0;
        let read = get(&app, &of(&bob, ""), &admin).await;
        assert_eq!(listed, [read.json()]);
        assert_eq!((&listed[0]["roles"], &listed[0]["permissions"]), (&json!(["may-bob", "user"]), &json!([&["audit:read"], &EVERYBODY_MAY[..], &["users:read"]].concat())));
        let same = app.get(&of(&bob, "")).bearer(&admin.access_token).header(http::header::IF_NONE_MATCH, read.header("etag"));
        assert_eq!(same.send().await.status, 304);
        // A program that was given the scope reads as well.
        let key = app.api_key(&bob, &["users:read"]).await;
        assert_eq!(app.get(&format!("{USERS}?q=bob")).api_key(&key).send().await.json()["data"], json!(listed));
    }

    async fn filters_find_what_they_name_alone_and_together(app: TestApp) {
        let admin = an_admin(&app, "root").await;
        people(&app, &[("quiet@example.com", None), ("known@example.com", None)]).await;
        let (ada, bob) = (app.user("ada").await, app.user("bob").await);
        let eve = user_who_may(&app, &admin, "eve", &["users:read"]).await;
        app.set_active(ada.user_id(), false).await;
        assert_eq!(assign(&app, &admin, &ada, &["may-eve"]).await.status, 200);
        assert_eq!(delete(&app, &of(&bob, ""), &admin).await.status, 204);
        let (ada, eve, root) = (ada.email.as_str(), eve.email.as_str(), admin.email.as_str());
        let known = ["known@example.com", "quiet@example.com"];
        for (query, expected) in [
            ("is_active=false", vec![ada]),
            ("is_active=true", vec![eve, known[0], known[1], root]),
            ("email_verified=true", known.to_vec()),
            ("email_verified=false", vec![ada, eve, root]),
            ("role=admin", vec![root]),
            ("role=may-eve", vec![ada, eve]),
            ("role=may-eve&is_active=true", vec![eve]),
            ("role=user&is_active=false&email_verified=false", vec![ada]),
            ("role=user&email_verified=true", known.to_vec()),
            ("role=nobody-has-it", vec![]),
            ("is_active=false&email_verified=true", vec![]),
            ("q=EXAMPLE", vec![]),
            ("q=E&is_active=true", vec![eve]),
            ("q=a&is_active=true", vec![]),
            ("deleted=true", vec!["bob@example.com"]),
            ("deleted=true&q=BO", vec!["bob@example.com"]),
            ("deleted=true&q=bob@example.com&role=user", vec!["bob@example.com"]),
            ("deleted=true&role=admin", vec![]),
            ("q=bob", vec![]),
        ] {
            let found = sorted(addresses(&app, &admin, &format!("{query}&limit=1")).await);
            assert_eq!(found, expected, "{query}");
        }
    }

    async fn a_search_finds_beginnings_of_addresses_and_usernames_in_any_case_once_each(app: TestApp) {
        let admin = an_admin(&app, "root").await;
        people(&app, &[
            ("ann@example.com", Some("ann")), ("Ann.Lee@example.com", Some("lee")), ("zoe@example.com", Some("Annabel")),
            ("anna@example.com", Some("zed")), ("bert@example.com", Some("bert")), ("o@ann.example.com", None),
            ("u_x%y@example.com", None), ("uzxzy@example.com", None), ("m@b\u{fc}cher.example", None),
        ]).await;
        // By the name that was found: `ann`, `ann.lee@…`, `anna@…`, `annabel`.
        let ann = ["ann@example.com", "Ann.Lee@example.com", "anna@example.com", "zoe@example.com"];
        for limit in 1..=5 {
            assert_eq!(addresses(&app, &admin, &format!("q=ANN&limit={limit}")).await, ann, "{limit}");
        }
        for (query, expected) in [
            ("q=ann@EXAMPLE.com", &ann[..1]),
            ("q=anna", &ann[2..]),
            ("q=%20annabel%20", &ann[3..]),
            ("q=annabelle", &[]),
            // Nothing is a pattern.
            ("q=u_x%25y", &["u_x%y@example.com"]),
            ("q=%25", &[]),
            ("q=M@B%C3%9CCHER.example", &["m@b\u{fc}cher.example"]),
            ("q=xn--", &[]),
        ] {
            assert_eq!(addresses(&app, &admin, query).await, expected, "{query}");
        }
    }

    async fn a_search_finds_a_whole_id_and_a_whole_phone_number(app: TestApp) {
        let admin = an_admin(&app, "root").await;
        let ada = app.user("ada").await;
        assert_eq!(patch(&app, &ada, &admin, &json!({ "phone_number": "+4930123456" })).await.status, 200);
        for query in [format!("q={}", ada.id), format!("q={}", ada.id.to_uppercase()), "q=%2B4930123456".to_owned()] {
            assert_eq!(addresses(&app, &admin, &query).await, [ada.email.as_str()], "{query}");
        }
        for query in ["q=%2B4930123", "q=%2B493012345", "q=019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10"] {
            assert!(addresses(&app, &admin, query).await.is_empty(), "{query}");
        }
        assert_eq!(delete(&app, &of(&ada, ""), &admin).await.status, 204);
        assert!(addresses(&app, &admin, &format!("q={}", ada.id)).await.is_empty());
        for query in [format!("deleted=true&q={}", ada.id), "deleted=true&q=%2B4930123456".to_owned()] {
            assert_eq!(addresses(&app, &admin, &query).await, [ada.email.as_str()], "{query}");
        }
    }

    async fn az_09_a_list_that_makes_no_sense_is_refused(app: TestApp) {
        let admin = an_admin(&app, "root").await;
        people(&app, &[("a1@example.com", None), ("a2@example.com", None)]).await;
        let cursor = |query: &'static str| {
            let (app, admin) = (&app, &admin);
            async move {
                let page = get(app, &format!("{USERS}?{query}&limit=1"), admin).await.json();
                page["next_cursor"].as_str().unwrap().to_owned()
            }
        };
        let (by_id, by_name) = (cursor("").await, cursor("q=a").await);
        assert_ne!(by_id, by_name);
        for (query, pointer, code) in [
            ("q=".to_owned(), "/q", "too_short"),
            ("q=%00".to_owned(), "/q", "invalid_characters"),
            (format!("q={}", "a".repeat(255)), "/q", "too_long"),
            ("role=No%20Role".to_owned(), "/role", "invalid_role"),
            ("limit=0".to_owned(), "/limit", "out_of_range"),
            ("limit=101".to_owned(), "/limit", "out_of_range"),
            ("cursor=x".to_owned(), "/cursor", "invalid_cursor"),
            (format!("cursor={by_name}"), "/cursor", "invalid_cursor"),
            (format!("q=a&cursor={by_id}"), "/cursor", "invalid_cursor"),
            (format!("q=b&cursor={by_name}"), "/cursor", "invalid_cursor"),
            ("offset=10".to_owned(), "/offset", "unknown_field"),
        ] {
            get(&app, &format!("{USERS}?{query}"), &admin).await.assert_invalid(pointer, code);
        }
    }

    async fn a_list_shows_nobody_twice_while_accounts_are_renamed_before_it(app: TestApp) {
        let admin = an_admin(&app, "root").await;
        people(&app, &[("k1@example.com", None), ("k2@example.com", None), ("k3@example.com", None)]).await;
        let first = get(&app, &format!("{USERS}?q=k&limit=2"), &admin).await.json();
        let last = first["data"][1]["id"].as_str().unwrap().to_owned();
        // The last one of the page gets a name that is before it.
        assert_eq!(send(&app, Method::PATCH, &format!("{USERS}/{last}"), &admin, &json!({ "username": "k00" })).await.status, 200);
        let next = first["next_cursor"].as_str().unwrap();
        let second = get(&app, &format!("{USERS}?q=k&limit=2&cursor={next}"), &admin).await.json();
        let seen: BTreeSet<_> = [&first, &second].iter().flat_map(|page| page["data"].as_array().unwrap()).map(|user| user["id"].to_string()).collect();
        assert_eq!((seen.len(), second["data"].as_array().unwrap().len()), (3, 1));
    }
}
