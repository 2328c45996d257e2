//! An hour in which nobody says anything.

use std::time::Duration;

use e2e::suite::{Part, agent, in_namespace, secret_value, with_edge, with_gateway_api};

use crate::real_pods::idle::{expose, stay_open};

const OWNER: &str = "support";
const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
#[ignore = "takes an hour: cargo soak"]
async fn a_websocket_through_nginx_caddy_or_an_ingress_controller_is_open_after_an_idle_hour() {
    idle("idle-ingress", &[Part::Nginx, Part::Caddy, Part::Ingress]).await;
}

#[tokio::test]
#[ignore = "takes an hour: cargo soak"]
async fn a_websocket_by_a_route_of_the_gateway_api_is_open_after_an_idle_hour() {
    with_gateway_api(async || idle("idle-route", &[Part::Gateway]).await).await;
}

/// Through all of these proxies at the same time.
async fn idle(name: &str, proxies: &[Part]) {
    in_namespace(name, async |namespace| {
        namespace.serve("main", &secret_value("key")).await;
        namespace.apply(&agent(OWNER, "main/small")).await;
        expose(&namespace, OWNER, proxies).await;
        namespace.ready(OWNER).await;
        with_edge(&namespace, OWNER, proxies, async |edge| stay_open(&namespace, OWNER, edge, proxies, HOUR).await)
            .await;
    })
    .await;
}
