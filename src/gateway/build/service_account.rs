//! The gateway's ServiceAccount: an identity without rights and without a token.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata;
use crate::api::Agent;
use crate::naming::GatewayNames;

#[must_use]
pub fn build(owner: &Agent, names: &GatewayNames) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(owner, names, &names.gateway),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
