use gatepost_kernel::{Random, Timestamp};
use proptest::prelude::*;

use super::*;

fn beginning(text: &str) -> Beginning {
    match Search::parse(text) {
        Ok(Search::Beginning(beginning)) => beginning,
        other => unreachable!("{text}: {other:?}"),
    }
}

fn filter(search: Option<&str>) -> Filter {
    let search = search.map(|text| Search::parse(text).unwrap());
    Filter { search, role: None, is_active: None, email_verified: None, deleted: false }
}

#[test]
fn a_search_is_an_id_a_phone_number_or_a_beginning() {
    let id = UserId::generate(Timestamp::from_secs(1), &Random::system());
    assert_eq!(Search::parse(&format!(" {id} ")), Ok(Search::Id(id)));
    assert_eq!(Search::parse("+4930123456"), Ok(Search::Phone("+4930123456".to_owned())));
    for (text, canonical) in [
        ("AdA", "ada"),
        ("Ada@Ex", "ada@ex"),
        ("+49", "+49"),
        // Whole addresses in any spelling.
        ("ADA@BÜCHER.example.", "ada@xn--bcher-kva.example"),
    ] {
        assert_eq!(beginning(text), Beginning(canonical.to_owned()), "{text}");
    }
    for (text, code) in [
        ("", "too_short"),
        ("  ", "too_short"),
        ("a\0", "invalid_characters"),
        ("a\nb", "invalid_characters"),
        (&"a".repeat(255), "too_long"),
    ] {
        assert_eq!(Search::parse(text).unwrap_err().code(), code, "{text:?}");
    }
    assert!(Search::parse(&"a".repeat(254)).is_ok());
}

#[test]
fn a_list_walks_along_what_is_rarest() {
    let searched = filter(Some("ada"));
    assert_eq!(searched.walk(), Walk::Names(&beginning("ada")));
    assert_eq!(filter(Some("+4930123456")).walk(), Walk::Phone("+4930123456"));
    assert_eq!(Filter { deleted: true, ..searched.clone() }.walk(), Walk::Deleted);
    let role = |role: &str| Some(role.to_owned());
    let none = filter(None);
    assert_eq!(none.walk(), Walk::Living);
    let with = |role, is_active, email_verified| Filter { role, is_active, email_verified, ..none.clone() };
    assert_eq!(with(role("editor"), Some(false), Some(false)).walk(), Walk::Holders("editor"));
    // Everybody has this one, so it is no way to find anybody.
    assert_eq!(with(role("user"), None, None).walk(), Walk::Living);
    assert_eq!(with(role("user"), Some(false), Some(true)).walk(), Walk::Active(false));
    assert_eq!(with(None, Some(true), Some(false)).walk(), Walk::Verified(false));
    assert_eq!(with(None, Some(true), None).walk(), Walk::Active(true));
}

fn a_user(id: UserId, address: &str) -> User {
    User {
        id,
        email: address.to_owned(),
        email_verified: true,
        username: None,
        phone_number: None,
        first_name: None,
        last_name: None,
        bio: None,
        avatar_url: None,
        country: None,
        is_active: true,
        two_factor_enabled: false,
        awaiting_approval: false,
        auth_epoch: 1,
        version: 1,
        created_at: Timestamp::from_secs(1),
        updated_at: Timestamp::from_secs(1),
        last_login_at: None,
        deleted_at: None,
    }
}

/// Accounts that are met by id, newest first; the rare ones are switched off.
fn accounts(count: usize, is_rare: impl Fn(usize) -> bool) -> Vec<Entry> {
    let random = Random::system();
    let entry = |number: usize| {
        let second = i64::try_from(count - number).unwrap();
        let id = UserId::generate(Timestamp::from_secs(second), &random);
        let mut user = a_user(id, &format!("user-{number}@example.com"));
        user.is_active = !is_rare(number);
        Entry { user, held: Vec::new(), place: Place::Id(id), other_name: None }
    };
    (0..count).map(entry).collect()
}

/// Every page of a list, and the most accounts that one of them looked at.
fn walked(all: &[Entry], filter: &Filter, limit: usize) -> (Vec<Vec<Place>>, usize) {
    let (mut pages, mut after, mut most) = (Vec::new(), None, 0);
    loop {
        let mut looked_at = 0;
        let page = gather(filter, (after, limit), |after, wanted| {
            let rest = all.iter().skip_while(|entry| after.is_some_and(|after| *after <= entry.place));
            let batch: Vec<_> = rest.take(wanted).cloned().collect();
            looked_at += batch.len();
            Ok::<_, ()>(batch)
        });
        let (found, next) = page.unwrap();
        assert!(found.len() <= limit);
        pages.push(found.into_iter().map(|entry| entry.place).collect());
        most = most.max(looked_at);
        match next {
            None => return (pages, most),
            next => after = next,
        }
    }
}

#[test]
fn a_page_looks_at_a_bounded_number_of_accounts_however_rare_is_what_is_wanted() {
    let all = accounts(10_000, |number| number == 9_999);
    let off = Filter { is_active: Some(false), ..filter(None) };
    let (pages, most) = walked(&all, &off, 50);
    assert!(most <= EXAMINED + BATCH, "{most}");
    assert_eq!(pages.concat(), [all[9_999].place.clone()]);
    assert!(pages.len() > 3, "the account was found without going on: {}", pages.len());
    // What every account has fills each page at once.
    let (pages, most) = walked(&all, &filter(None), 50);
    assert_eq!((pages.len(), most), (200, 51));
}

#[test]
fn an_account_that_is_met_by_two_names_is_listed_where_it_is_met_first() {
    let mut entries = Vec::new();
    for (username, address) in [("ada", "ada@x.org"), ("zoe", "ada@y.org"), ("adam", "eve@x.org")] {
        let user = accounts(1, |_| false).remove(0).user;
        for (name, other) in [(username, address), (address, username)] {
            let (place, other_name) = (Place::Name(name.to_owned()), Some(other.to_owned()));
            entries.push(Entry { user: user.clone(), held: Vec::new(), place, other_name });
        }
    }
    entries.sort_by(|one, other| one.place.cmp(&other.place));
    let ada = filter(Some("ada"));
    let met =
        entries.iter().filter(|entry| matches!(&entry.place, Place::Name(name) if name.starts_with("ada")));
    let listed: Vec<_> =
        met.filter(|entry| ada.lets_through(entry)).map(|entry| entry.place.clone()).collect();
    assert_eq!(listed, ["ada", "ada@y.org", "adam"].map(|name| Place::Name(name.to_owned())));
}

proptest! {
    #[test]
    fn pages_are_complete_in_order_and_without_duplicates(
        rare in prop::collection::vec(any::<bool>(), 0..700),
        limit in 1_usize..60,
    ) {
        let all = accounts(rare.len(), |number| rare[number]);
        let off = Filter { is_active: Some(false), ..filter(None) };
        let expected: Vec<_> = all.iter().filter(|entry| !entry.user.is_active).map(|entry| entry.place.clone()).collect();
        prop_assert_eq!(walked(&all, &off, limit).0.concat(), expected);
    }

    #[test]
    fn the_range_of_a_beginning_holds_the_names_that_begin_so_and_no_others(
        text in "[a-z0-9@._+~!-]{1,6}", name in "[a-z0-9@._+~!-]{1,9}", after in "[a-z0-9@._+~!-]{0,3}",
    ) {
        let beginning = Beginning(text.clone());
        let (from, to) = beginning.range(None);
        prop_assert_eq!(from <= name && name < to, name.starts_with(&text));
        // Behind a name come those that are greater, and not itself.
        let last = format!("{text}{after}");
        let (from, _) = beginning.range(Some(&last));
        prop_assert_eq!(from <= name, last < name);
    }

    #[test]
    fn parsing_a_search_never_panics(text in any::<String>()) {
        let _ = Search::parse(&text);
    }
}
