use serde_json::json;

use super::*;
use crate::tests::small_world::{NAMESPACE, SmallWorld};
use crate::world::stores::Index;

fn agent(generation: i64, ready: &str) -> Agent {
    let condition = json!({"type": "Ready", "status": ready, "reason": "R", "message": "",
                           "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let metadata = json!({"name": "writer", "namespace": "assistants", "uid": "1", "generation": generation});
    let spec = json!({"model": {"primary": {"provider": "openai", "model": "m"}}});
    let agent = json!({"apiVersion": "creel.dev/v1alpha1", "kind": "Agent", "metadata": metadata, "spec": spec,
                       "status": {"conditions": [condition]}});
    serde_json::from_value(agent).unwrap()
}

#[test]
fn a_proxy_concerns_the_gateways_that_are_exposed_to_it() {
    let mut exposed = agent(1, "True");
    let from = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}}]);
    let gateway = json!({"exposure": {"host": "claw.example.com", "ingress": {}, "from": from}});
    exposed.spec.gateway = serde_json::from_value(gateway).unwrap();
    let world = SmallWorld { agents: vec![exposed, SmallWorld::agent("other")], ..SmallWorld::default() };
    let proxy = |namespace: &str| {
        ProxyPod(serde_json::from_value(json!({"metadata": {"name": "a", "namespace": namespace}})).unwrap())
    };
    let gateway = Trigger::new(Controller::Gateway, "assistants", "writer");
    assert_eq!(proxy("edge").concerns(&world.stores()), BTreeSet::from([gateway]));
    assert_eq!(proxy("elsewhere").concerns(&world.stores()), BTreeSet::new());
}

#[test]
fn statuses_that_are_written_for_all_agents_of_a_gateway_queue_each_of_them_once() {
    let member = |number: usize, ready: &str| {
        let mut agent = agent(1, ready);
        agent.metadata.name = Some(format!("agent-{number}"));
        agent.spec.gateway_ref = serde_json::from_value(json!({"name": "agent-0"})).ok().filter(|_| number > 0);
        agent
    };
    let world = SmallWorld { agents: (0..30).map(|number| member(number, "True")).collect(), ..SmallWorld::default() };
    let stores = world.stores();
    let written = (0..30).map(|number| of_change(Some(&member(number, "False")), &member(number, "True"), &stores));
    assert_eq!(written.map(|triggers| triggers.len()).sum::<usize>(), 30);
}

#[test]
fn a_change_of_the_status_alone_concerns_only_the_controller_that_reports_it() {
    let itself = Some(Trigger::new(Controller::Agent, "assistants", "writer"));
    assert_eq!(agent(1, "True").status_concerns(&agent(1, "False")), itself);
    assert_eq!(agent(2, "True").status_concerns(&agent(1, "True")), None);
    let mut paused = agent(1, "True");
    paused.metadata.annotations = Some([("creel.dev/paused".to_owned(), "true".to_owned())].into());
    assert_eq!(paused.status_concerns(&agent(1, "True")), None);
    let mut goes = agent(1, "True");
    goes.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    assert_eq!(goes.status_concerns(&agent(1, "True")), None);
    let mut another = agent(1, "True");
    another.metadata.uid = Some("2".to_owned());
    assert_eq!(another.status_concerns(&agent(1, "True")), None);
}

/// An Agent whose gateway reads all keys of these Secrets.
fn reader(name: &str, secrets: &[String]) -> Agent {
    let mut agent = SmallWorld::agent(name);
    let sources: Vec<_> = secrets.iter().map(|name| json!({"secretRef": {"name": name}})).collect();
    agent.spec.gateway = serde_json::from_value(json!({"envFrom": sources})).unwrap();
    agent
}

fn secret(name: &str, version: &str) -> PartialObjectMeta<Secret> {
    let metadata = json!({"name": name, "namespace": NAMESPACE, "resourceVersion": version});
    serde_json::from_value(json!({"metadata": metadata})).unwrap()
}

#[test]
fn a_secret_among_ten_thousand_of_a_thousand_agents_concerns_its_reader_and_no_other_agent_is_looked_at() {
    let secrets_of = |agent: usize| (0..10).map(|number| format!("secret-{agent}-{number}")).collect::<Vec<_>>();
    let agents = (0..1000).map(|number| reader(&format!("agent-{number}"), &secrets_of(number))).collect();
    let world = SmallWorld { agents, ..SmallWorld::default() };
    let stores = world.stores();
    secret("secret-0-0", "1").concerns(&stores);
    let index = stores.readers.of(NAMESPACE, Index::new);

    // Nothing but the index is left to look at.
    let without_objects = Stores { readers: Arc::clone(&stores.readers), ..SmallWorld::default().stores() };
    for agent in 0..1000 {
        let gateway = Trigger::new(Controller::Gateway, NAMESPACE, format!("agent-{agent}"));
        for name in secrets_of(agent) {
            let concerned = of_change(Some(&secret(&name, "1")), &secret(&name, "2"), &without_objects);
            assert_eq!(concerned, BTreeSet::from([gateway.clone()]), "{name}");
        }
    }

    // Neither Secrets nor statuses of Agents have it made anew.
    let mut told = world.agents[0].clone();
    told.status = agent(1, "True").status;
    of_change(Some(&world.agents[0]), &told, &stores);
    assert!(Arc::ptr_eq(&stores.readers.of(NAMESPACE, Index::new), &index));
}
