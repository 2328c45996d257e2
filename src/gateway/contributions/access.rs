//! How the gateway is reached, as its owner says it. It stays whatever is wrong with the owner's own agent. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use kube::ResourceExt;

use crate::api::agent::Gateway;
use crate::api::exposure::Exposure;
use crate::gateway::gather::{Gathered, Live};
use crate::kubernetes::conditions::reason;
use crate::openclaw::config::access::{self, Access};
use crate::openclaw::config::sections::Sections;
use crate::references::digests::Fault;
use crate::settings::Settings;
use crate::world::proxies::MOST_TRUSTED;

/// What the owner's `spec.gateway` says of it.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    pub sections: Sections,
    /// One for each proxy that is left out.
    pub warnings: Vec<Fault>,
}

/// What openclaw.json says of it, without the proxies that would lock Creel out.
#[must_use]
pub fn resolve(gathered: &Gathered, settings: &Settings) -> Resolved {
    let default = Gateway::default();
    let gateway = gathered.owner.spec.gateway.as_ref().unwrap_or(&default);
    let (trusted_proxies, warnings) = proxies(gateway, gathered, settings);
    let mut control_ui = gateway.control_ui.clone().unwrap_or_default();
    let origin = gateway.exposure.as_ref().map(Exposure::origin);
    control_ui.allowed_origins.extend(origin.filter(|origin| !control_ui.allowed_origins.contains(origin)));
    let http = gateway.http.clone().unwrap_or_default();
    let access = Access {
        control_ui: control_ui.enabled,
        allowed_origins: control_ui.allowed_origins,
        trusted_proxies,
        chat_completions: http.chat_completions,
        responses: http.responses,
    };
    Resolved { sections: access::sections(&access), warnings }
}

/// The proxies that can be trusted, listed or found, and what is wrong with the others that are listed.
fn proxies(gateway: &Gateway, gathered: &Gathered, settings: &Settings) -> (Vec<String>, Vec<Fault>) {
    let mut callers = callers(&gathered.live, settings);
    if !gateway.clients().is_empty() {
        callers.push((Ipv4Addr::LOCALHOST.into(), "the relay for spec.gateway.auth.clients"));
    }
    let (mut trusted, mut rejected) = (Vec::new(), Vec::new());
    for proxy in &gateway.trusted_proxies {
        match reject(proxy, &callers) {
            None => trusted.push(proxy.clone()),
            Some(why) => {
                let owner = gathered.owner.name_any();
                let message = format!(
                    "The gateway does not trust \"{proxy}\" (spec.gateway.trustedProxies of Agent \"{owner}\"): {why}"
                );
                rejected.push(Fault { reason: reason::PROXY_REJECTED, message, carried: true });
            }
        }
    }
    let found = beside(&trusted, &gathered.proxies).filter(|found| !callers.iter().any(|(caller, _)| caller == *found));
    let found: Vec<String> = found.take(MOST_TRUSTED).map(ToString::to_string).collect();
    trusted.extend(found);
    (trusted, rejected)
}

/// The proxies that were found and that the owner does not list.
pub fn unlisted(gathered: &Gathered) -> impl Iterator<Item = &IpAddr> {
    let listed = gathered.owner.spec.gateway.as_ref().map(|gateway| gateway.trusted_proxies.as_slice());
    beside(listed.unwrap_or_default(), &gathered.proxies)
}

/// Those that no listed range contains.
fn beside<'a>(listed: &[String], found: &'a BTreeSet<IpAddr>) -> impl Iterator<Item = &'a IpAddr> + use<'a> {
    let ranges: Vec<IpNet> = listed.iter().filter_map(|proxy| range(proxy)).collect();
    found.iter().filter(move |address| !ranges.iter().any(|range| range.contains(*address)))
}

/// An address, or a range of addresses.
fn range(proxy: &str) -> Option<IpNet> {
    proxy.parse::<IpNet>().ok().or_else(|| proxy.parse::<IpAddr>().ok().map(IpNet::from))
}

/// An address from which requests come that no proxy has forwarded, and what sends them.
type Caller = (IpAddr, &'static str);

/// The kubelet sends its probes from the node, or from the node's end of the Pods' network, which is next to the Pod.
fn callers(live: &Live, settings: &Settings) -> Vec<Caller> {
    let mut callers: Vec<Caller> = settings.pod_ip.map(|address| (address, "the operator")).into_iter().collect();
    for status in live.pods.iter().filter_map(|pod| pod.status.as_ref()) {
        let nodes = status.host_ips.iter().flatten().map(|address| (&address.ip, "the node of the gateway"));
        let pods = status.pod_ips.iter().flatten().map(|address| (&address.ip, "the gateway itself"));
        callers.extend(nodes.chain(pods).filter_map(|(address, whose)| Some((address.parse().ok()?, whose))));
    }
    callers
}

/// Why this one cannot be trusted.
fn reject(proxy: &str, callers: &[Caller]) -> Option<String> {
    // An object may be older than its schema.
    let Some(range) = range(proxy) else {
        return Some(
            "it is neither an address nor a range of addresses, for example 10.244.3.17 or 10.20.0.0/28".to_owned(),
        );
    };
    let (address, whose) = callers.iter().find(|(address, _)| range.contains(address))?;
    Some(format!(
        "it contains {address}, the address of {whose}, and OpenClaw would answer 403 to it. List the addresses of the \
         proxies alone"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::fixtures::{company, edit, plan, settings, settle};
    use crate::gateway::validate::validate;

    /// The gateway of `concierge` with these fields.
    fn with(spec: Value) -> Gathered {
        let mut gathered = company();
        edit(&mut gathered, "concierge", |agent| agent.spec.gateway = Some(serde_json::from_value(spec).unwrap()));
        gathered
    }

    /// What its openclaw.json says at this pointer.
    fn rendered(spec: Value, pointer: &str) -> Value {
        plan(&with(spec)).config.unwrap().value().pointer(pointer).cloned().unwrap_or_default()
    }

    #[test]
    fn a_gateway_that_says_nothing_of_it_serves_responses_to_programs_alone() {
        assert_eq!(resolve(&company(), &settings()).sections, Sections::default());
        let defaults = json!({"controlUI": {}, "trustedProxies": [], "http": {}});
        assert_eq!(resolve(&with(defaults), &settings()).sections, Sections::default());
        assert_eq!(rendered(json!({}), "/gateway/controlUi"), json!({"enabled": false}));
        assert_eq!(rendered(json!({}), "/gateway/http/endpoints"), json!({"responses": {"enabled": true}}));
        assert_eq!(rendered(json!({}), "/gateway/trustedProxies"), Value::Null);
    }

    #[test]
    fn it_goes_into_the_configuration_and_not_into_the_pod() {
        let env = json!([{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]);
        let origins = ["https://claw.example.com", "http://localhost:8080"];
        let spec = json!({
            "env": env,
            "controlUI": {"enabled": true, "allowedOrigins": origins},
            "trustedProxies": ["10.20.0.0/28", "fd00::1"],
            "http": {"chatCompletions": true, "responses": false},
        });
        let plan = plan(&with(spec));
        let without = self::plan(&with(json!({"env": env}))).pod.unwrap();
        assert_eq!(plan.pod.unwrap().hash(), without.hash());
        let gateway = plan.config.unwrap().value()["gateway"].clone();
        assert_eq!(gateway["controlUi"], json!({"enabled": true, "allowedOrigins": origins}));
        assert_eq!(gateway["trustedProxies"], json!(["10.20.0.0/28", "fd00::1"]));
        let endpoints = json!({"responses": {"enabled": false}, "chatCompletions": {"enabled": true}});
        assert_eq!(gateway["http"]["endpoints"], endpoints);
        assert!(plan.warnings.is_empty());
    }

    #[test]
    fn proxies_that_are_found_are_trusted_beside_those_that_are_listed() {
        let mut gathered = with(json!({"trustedProxies": ["10.20.0.0/28", "10.9.0.2"]}));
        gathered.proxies = ["10.9.0.1", "10.9.0.2", "10.9.3.4", "fd00::1"].map(|proxy| proxy.parse().unwrap()).into();
        // The operator cannot be a proxy, wherever it runs.
        let settings = Settings { pod_ip: Some("10.9.3.4".parse().unwrap()), ..settings() };
        let plan = validate(&gathered, &settings);
        let trusted = plan.config.unwrap().value()["gateway"]["trustedProxies"].clone();
        assert_eq!(trusted, json!(["10.20.0.0/28", "10.9.0.2", "10.9.0.1", "fd00::1"]));
        assert!(plan.warnings.is_empty());
    }

    #[test]
    fn a_page_without_origins_is_for_port_forwards_and_origins_need_no_page() {
        let local = json!(["http://localhost:18789", "http://127.0.0.1:18789"]);
        assert_eq!(rendered(json!({"controlUI": {"enabled": true}}), "/gateway/controlUi/allowedOrigins"), local);
        let dashboard = json!({"controlUI": {"allowedOrigins": ["https://dashboard.example.com"]}});
        let wanted = json!({"enabled": false, "allowedOrigins": ["https://dashboard.example.com"]});
        assert_eq!(rendered(dashboard, "/gateway/controlUi"), wanted);
    }

    #[test]
    fn it_stays_when_the_model_of_the_owner_is_at_fault() {
        let mut gathered = with(json!({"controlUI": {"enabled": true}}));
        edit(&mut gathered, "concierge", |agent| agent.spec.model.primary.model = "unknown".into());
        let plan = plan(&gathered);
        assert!(plan.faults.contains_key("concierge"));
        assert_eq!(plan.config.unwrap().value()["gateway"]["controlUi"]["enabled"], true);
    }

    #[test]
    fn a_proxy_that_would_lock_out_the_operator_or_the_kubelet_is_left_out() {
        let proxies = ["10.20.0.0/28", "10.9.0.0/16", "192.0.2.7", "10.244.1.0/24", "10.244.2.0/24", "nginx"];
        let mut gathered = with(json!({"trustedProxies": proxies}));
        settle(&mut gathered);
        let pod =
            json!({"status": {"hostIPs": [{"ip": "192.0.2.7"}], "podIPs": [{"ip": "10.244.1.5"}, {"ip": "fd00::5"}]}});
        gathered.live.pods.push(Arc::new(serde_json::from_value(pod).unwrap()));
        let settings = Settings { pod_ip: Some("10.9.3.4".parse().unwrap()), ..settings() };
        let plan = validate(&gathered, &settings);
        assert_eq!(plan.config.unwrap().value()["gateway"]["trustedProxies"], json!(["10.20.0.0/28", "10.244.2.0/24"]));
        let messages: Vec<_> = plan.warnings.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(messages.len(), 4);
        assert_eq!(
            messages[0],
            "The gateway does not trust \"10.9.0.0/16\" (spec.gateway.trustedProxies of Agent \"concierge\"): it contains 10.9.3.4, \
             the address of the operator, and OpenClaw would answer 403 to it. List the addresses of the proxies alone"
        );
        assert!(messages[1].contains("192.0.2.7, the address of the node of the gateway"), "{}", messages[1]);
        assert!(messages[2].contains("10.244.1.5, the address of the gateway itself"), "{}", messages[2]);
        assert!(messages[3].contains("neither an address nor a range"), "{}", messages[3]);
    }
}
