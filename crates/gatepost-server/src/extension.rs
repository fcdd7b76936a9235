//! What an application that embeds Gatepost adds to it.

use std::sync::Arc;

use gatepost_db::{DbError, WriteTx};

use crate::audit::Act;
use crate::http::PermissionInfo;
use crate::ids::UserId;

/// Something that accounts own in tables of a feature's own, or of an application around Gatepost.
///
/// When an account is deleted its row remains for seven days, and what refers to it remains with it. Then the row goes, and
/// what it owns goes by `ON DELETE CASCADE`. An administrator can hand it to another account instead, and that is what this
/// is for.
pub trait OwnedResource: Send + Sync + 'static {
    /// What it is called, in the plural: `tasks`.
    fn name(&self) -> &'static str;

    /// Gives everything of one account to another, and returns how many. It runs in the transaction that deletes the account,
    /// and may run more than once. It remembers what it did: [`audit::record_transfer`](crate::audit::record_transfer).
    ///
    /// # Errors
    /// What the database says.
    fn transfer(&self, tx: &mut WriteTx<'_>, act: &Act, from: UserId, to: UserId) -> Result<u64, DbError>;
}

/// What an application around Gatepost brings along: permissions that its handlers ask for, and resources that accounts own.
/// Cloning shares it.
#[derive(Clone, Default)]
pub struct Extension {
    permissions: Vec<PermissionInfo>,
    resources: Vec<Arc<dyn OwnedResource>>,
}

impl Extension {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// These permissions besides. Administrators have them at once, and roles can be given them.
    #[must_use]
    pub fn with_permissions(mut self, permissions: &[PermissionInfo]) -> Self {
        self.permissions.extend_from_slice(permissions);
        self
    }

    /// This resource besides.
    #[must_use]
    pub fn with_resource(mut self, resource: impl OwnedResource) -> Self {
        self.resources.push(Arc::new(resource));
        self
    }

    pub(crate) fn permissions(&self) -> impl Iterator<Item = PermissionInfo> {
        self.permissions.iter().copied()
    }

    /// The resources.
    pub fn resources(&self) -> &[Arc<dyn OwnedResource>] {
        &self.resources
    }
}
