//! What the edge is made of, and the Kubernetes objects of each part. Reads the documentation.

use serde_json::{Value, json};

use super::{EDGE_NAMESPACE, EXPOSED_HOST, guide};
use crate::images::{EDGE_IMAGE, TRAEFIK_IMAGE};
use crate::suite::fixtures::fill;

const PROXY: &str = include_str!("../fixtures/edge/proxy.yaml");
const TRAEFIK: &str = include_str!("../fixtures/edge/traefik.yaml");
const INGRESS: &str = include_str!("../fixtures/edge/ingress.yaml");
const GATEWAY: &str = include_str!("../fixtures/edge/gateway.yaml");
const BROWSER: &str = include_str!("../fixtures/edge/browser.yaml");
const SERVICE: &str = include_str!("../fixtures/edge/service.yaml");
const TLS: &str = include_str!("../fixtures/edge/tls.yaml");

/// Where the driver of the browser listens.
pub const DRIVER_PORT: u16 = 9515;

/// A Pod of the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// nginx, with the configuration of the documentation.
    Nginx,
    /// Caddy, with the configuration of the documentation.
    Caddy,
    /// Traefik as a controller of the Ingresses of its class.
    Ingress,
    /// Traefik as a Gateway of the Gateway API, which the cluster must serve.
    Gateway,
    /// Chromium with its driver.
    Browser,
}

/// Whose edge it is, and what it stands before.
#[derive(Clone, Debug)]
pub struct Place {
    /// Tells it apart from those of other tests.
    pub scope: String,
    /// The namespace of the gateway.
    pub namespace: String,
    /// The Service of the gateway: `<name>.<namespace>.svc`.
    pub service: String,
}

/// The certificate of the exposed host and its key, as PEM.
#[derive(Debug)]
pub struct KeyPair<'a> {
    pub certificate: &'a str,
    pub key: &'a str,
}

impl Part {
    /// The value of its label `part`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Ingress => "ingress",
            Self::Gateway => "gateway",
            Self::Browser => "browser",
        }
    }

    /// The image that it runs.
    #[must_use]
    pub const fn image(self) -> &'static str {
        match self {
            Self::Nginx | Self::Caddy | Self::Browser => EDGE_IMAGE,
            Self::Ingress | Self::Gateway => TRAEFIK_IMAGE,
        }
    }

    /// Its objects as YAML documents.
    pub(super) fn objects(self, place: &Place) -> String {
        let port = DRIVER_PORT.to_string();
        match self {
            Self::Nginx => self.proxy(
                place,
                &guide::nginx(&place.service),
                &json!(["nginx", "-c", "/etc/edge/configuration", "-g", "daemon off;"]),
            ),
            Self::Caddy => self.proxy(
                place,
                &guide::caddy(&place.service),
                &json!(["caddy", "run", "--adapter", "caddyfile", "--config", "/etc/edge/configuration"]),
            ),
            Self::Ingress => {
                let class = format!("ingressclass={}", place.scope);
                self.traefik(place, INGRESS, "kubernetesingress", (&place.namespace, &class))
            }
            Self::Gateway => {
                let namespaces = format!("{EDGE_NAMESPACE},{}", place.namespace);
                let classes = format!("labelselector=edge={}", place.scope);
                self.traefik(place, GATEWAY, "kubernetesgateway", (&namespaces, &classes))
            }
            Self::Browser => self.fill(place, BROWSER, &[("port", &port)]),
        }
    }

    /// nginx or Caddy.
    fn proxy(self, place: &Place, configuration: &str, command: &Value) -> String {
        let values = [("configuration", &*Value::from(configuration).to_string()), ("command", &*command.to_string())];
        self.fill(place, PROXY, &values) + &self.fill(place, SERVICE, &[])
    }

    /// Traefik with one of its providers, which watches these namespaces and what this selects of the cluster's classes.
    fn traefik(self, place: &Place, class: &str, provider: &str, (namespaces, selector): (&str, &str)) -> String {
        let values = [("provider", provider), ("namespaces", namespaces), ("selector", selector)];
        self.fill(place, TRAEFIK, &values) + &self.fill(place, class, &[]) + &self.fill(place, SERVICE, &[])
    }

    fn fill(self, place: &Place, template: &str, values: &[(&str, &str)]) -> String {
        let named = [
            ("scope", place.scope.as_str()),
            ("namespace", EDGE_NAMESPACE),
            ("part", self.name()),
            ("image", self.image()),
        ];
        fill(template, &[&named, values].concat())
    }
}

/// The Secrets with the certificate: for the proxies, and for the Ingress, under the name that the documentation's has.
pub fn secrets(place: &Place, pair: &KeyPair<'_>) -> String {
    let [certificate, key] = [pair.certificate, pair.key].map(|pem| Value::from(pem).to_string());
    let ours = (format!("{}-tls", place.scope), EDGE_NAMESPACE.to_owned());
    let theirs = (guide::ingress()["tlsSecretName"].as_str().unwrap_or_default().to_owned(), place.namespace.clone());
    let secret = |(name, namespace): (String, String)| {
        let values = [("name", &*name), ("namespace", &*namespace), ("scope", &*place.scope)];
        fill(TLS, &[&values, &[("certificate", &*certificate), ("key", &*key)][..]].concat())
    };
    [ours, theirs].map(secret).concat()
}

/// `exposure` of an Agent by this part, for whom the edge of this scope is: by an Ingress, but for a Gateway.
#[must_use]
pub fn exposure(scope: &str, parts: &[Part]) -> Value {
    let names: Vec<_> = parts.iter().map(|part| part.name()).collect();
    let peer = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": EDGE_NAMESPACE}},
        "podSelector": {
            "matchLabels": {"edge": scope},
            "matchExpressions": [{"key": "part", "operator": "In", "values": names}],
        },
    });
    if parts.contains(&Part::Gateway) {
        let mut route = guide::http_route();
        let parent = &mut route["parentRefs"][0];
        (parent["name"], parent["namespace"]) = (scope.into(), EDGE_NAMESPACE.into());
        return json!({"host": EXPOSED_HOST, "httpRoute": route, "from": [peer]});
    }
    let mut ingress = guide::ingress();
    ingress["className"] = scope.into();
    json!({"host": EXPOSED_HOST, "ingress": ingress, "from": [peer]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_yaml_with_every_name_filled_in() {
        let (scope, namespace) = ("browser-1".to_owned(), "n".to_owned());
        let place = Place { scope, namespace, service: "support-gateway.n.svc".to_owned() };
        for part in [Part::Nginx, Part::Caddy, Part::Ingress, Part::Gateway, Part::Browser] {
            let pair = KeyPair { certificate: "-----\n", key: "-----\n" };
            let yaml = part.objects(&place) + &secrets(&place, &pair);
            for document in serde_yaml::Deserializer::from_str(&yaml) {
                let object: Value = serde::Deserialize::deserialize(document).expect("YAML");
                assert!(object.is_null() || object["metadata"]["labels"]["edge"] == "browser-1", "{object}");
            }
        }
        let by_route = exposure("browser-1", &[Part::Gateway]);
        assert_eq!(by_route["httpRoute"]["parentRefs"][0]["name"], "browser-1");
        assert_eq!(exposure("browser-1", &[Part::Ingress])["ingress"]["className"], "browser-1");
    }
}
