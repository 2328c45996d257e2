use super::*;
use crate::gateway::fixtures::{company, settle};
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
