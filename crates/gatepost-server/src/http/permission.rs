//! What an operation can demand of whoever calls it, as types.
//!
//! A permission is a name, `resource:action`. The code that asks for one declares it as a type, so that a handler names it in
//! its signature ([`Require`](super::Require)) and cannot misspell it; roles hold the names, and operators may add names of
//! their own for applications that ask for them elsewhere.

/// A permission that the code asks for. Declare it with [`permissions!`](crate::permissions).
pub trait Permission: Send + Sync + 'static {
    /// Its name, `resource:action`.
    const NAME: &'static str;
    /// What it allows, as one sentence.
    const ABOUT: &'static str;
}

/// A permission as a value: for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermissionInfo {
    /// Its name, `resource:action`.
    pub name: &'static str,
    /// What it allows, as one sentence.
    pub about: &'static str,
}

impl PermissionInfo {
    /// That of a type.
    pub const fn of<P: Permission>() -> Self {
        Self { name: P::NAME, about: P::ABOUT }
    }
}

/// Declares permissions as types, and the list of them.
///
/// ```
/// gatepost_server::permissions! {
///     NotesDeleteAny = "notes:delete_any", "Delete the notes of others.";
/// }
/// assert_eq!(PERMISSIONS[0].name, "notes:delete_any");
/// ```
#[macro_export]
macro_rules! permissions {
    ($( $type:ident = $name:literal, $about:literal; )+) => {
        $(
            #[doc = concat!("The permission `", $name, "`. ", $about)]
            pub enum $type {}

            impl $crate::http::Permission for $type {
                const NAME: &'static str = $name;
                const ABOUT: &'static str = $about;
            }
        )+

        /// The permissions that this feature asks for.
        pub static PERMISSIONS: &[$crate::http::PermissionInfo] =
            &[$( $crate::http::PermissionInfo::of::<$type>() ),+];
    };
}
