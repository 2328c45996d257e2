//! Arguments and environment of `creel operator`, validated.

use std::net::{IpAddr, SocketAddr};

use clap::{Args, ValueEnum};

use crate::api::sandbox::Egress;

/// Settings of the operator. Each can be set by an argument or by an environment variable; the Helm chart uses the latter.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// The OpenClaw image of gateways whose Agent sets no image. Each gateway pins it when it is created, so changing this setting
    /// never restarts a gateway.
    #[arg(long, env = "CREEL_GATEWAY_IMAGE", default_value = "ghcr.io/openclaw/openclaw:2026.9.6-slim")]
    pub gateway_image: String,

    /// The image that contains /creel-shell, which gateway and sandbox Pods copy at their start. Usually the operator's own image.
    #[arg(long, env = "CREEL_SHELL_IMAGE", default_value = concat!("ghcr.io/creel-dev/creel:", env!("CARGO_PKG_VERSION")))]
    pub shell_image: String,

    /// The address that serves /livez, /readyz and /metrics.
    #[arg(long, env = "CREEL_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// The namespace of the operator. It contains the operator's Lease, and gateways accept calls from the operator's Pod in it.
    #[arg(long, env = "POD_NAMESPACE", default_value = "creel-system")]
    pub namespace: String,

    /// The address of the operator's Pod, from which it calls gateways. An Agent cannot have its gateway take it for that of a proxy.
    #[arg(long, env = "POD_IP", hide = true)]
    pub pod_ip: Option<IpAddr>,

    /// The identity in the Lease; must differ between replicas.
    #[arg(long, env = "POD_NAME", default_value = "creel-operator")]
    pub identity: String,

    /// The DNS servers of the Pods in the cluster, separated by commas. Gateways, and sandboxes with `Internet` or `All`, can reach their
    /// port 53, also where it is a link-local address. Default: those in the operator's own /etc/resolv.conf.
    #[arg(long, env = "CREEL_DNS_SERVERS", value_delimiter = ',')]
    pub dns_servers: Vec<IpAddr>,

    /// The widest egress of gateways and sandboxes. `Internet` and `None` mean the same as in a Sandbox. A gateway can always reach its own
    /// sandboxes. A Sandbox that asks for more gets this, and its condition Ready says so.
    #[arg(long, env = "CREEL_MAX_EGRESS", value_enum, default_value_t = Egress::All)]
    pub max_egress: Egress,

    /// The namespaces of ingress controllers and of Gateways' proxies, separated by commas. Pods there that an Agent's
    /// `gateway.exposure.from` selects are trusted proxies of its gateway.
    #[arg(
        long,
        env = "CREEL_PROXY_NAMESPACES",
        value_delimiter = ',',
        default_value = "ingress-nginx,traefik,envoy-gateway-system"
    )]
    pub proxy_namespaces: Vec<String>,

    /// What is logged: a level (error, warn, info, debug, trace) or a filter such as `info,creel::gateway=debug`. Because values of Secrets
    /// pass through libraries, these log no more than info, and the Kubernetes client logs errors only.
    #[arg(long, env = "CREEL_LOG", default_value = "info")]
    pub log: String,

    /// The format of log lines.
    #[arg(long, env = "CREEL_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// The address of the Kubernetes API inside the cluster. Sandboxes check at their start that they can't reach it. Kubernetes sets
    /// it in each Pod; a host name is not checked.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", hide = true)]
    pub kubernetes_service_host: Option<String>,

    /// The port of the Kubernetes API.
    #[arg(long, env = "KUBERNETES_SERVICE_PORT", default_value_t = 443, hide = true)]
    pub kubernetes_service_port: u16,

    /// For tests of what happens when a gateway rejects its configuration: merges the JSON in an Agent's annotation
    /// `creel.dev/test-config` into openclaw.json, unchecked.
    #[cfg(feature = "test-config-override")]
    #[arg(long, env = "CREEL_TEST_CONFIG_OVERRIDE", hide = true)]
    pub test_config_override: bool,
}

impl Settings {
    /// The address under which Pods find the Kubernetes API, if it is known.
    #[must_use]
    pub fn api_server(&self) -> Option<SocketAddr> {
        let address: IpAddr = self.kubernetes_service_host.as_ref()?.parse().ok()?;
        Some(SocketAddr::new(address, self.kubernetes_service_port))
    }
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Readable text.
    Text,
    /// One JSON object per line.
    Json,
}
