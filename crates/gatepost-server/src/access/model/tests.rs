//! What roles add up to, and who may hand them out.

use super::*;

const THINGS: [PermissionInfo; 2] = [
    PermissionInfo { name: "things:read", about: "Read things." },
    PermissionInfo { name: "things:write", about: "Write things." },
];

fn rules(with_second_factor: &[&str]) -> AccessRules {
    let names: Vec<_> = with_second_factor.iter().map(|&name| name.to_owned()).collect();
    AccessRules::new(THINGS, &names)
}

fn role(name: &str, permissions: &[&str]) -> HeldRole {
    let permissions = permissions.iter().map(|&name| name.to_owned()).collect();
    HeldRole { name: name.to_owned(), permissions }
}

#[test]
fn the_text_of_the_database_reads_back() {
    let held = HeldRole::all_from_text(Some("user= editor=things:read,own:use admin=own:use"));
    let expected =
        [role("user", &[]), role("editor", &["things:read", "own:use"]), role("admin", &["own:use"])];
    assert_eq!(held, expected);
    assert!(HeldRole::all_from_text(None).is_empty());
}

#[test]
fn an_administrator_may_all_that_the_code_asks_for_and_the_operators_own() {
    let rights = rules(&[]).rights(vec![role("user", &[]), role("admin", &["own:use"])], false);
    assert_eq!(rights.roles, ["admin", "user"]);
    assert_eq!(rights.permissions, ["own:use", "things:read", "things:write"]);
}

#[test]
fn roles_add_up_and_nothing_counts_twice() {
    let held = vec![role("reader", &["things:read"]), role("editor", &["things:write", "things:read"])];
    assert_eq!(rules(&[]).rights(held, false).permissions, ["things:read", "things:write"]);
}

#[test]
fn a_role_that_needs_a_second_factor_brings_its_permissions_only_with_one() {
    let held = || vec![role("user", &["own:use"]), role("admin", &[])];
    let rules = rules(&["admin"]);
    assert_eq!(rules.rights(held(), true).permissions.len(), 3);
    let left = rules.rights(held(), false);
    assert_eq!((left.roles, left.permissions), (vec!["user".to_owned()], vec!["own:use".to_owned()]));
}

#[test]
fn az_05_nobody_reaches_further_than_their_own_rights() {
    let rules = rules(&[]);
    let of = |held: Vec<HeldRole>| Authority::Caller(rules.rights(held, true));
    let reader = of(vec![role("reader", &["things:read"])]);
    assert!(
        reader.covers(&rules, &role("other", &["things:read"])) && reader.covers(&rules, &role("user", &[]))
    );
    // What a role without permissions is worth, others know.
    assert!(
        !reader.covers(&rules, &role("x", &[])) && of(vec![role("x", &[])]).covers(&rules, &role("x", &[]))
    );
    assert!(!reader.covers(&rules, &role("other", &["things:read", "things:write"])));
    // Somebody who has every permission today is no administrator: there may be more tomorrow.
    let everything = of(vec![role("all", &["things:read", "things:write"])]);
    assert!(!everything.covers(&rules, &role(ADMIN, &[])));
    assert!(of(vec![role(ADMIN, &[])]).covers(&rules, &role(ADMIN, &[])));
    assert!(Authority::Operator.covers(&rules, &role(ADMIN, &[])));
    // What every account may do does not put it out of reach of a key that names less.
    assert!(reader.covers(&rules, &role(USER, &["things:write"])));
    assert!(!reader.covers_permission("things:write"));
}

#[test]
fn names_are_words_that_no_separator_cuts() {
    for good in ["ab", "data-science", "r2_d2"] {
        assert!(role_name(good.to_owned()).is_ok(), "{good}");
    }
    for bad in ["", "a", "Admin", "a b", "a=b", "a,b", "a:b", "1a", "-a", "ä1", &"a".repeat(33)] {
        assert_eq!(role_name(bad.to_owned()).unwrap_err().code(), "invalid_role", "{bad}");
    }
    for good in ["a:b", "models:predict", "tasks:delete_any"] {
        assert!(permission_name(good.to_owned()).is_ok(), "{good}");
    }
    for bad in ["", "a", ":a", "a:", "a:b:c", "a: b", "A:b", &format!("a:{}", "b".repeat(63))] {
        assert_eq!(permission_name(bad.to_owned()).unwrap_err().code(), "invalid_permission", "{bad}");
    }
    assert!(description("x".repeat(200)).is_ok());
    assert_eq!(description("x".repeat(201)).unwrap_err().code(), "too_long");
    assert_eq!(description("a\nb".to_owned()).unwrap_err().code(), "invalid_characters");
}
