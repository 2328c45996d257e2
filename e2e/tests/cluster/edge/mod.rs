//! What comes from the edge of the cluster: people with a browser, who come through real proxies. It takes most of a core, so nothing
//! runs beside it that starts gateways.

mod browser;
mod let_in;
