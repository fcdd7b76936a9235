//! Roles that count only where a second factor was shown.

use std::sync::Arc;

use super::rights;
use crate::http::Rights;

/// The roles that the operator wants a second factor for. A session without one has the other roles of its account, so
/// that their holder can sign in and enrol.
#[derive(Clone, Debug, Default)]
pub struct SecondFactorRoles(Arc<[String]>);

impl SecondFactorRoles {
    /// These roles.
    pub fn new(roles: &[String]) -> Self {
        Self(roles.into())
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// What counts of an account's rights in a session that has, or has not, shown a second factor.
    pub fn counting(&self, all: Rights, shown: bool) -> Rights {
        if shown || self.0.is_empty() {
            return all;
        }
        rights(all.roles.into_iter().filter(|role| !self.0.contains(role)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_needs_a_second_factor_brings_its_permissions_only_with_one() {
        let all = || rights(vec!["user".to_owned(), "admin".to_owned()]);
        let roles = SecondFactorRoles::new(&["admin".to_owned()]);
        assert_eq!(roles.counting(all(), true), all());
        let left = roles.counting(all(), false);
        assert_eq!(left, rights(vec!["user".to_owned()]));
        assert!(left.permissions.is_empty());
        assert_eq!(SecondFactorRoles::default().counting(all(), false), all());
    }
}
