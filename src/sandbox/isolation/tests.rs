use super::*;
use crate::pods::network::tests::METADATA_SERVERS;
use serde_json::{Value, json};

const API_SERVER: &str = "10.96.0.1:443";
const METADATA_SERVER: &str = "169.254.169.254:80";

fn api_server() -> SocketAddr {
    API_SERVER.parse().unwrap()
}

fn wanted(network: &Value) -> Vec<SocketAddr> {
    let spec = serde_json::from_value(json!({"image": "debian:12", "network": network})).unwrap();
    targets(&spec, Some(api_server()))
}

/// Whether these are tried: the API server, and the metadata server of most clouds.
fn tries(value: &Value) -> (bool, bool) {
    let wanted = wanted(value);
    (wanted.contains(&api_server()), wanted.contains(&METADATA_SERVER.parse().unwrap()))
}

/// A Pod that tried these addresses and reported this.
fn pod(tried: &[SocketAddr], message: &str) -> Pod {
    let status = json!({"name": "isolation", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                        "state": {"terminated": {"exitCode": 0, "message": message}}});
    let each = tried.iter().flat_map(|target| [UNREACHABLE.to_owned(), target.to_string()]);
    let command: Vec<_> = ["/creel-shell", "isolation"].map(str::to_owned).into_iter().chain(each).collect();
    serde_json::from_value(json!({
        "spec": {"containers": [], "initContainers": [{"name": "isolation", "command": command}]},
        "status": {"initContainerStatuses": [status]}
    }))
    .unwrap()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// As `creel-shell isolation` writes it.
fn report(reachable: &[&str], writable: &[&str], refused: &[&str], timed_out: &[&str]) -> String {
    let [reachable, writable, refused, timed_out] = [reachable, writable, refused, timed_out].map(owned);
    serde_json::to_string(&creel_shell::isolation::Report { reachable, writable, refused, timed_out }).unwrap()
}

/// The verdict on a Pod that tried what it should have.
fn verdict(of: &Value, report: &str) -> Desired {
    let wanted = wanted(of);
    verified(Some(&pod(&wanted, report)), &wanted, Some(api_server()))
}

#[test]
fn the_api_server_is_tried_where_nothing_is_allowed_and_the_metadata_servers_always() {
    assert_eq!(tries(&json!({})), (true, true));
    assert_eq!(tries(&json!({"egress": "Internet"})), (false, true));
    assert_eq!(tries(&json!({"egress": "All"})), (false, true));
    let all: Vec<_> = wanted(&json!({})).iter().map(|target| target.ip().to_string()).collect();
    // What is local to a link can't be named without it.
    let servers = METADATA_SERVERS.iter().filter(|server| !server.starts_with("fe80"));
    assert!(servers.clone().all(|server| all.iter().any(|tried| tried == server)), "{all:?}");
    assert_eq!(all.len(), servers.count() + 1);
}

#[test]
fn what_the_user_allows_is_not_tried() {
    assert_eq!(tries(&json!({"allow": [{"cidr": "10.0.0.0/8", "ports": [443]}]})), (false, true));
    assert_eq!(tries(&json!({"allow": [{"cidr": "10.0.0.0/8", "ports": [80]}]})), (true, true));
    assert_eq!(tries(&json!({"allow": [{"cidr": "169.254.169.254/32"}]})), (true, false));
}

#[test]
fn a_sandbox_is_isolated_if_the_address_that_is_known_to_answer_stays_silent() {
    let verdict = verdict(&json!({}), &report(&[], &[], &[], &[API_SERVER, METADATA_SERVER]));
    assert_eq!((verdict.status, verdict.reason), (Status::True, reason::ISOLATED));
    assert!(verdict.message.contains(API_SERVER), "{}", verdict.message);
}

#[test]
fn what_a_sandbox_reached_is_named() {
    let verdict = verdict(&json!({}), &report(&[API_SERVER], &[], &["10.0.0.1:80"], &[METADATA_SERVER]));
    assert_eq!((verdict.status, verdict.reason), (Status::False, reason::NETWORK_POLICY_NOT_ENFORCED));
    assert!(verdict.message.contains(API_SERVER), "{}", verdict.message);
}

#[test]
fn a_read_only_workspace_that_could_be_written_is_named() {
    let verdict = verdict(&json!({}), &report(&[], &["/workspaces/a/agent"], &[], &[API_SERVER]));
    assert_eq!((verdict.status, verdict.reason), (Status::False, reason::WORKSPACE_WRITABLE));
    assert!(verdict.message.contains("/workspaces/a/agent"), "{}", verdict.message);
}

#[test]
fn a_refused_connection_is_no_proof_where_the_address_that_is_known_to_answer_stays_silent_or_is_not_tried() {
    for (of, silent) in [(json!({}), &[API_SERVER][..]), (json!({"egress": "Internet"}), &[])] {
        let verdict = verdict(&of, &report(&[], &[], &[METADATA_SERVER], silent));
        assert_eq!((verdict.status, verdict.reason), (Status::Unknown, reason::CONNECTION_REFUSED));
        assert!(verdict.message.contains(METADATA_SERVER), "{}", verdict.message);
    }
}

#[test]
fn a_network_that_rejects_what_it_does_not_let_through_isolates_too() {
    for (refused, silent) in [(&[API_SERVER, METADATA_SERVER][..], &[][..]), (&[API_SERVER], &[METADATA_SERVER])] {
        let verdict = verdict(&json!({}), &report(&[], &[], refused, silent));
        assert_eq!((verdict.status, verdict.reason), (Status::True, reason::ISOLATED), "{}", verdict.message);
    }
}

#[test]
fn silence_where_nothing_is_known_to_answer_is_no_proof() {
    let silent = report(&[], &[], &[], &[METADATA_SERVER]);
    for of in [json!({"egress": "Internet"}), json!({"egress": "All"}), json!({"allow": [{"cidr": "10.0.0.0/8"}]})] {
        let verdict = verdict(&of, &silent);
        assert_eq!((verdict.status, verdict.reason), (Status::Unknown, reason::UNPROVEN));
    }
    let no_route_to_the_api_server = verdict(&json!({}), &silent);
    assert_eq!(no_route_to_the_api_server.reason, reason::UNPROVEN);
    let of_unknown_address = verified(Some(&pod(&[], &silent)), &[], None);
    assert_eq!((of_unknown_address.status, of_unknown_address.reason), (Status::Unknown, reason::UNPROVEN));
}

#[test]
fn no_pod_no_report_an_old_report_and_one_on_another_network_prove_nothing() {
    let old = r#"{"reachable":[],"writable":[]}"#;
    let whole = report(&[], &[], &[], &[API_SERVER, METADATA_SERVER]);
    let (api_server, wanted) = (Some(api_server()), wanted(&json!({})));
    let of = |tried: &[SocketAddr], report: &str| verified(Some(&pod(tried, report)), &wanted, api_server);
    for verdict in
        [verified(None, &wanted, api_server), of(&wanted, "no JSON"), of(&wanted, old), of(&wanted[1..], &whole)]
    {
        assert_eq!((verdict.status, verdict.reason), (Status::Unknown, reason::NOT_VERIFIED), "{}", verdict.message);
    }
}

#[test]
fn what_an_earlier_version_found_open_is_open() {
    let old = format!(r#"{{"reachable":["{API_SERVER}"],"writable":[]}}"#);
    assert_eq!(verdict(&json!({}), &old).reason, reason::NETWORK_POLICY_NOT_ENFORCED);
}

#[test]
fn an_api_server_that_commands_have_a_token_for_is_not_held_against_the_network() {
    let spec = json!({"image": "debian:12", "serviceAccountName": "cluster-reader"});
    let wanted = targets(&serde_json::from_value(spec).unwrap(), Some(api_server()));
    assert!(!wanted.contains(&api_server()) && wanted.len() == METADATA.len());
    let silent: Vec<_> = wanted.iter().map(ToString::to_string).collect();
    let silent: Vec<_> = silent.iter().map(String::as_str).collect();
    let mut pod = pod(&wanted, &report(&[], &[], &[], &silent));
    let token = json!([{"name": "token", "projected": {}}]);
    pod.spec.as_mut().unwrap().volumes = serde_json::from_value(token).unwrap();
    let told = verified(Some(&pod), &wanted, Some(api_server()));
    assert_eq!((told.status, told.reason), (Status::Unknown, reason::UNPROVEN));
    assert!(told.message.contains("may reach the Kubernetes API (spec.serviceAccountName of its Sandbox)"), "{told:?}");
}
