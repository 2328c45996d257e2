//! What the documentation tells people to write for their proxies, for the tests' own gateway. Reads the documentation.

use std::path::Path;

use serde_json::Value;

use super::EXPOSED_HOST;
use crate::chart::workspace;

/// Where the documentation has it.
const GUIDE: &str = "docs/guides/reaching.md";
/// The Service that it names.
const GATEWAY_IN_GUIDE: &str = "concierge-gateway.assistants.svc";

/// What the proxies need beside the documentation's part, because they run without privileges.
const NGINX: &str = "pid /tmp/nginx.pid;
error_log stderr;
events {}
http {
access_log off;
client_body_temp_path /tmp/body;
proxy_temp_path /tmp/proxy;
fastcgi_temp_path /tmp/fastcgi;
uwsgi_temp_path /tmp/uwsgi;
scgi_temp_path /tmp/scgi;
";
const CADDY: &str = "{
admin off
auto_https disable_redirects
http_port 8080
https_port 8443
}
";

/// The configuration of nginx for the gateway behind this Service, on a port that needs no privileges.
pub fn nginx(service: &str) -> String {
    let block = proxy("map $http_upgrade", service).replace("listen 443", "listen 8443");
    format!("{NGINX}{block}}}\n")
}

/// The same of Caddy.
pub fn caddy(service: &str) -> String {
    let site = format!("{EXPOSED_HOST} {{\n");
    let block = proxy(&site, service).replace(&site, &format!("{site}  tls /tls/tls.crt /tls/tls.key\n"));
    format!("{CADDY}{block}")
}

/// `exposure.ingress` for Traefik.
pub fn ingress() -> Value {
    exposure("ingress:\n  className: traefik")["ingress"].take()
}

/// `exposure.httpRoute` for Traefik.
pub fn http_route() -> Value {
    exposure("httpRoute:\n  parentRefs: [{name: traefik-gateway")["httpRoute"].take()
}

fn exposure(begins: &str) -> Value {
    serde_yaml::from_str(&block(begins)).unwrap_or_else(|error| panic!("{GUIDE}: {error}"))
}

fn proxy(begins: &str, service: &str) -> String {
    let block = block(begins);
    assert!(block.contains(GATEWAY_IN_GUIDE), "{block}");
    block.replace(GATEWAY_IN_GUIDE, service)
}

/// The first code block that begins so.
fn block(begins: &str) -> String {
    let guide = std::fs::read_to_string(Path::new(&workspace()).join(GUIDE)).expect("the guide");
    let blocks = guide.split("```").skip(1).step_by(2);
    let mut fitting =
        blocks.filter_map(|block| block.split_once('\n')).map(|(_, text)| text).filter(|text| text.starts_with(begins));
    fitting.next().unwrap_or_else(|| panic!("{GUIDE} has a block that begins with {begins:?}")).to_owned()
}
