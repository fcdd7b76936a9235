//! Accounts: who somebody is.

mod identifiers;

pub use identifiers::{
    AvatarUrl, Bio, Country, DeviceName, Email, IdentifierError, LoginIdentifier, PersonName, PhoneNumber,
    Username,
};
