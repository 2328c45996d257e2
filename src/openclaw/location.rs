//! Where a gateway is, asked for each new connection: the token goes over it, and the address of a Pod that has gone may be another's by
//! now. Touches the network, through [`Locate`].

use std::error::Error;
use std::fmt::Debug;
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Knows where the Pods of gateways are now.
pub trait Locate: Debug + Send + Sync {
    /// The address of the Pod with this UID.
    fn locate(&self, pod: &str) -> BoxFuture<'static, Result<IpAddr, NotLocated>>;
}

/// Why nothing is sent to a gateway: its Pod is not known to be where it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotLocated(pub String);

impl NotLocated {
    /// If this is why a request failed.
    pub(super) fn cause_of(error: &reqwest::Error) -> Option<&Self> {
        causes(error).find_map(|cause| cause.downcast_ref())
    }
}

/// The first cause of an error, in its own words.
pub(super) fn first_cause(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source())
}

/// Finds the address behind the name of a Pod in a URL.
pub(super) struct Resolver(pub Arc<dyn Locate>);

/// After the UID of a Pod: a name that ends with a number would be read as an address.
const SUFFIX: &str = ".gateway";

/// The name of the Pod in a URL.
pub(super) fn host(pod: &str) -> String {
    format!("{pod}{SUFFIX}")
}

impl Resolve for Resolver {
    /// Called for each connection that is opened. The port is that of the URL.
    fn resolve(&self, name: Name) -> Resolving {
        let located = self.0.locate(name.as_str().trim_end_matches(SUFFIX));
        Box::pin(async move {
            let address = SocketAddr::new(located.await?, 0);
            Ok(Box::new(iter::once(address)) as Addrs)
        })
    }
}

/// Gateways of tests.
#[cfg(test)]
#[derive(Debug)]
pub struct Loopback;

#[cfg(test)]
impl Locate for Loopback {
    fn locate(&self, _: &str) -> BoxFuture<'static, Result<IpAddr, NotLocated>> {
        Box::pin(async { Ok(IpAddr::from([127, 0, 0, 1])) })
    }
}
