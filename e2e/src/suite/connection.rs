//! The cluster that the tests run on: the one that `CREEL_KUBECONFIG` names. Reads a file, touches the network.

use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::cluster::KUBECONFIG_VARIABLE;

/// A client for the administrator.
pub async fn client() -> Client {
    client_of(None).await
}

/// A client with the rights of this user: the administrator impersonates it.
pub async fn client_as(user: &str) -> Client {
    client_of(Some(user)).await
}

async fn client_of(user: Option<&str>) -> Client {
    // kube and reqwest share one TLS provider; an error means that another test chose it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let path = std::env::var_os(KUBECONFIG_VARIABLE).map(PathBuf::from);
    let path = path.unwrap_or_else(|| {
        panic!("{KUBECONFIG_VARIABLE} is not set: these tests need a cluster with Creel on it, run `cargo verify`")
    });
    let read = Kubeconfig::read_from(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(read, &options).await.expect("the kubeconfig is whole");
    config.connect_timeout = Some(Duration::from_mins(1));
    config.auth_info.impersonate = user.map(str::to_owned);
    Client::try_from(config).expect("the kubeconfig describes a client")
}
