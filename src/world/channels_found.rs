//! What the reconcile of a gateway's channels found, for the status of the Agents on it.

use std::collections::BTreeMap;

use crate::openclaw::channels::Account;

/// The accounts of a gateway's channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelsFound {
    /// Those that the gateway listed last, by id.
    pub accounts: BTreeMap<String, Account>,
    /// Why it cannot be asked now.
    pub unknown: Option<String>,
}
