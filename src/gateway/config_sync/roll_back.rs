//! Saves a configuration as the last good one, or writes the last good one back. Touches the network.

use kube::ResourceExt;

use crate::gateway::build::config_map;
use crate::gateway::context::Context;
use crate::gateway::gather::Gathered;
use crate::gateway::revision::ConfigRevision;
use crate::kubernetes::apply::ApplyError;
use crate::naming::GatewayNames;
use crate::openclaw::config::document::ConfigDocument;

/// Writes the last good configuration in place of the one that the gateway rejected with this message.
pub async fn roll_back(
    context: &Context,
    gathered: &Gathered,
    config: &ConfigRevision,
    message: &str,
) -> Result<ConfigRevision, ApplyError> {
    let names = GatewayNames::of(&gathered.owner.name_any());
    write(context, gathered, config.rolled_back(&gathered.live, &names, message)).await
}

/// Writes the desired configuration back, which the gateway has nothing against after all.
pub async fn acquit(
    context: &Context,
    gathered: &Gathered,
    config: &ConfigRevision,
) -> Result<ConfigRevision, ApplyError> {
    write(context, gathered, config.acquitted()).await
}

async fn write(context: &Context, gathered: &Gathered, revision: ConfigRevision) -> Result<ConfigRevision, ApplyError> {
    let (owner, live) = (&gathered.owner, &gathered.live);
    let names = GatewayNames::of(&owner.name_any());
    let cached = live.config_maps.get(&revision.name).map(AsRef::as_ref);
    let map = config_map::mounted(owner, &names, &revision);
    context.applier.apply(&map, cached, &owner.uid().unwrap_or_default()).await?;
    Ok(revision)
}

/// Keeps a configuration that the gateway accepted beside the mounted one.
pub async fn save_last_good(
    context: &Context,
    gathered: &Gathered,
    document: &ConfigDocument,
) -> Result<(), ApplyError> {
    let (owner, live) = (&gathered.owner, &gathered.live);
    let names = GatewayNames::of(&owner.name_any());
    let cached = live.config_maps.get(&names.accepted).map(AsRef::as_ref);
    let map = config_map::last_good(owner, &names, document);
    context.applier.apply(&map, cached, &owner.uid().unwrap_or_default()).await?;
    Ok(())
}
