//! The cluster's own certificate authority, its certificates and the kubeconfigs that hold them. Made anew at every
//! start and written below the state directory, readable by root only.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use serde_json::json;

use super::configuration::{CLUSTER_DOMAIN, NODE_NAME};
use super::error::{At as _, Error};
use super::layout::Layout;
use super::network::{API_SERVER, KUBERNETES_SERVICE, NODE_ADDRESS};

/// The group that may do everything; the API server and kubelets know it from the start.
const MASTERS: &str = "system:masters";

/// Who talks to the API server, as (kubeconfig, user, group). The names of users and groups are those that Kubernetes'
/// default roles are bound to.
const CLIENTS: [(&str, &str, Option<&str>); 7] = [
    ("admin", "creel-e2e-admin", Some(MASTERS)),
    ("coredns", "system:coredns", None),
    ("hostpath-provisioner", "creel-e2e-hostpath-provisioner", None),
    ("kube-controller-manager", "system:kube-controller-manager", None),
    ("kube-proxy", "system:kube-proxy", None),
    ("kube-scheduler", "system:kube-scheduler", None),
    ("kubelet", "system:node:creel-e2e", Some("system:nodes")),
];

/// Writes every certificate, key and kubeconfig of one run.
pub fn write_all(layout: &Layout) -> Result<(), Error> {
    let authority = authority()?;
    write(&layout.certificate("ca"), &authority.pem())?;

    let server = |name: &str, names: Vec<String>| -> Result<(), Error> {
        let key = KeyPair::generate()?;
        let certificate = server_certificate(name, names)?.signed_by(&key, &authority)?;
        write(&layout.certificate(name), &certificate.pem())?;
        write(&layout.key(name), &key.serialize_pem())
    };
    server("kube-apiserver", api_server_names())?;
    server("kubelet-serving", kubelet_names())?;

    let (certificate, key) = client(&authority, "kube-apiserver-kubelet", Some(MASTERS))?;
    write(&layout.certificate("kube-apiserver-kubelet"), &certificate)?;
    write(&layout.key("kube-apiserver-kubelet"), &key)?;

    // Tokens are checked with the bare public key.
    let tokens = KeyPair::generate()?;
    write(&layout.certificate("service-accounts"), &tokens.public_key_pem())?;
    write(&layout.key("service-accounts"), &tokens.serialize_pem())?;

    for (name, user, group) in CLIENTS {
        let (certificate, key) = client(&authority, user, group)?;
        write(&layout.user_kubeconfig(name), &kubeconfig(&authority.pem(), user, &certificate, &key))?;
    }
    Ok(())
}

/// Every name and address by which clients reach the API server: this machine, the node, Pods.
fn api_server_names() -> Vec<String> {
    let mut names: Vec<String> =
        ["localhost", "127.0.0.1", NODE_ADDRESS, KUBERNETES_SERVICE, "kubernetes", "kubernetes.default"]
            .map(str::to_owned)
            .into();
    names.push("kubernetes.default.svc".to_owned());
    names.push(format!("kubernetes.default.svc.{CLUSTER_DOMAIN}"));
    names
}

/// The API server fetches logs and opens exec sessions at the node's address.
fn kubelet_names() -> Vec<String> {
    vec![NODE_NAME.to_owned(), NODE_ADDRESS.to_owned()]
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = subject("creel-e2e", None);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)
}

fn server_certificate(name: &str, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = subject(name, None);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(parameters)
}

/// Certificate and key of a client: common name = user, organization = group.
fn client(
    authority: &CertifiedIssuer<'_, KeyPair>,
    user: &str,
    group: Option<&str>,
) -> Result<(String, String), rcgen::Error> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = subject(user, group);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = parameters.signed_by(&key, authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn subject(name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    if let Some(organization) = organization {
        subject.push(DnType::OrganizationName, organization);
    }
    subject
}

/// A kubeconfig that needs no other file.
fn kubeconfig(authority: &str, user: &str, certificate: &str, key: &str) -> String {
    use k8s_openapi::ByteString;
    let data = |pem: &str| ByteString(pem.as_bytes().to_vec());
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "creel-e2e", "cluster": {
            "server": format!("https://{API_SERVER}"), "certificate-authority-data": data(authority)}}],
        "users": [{"name": user, "user": {"client-certificate-data": data(certificate), "client-key-data": data(key)}}],
        "contexts": [{"name": "creel-e2e", "context": {"cluster": "creel-e2e", "user": user}}],
        "current-context": "creel-e2e",
    })
    .to_string()
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    use std::io::Write as _;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).at("make the directory", parent)?;
    }
    let open = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes())).at("write", path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use rcgen::SanType;

    use super::*;

    #[test]
    fn the_api_server_is_named_by_the_loopback_the_node_and_the_service_address() {
        let parameters = server_certificate("kube-apiserver", api_server_names()).unwrap();
        for address in ["127.0.0.1", "198.51.100.1", "10.96.0.1"] {
            let address = SanType::IpAddress(address.parse().unwrap());
            assert!(parameters.subject_alt_names.contains(&address), "{address:?}");
        }
    }

    #[test]
    fn the_kubelet_client_is_the_node_that_registers() {
        let (_, user, group) = CLIENTS.iter().find(|(name, ..)| *name == "kubelet").unwrap();
        assert_eq!(*user, format!("system:node:{NODE_NAME}"));
        assert_eq!(*group, Some("system:nodes"));
    }

    #[test]
    fn a_kubeconfig_is_readable_by_the_client_library() {
        let authority = authority().unwrap();
        let (certificate, key) = client(&authority, "someone", None).unwrap();
        let text = kubeconfig(&authority.pem(), "someone", &certificate, &key);
        let read = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("creel-e2e"));
    }
}
