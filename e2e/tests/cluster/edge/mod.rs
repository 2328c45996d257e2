//! What comes from the edge of the cluster: people with a browser, who come through real proxies. It takes most of a core, so
//! few gateways start beside it.

mod browser;
pub mod let_in;
