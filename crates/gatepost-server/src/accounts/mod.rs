//! Accounts: who somebody is.
