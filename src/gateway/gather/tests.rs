use super::*;
use crate::gateway::build::config_map;
use crate::gateway::fixtures::{company, keep, settle};
use crate::gateway::rejections::{Circumstances, Keys};
use crate::openclaw::config::passthrough::author::Author;
use crate::tests::small_world::{NAMESPACE, SmallWorld};

#[test]
fn an_agent_that_does_not_parse_is_known_by_its_place_in_the_live_configuration() {
    let mut gathered = company();
    settle(&mut gathered);
    let unparsable = |stores: &Stores| unparsable(stores, NAMESPACE, &gathered.live);
    let stores = SmallWorld::default().stores();
    assert!(unparsable(&stores).is_empty(), "it is gone");
    for agent in ["writer", "of-another-gateway"] {
        stores.unparsable.remember("Agent", NAMESPACE, agent, false);
    }
    assert_eq!(unparsable(&stores), ["writer".to_owned()].into());
    let stores = SmallWorld { agents: vec![SmallWorld::agent("writer")], ..SmallWorld::default() }.stores();
    stores.unparsable.remember("Agent", NAMESPACE, "writer", false);
    assert!(unparsable(&stores).is_empty(), "what it wanted last is known");
}

#[test]
fn a_configuration_that_somebody_edited_is_not_read_back() {
    let mut gathered = company();
    settle(&mut gathered);
    let names = GatewayNames::of("concierge");
    let (owner, document) = (gathered.owner.clone(), gathered.live.config.clone().unwrap());
    keep(&mut gathered.live, config_map::last_good(&owner, &names, &document));
    assert_eq!(gathered.live.last_good(&names), Some(document));
    let mut edited = gathered.live.config_maps[&names.accepted].as_ref().clone();
    edited.intruded = true;
    gathered.live.config_maps.insert(names.accepted.clone(), Arc::new(edited));
    assert_eq!(gathered.live.last_good(&names), None);
}

#[test]
fn what_has_the_name_of_a_deployment_and_another_owner_says_nothing_of_the_gateway() {
    let mut world = SmallWorld::default();
    let owner = SmallWorld::agent("owner");
    crate::tests::small_world::live(&mut world, &owner, None);
    let deployment = |world: &SmallWorld| look(&world.stores(), &owner).live.deployment;
    assert!(deployment(&world).is_some());
    world.deployments[0].metadata.owner_references.as_mut().unwrap()[0].uid = "another".to_owned();
    assert!(deployment(&world).is_none());
}

#[test]
fn rejected_keys_are_known_without_the_deployment() {
    let mut gathered = company();
    let keys = serde_json::json!({"noSuchKey": 1}).as_object().unwrap().clone();
    let circumstances = Circumstances { image: None, digests: &gathered.live.digests };
    let author = Author::Agent("writer".into());
    let keys = Keys { author: &author, fields: &keys, variables: &[], circumstances };
    let rejected = Rejections::default().with(keys, "no", false).unwrap();
    gathered.live.rejections = rejected.clone();
    settle(&mut gathered);
    let mounted = gathered.live.config_maps.keys().next().unwrap();
    assert_eq!(rejections(&gathered.live, Some(mounted)), rejected);
    assert_eq!(rejections(&gathered.live, Some(&"another".to_owned())), Rejections::default());
    assert_eq!(rejections(&gathered.live, None), rejected);
}

#[test]
fn the_image_in_a_status_is_that_of_the_agents_own_gateway() {
    let with = |gateway: &str| {
        let mut owner = Agent::clone(&company().owner);
        let status = serde_json::json!({"gateway": {"agent": gateway, "image": "mirror.example/openclaw:1"}});
        owner.status = serde_json::from_value(status).ok();
        image_in_status(&owner)
    };
    assert_eq!(with("concierge").as_deref(), Some("mirror.example/openclaw:1"));
    assert_eq!(with("another"), None);
}
