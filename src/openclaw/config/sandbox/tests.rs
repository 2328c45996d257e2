use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::openclaw::config::tests::gateway;
use crate::openclaw::config::{Gateway, render};
use crate::openclaw::live;
use crate::openclaw::marker;
use crate::openclaw::names::EnvName;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8Xx0Xw3l8V6iZ2cQ9m5o2bq7sY4t1u0v9w8x7y6z5A";

pub(in crate::openclaw) fn sandbox() -> Sandbox {
    Sandbox {
        access: WorkspaceAccess::Rw,
        address: Some(Ipv4Addr::new(10, 96, 12, 7).into()),
        host_key: Some(KEY.to_owned()),
    }
}

/// The gateway of the other tests, where `concierge` has this sandbox.
pub(in crate::openclaw) fn with(sandbox: Option<&Sandbox>) -> Gateway {
    let mut gateway = gateway();
    gateway.agents.get_mut("concierge").unwrap().extend(confine(sandbox));
    gateway
}

fn entry(gateway: &Gateway) -> Value {
    live::agent(&render(gateway), "concierge").unwrap()
}

#[test]
fn an_agent_with_a_sandbox() {
    insta::assert_snapshot!(format!("{:#}", entry(&with(Some(&sandbox())))));
}

#[test]
fn a_shell_and_its_sandbox_are_only_ever_written_together() {
    let unknown = Sandbox { address: None, host_key: None, ..sandbox() };
    for sandbox in [None, Some(sandbox()), Some(unknown)] {
        let entry = entry(&with(sandbox.as_ref()));
        assert_eq!(entry.get("sandbox").is_some(), sandbox.is_some());
        let exec = if sandbox.is_some() { json!({"host": "sandbox", "mode": "full"}) } else { json!({"mode": "deny"}) };
        assert_eq!(entry["tools"]["exec"], exec);
    }
}

#[test]
fn a_sandbox_whose_address_is_not_known_is_at_an_address_that_does_not_resolve() {
    let entry = entry(&with(Some(&Sandbox { address: None, ..sandbox() })));
    assert_eq!(entry["sandbox"]["ssh"]["target"], "sandbox@sandbox-has-no-address-yet.invalid:2222");
    assert!(!entry["sandbox"]["ssh"]["knownHostsData"].as_str().unwrap().contains("ssh-ed25519"));
}

#[test]
fn a_sandbox_whose_host_key_is_not_known_is_trusted_by_no_key() {
    let entry = entry(&with(Some(&Sandbox { host_key: None, ..sandbox() })));
    assert_eq!(entry["sandbox"]["ssh"]["target"], "sandbox@10.96.12.7:2222");
    assert!(entry["sandbox"]["ssh"]["knownHostsData"].as_str().unwrap().starts_with('#'));
}

#[test]
fn an_ipv6_address_stands_as_each_side_reads_it() {
    let address = Some(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 7).into());
    let entry = entry(&with(Some(&Sandbox { address, ..sandbox() })));
    assert_eq!(entry["sandbox"]["ssh"]["target"], "sandbox@fd00:10:96::7:2222");
    assert_eq!(entry["sandbox"]["ssh"]["knownHostsData"], format!("[fd00:10:96::7]:2222 {KEY}"));
}

#[test]
fn an_agent_of_which_nothing_says_where_its_commands_run_has_no_shell() {
    let mut unsaid = gateway();
    unsaid.agents.get_mut("concierge").unwrap().remove("tools");
    assert_eq!(entry(&unsaid), entry(&with(None)));
}

#[test]
fn an_edit_of_a_redacted_leaf_of_a_sandbox_alone_moves_the_marker() {
    let marker = |sandbox| marker::of(&render(&with(Some(&sandbox)))).unwrap().to_owned();
    let other = Sandbox { host_key: Some(KEY.replace("J8X", "K8X")), ..sandbox() };
    assert_ne!(marker(sandbox()), marker(other));
    let mut document = render(&with(Some(&sandbox())));
    document["agents"]["entries"]["concierge"]["sandbox"]["ssh"]["identityData"]["id"] = json!("OTHER");
    assert_ne!(marker::of(&marker::with_marker(document)), Some(marker(sandbox()).as_str()));
}

#[test]
fn the_key_that_a_sandbox_is_entered_with_is_one_of_the_variables_that_the_gateway_needs() {
    let variables = live::variables(&entry(&with(Some(&sandbox()))));
    assert_eq!(variables.iter().map(EnvName::as_str).collect::<Vec<_>>(), [paths::SSH_KEY_VARIABLE]);
}
