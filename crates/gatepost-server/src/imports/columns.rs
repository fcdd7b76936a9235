//! What a file may give of an account: names of columns in CSV, of fields in JSON.

use std::collections::BTreeSet;

use crate::config::did_you_mean;

/// The names, in the order in which an export writes them.
pub const COLUMNS: &[&str] = &[
    "email",
    "email_verified",
    "username",
    "phone_number",
    "first_name",
    "last_name",
    "bio",
    "avatar_url",
    "country",
    "is_active",
    "awaiting_approval",
    "roles",
    "created_at",
    PASSWORD_HASH,
];

/// The last column, which an export has only when it is asked for.
pub(super) const PASSWORD_HASH: &str = "password_hash";

/// What other systems call them, where no distance between words would tell.
const ELSEWHERE: &[(&str, &str)] = &[
    ("active", "is_active"),
    ("date_joined", "created_at"),
    ("email_address", "email"),
    ("hashed_password", PASSWORD_HASH),
    ("is_verified", "email_verified"),
    ("mobile", "phone_number"),
    ("phone", "phone_number"),
    ("picture", "avatar_url"),
    ("role", "roles"),
    ("surname", "last_name"),
    ("verified", "email_verified"),
];

/// What a column that is not known is told. The name is cut and escaped: it is the file's.
pub(super) fn unknown(name: &str) -> String {
    if name.eq_ignore_ascii_case("password") {
        return format!(
            "there are no passwords in clear in an import: give their hashes as `{PASSWORD_HASH}`, or leave the column out \
             and let the owners set a new password by mail"
        );
    }
    let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
    if name.contains([';', '\t']) {
        return format!("`{shown}` is not a column: columns are separated by commas");
    }
    let elsewhere =
        ELSEWHERE.iter().find(|(theirs, _)| name.eq_ignore_ascii_case(theirs)).map(|(_, ours)| *ours);
    match elsewhere.or_else(|| did_you_mean(name, COLUMNS.iter().copied())) {
        Some(meant) => format!("`{shown}` is not known; did you mean `{meant}`?"),
        None => format!("`{shown}` is not known; known are {}", COLUMNS.join(", ")),
    }
}

/// Reads the header of a CSV file: which column is which.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn header<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<&'static str>, Vec<String>> {
    let (mut found, mut wrong, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for name in names {
        let name = name.trim_matches(' ');
        match COLUMNS.iter().find(|column| **column == name) {
            Some(column) if seen.insert(*column) => found.push(*column),
            Some(column) => wrong.push(format!("`{column}` stands there twice")),
            None => wrong.push(unknown(name)),
        }
    }
    if !seen.contains("email") {
        wrong.push("`email` is missing: accounts are known by their address".to_owned());
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(line: &str) -> String {
        header(line.split(',')).unwrap_err().join("; ")
    }

    #[test]
    fn a_header_names_columns_in_any_order() {
        assert_eq!(header("bio, email ,roles".split(',')).unwrap(), ["bio", "email", "roles"]);
    }

    #[test]
    fn everything_that_is_wrong_with_a_header_is_said_at_once() {
        let said = wrong("emial,usrname,bio,bio");
        for part in
            ["`emial`", "mean `email`", "mean `username`", "`bio` stands there twice", "`email` is missing"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(wrong("email,hashed_password").contains("mean `password_hash`"));
        assert!(wrong("email,nickname").contains("known are email, "));
        assert!(wrong("email;username").contains("separated by commas"));
        assert!(!wrong("email,\u{1b}[31m").contains('\u{1b}'));
    }

    #[test]
    fn passwords_in_clear_are_refused_with_the_way_out() {
        let said = wrong("email,password");
        assert!(said.contains("no passwords in clear") && said.contains("password_hash"), "{said}");
    }
}
