//! Which sandbox a client trusts, and whom it trusts on its own side.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::fixtures::client::assert_fails;
use crate::fixtures::keys;
use crate::fixtures::sshd::Sandbox;

#[test]
fn a_host_key_that_is_not_known_is_refused() {
    let sandbox = Sandbox::running();
    keys::write_new(&sandbox.directory.path("other"));
    sandbox.trust("other.pub");
    assert_fails(&sandbox.run("true"), "host key verification failed: 127.0.0.1:");
    fs::write(sandbox.directory.path("known_hosts"), "").unwrap();
    assert_fails(&sandbox.run("true"), "known_hosts has no ssh-ed25519 key for [127.0.0.1]:");
    assert_eq!(sandbox.connections(), 0);
}

#[test]
fn another_client_key_does_not_get_the_connection_of_the_first() {
    let sandbox = Sandbox::running();
    sandbox.assert_works();
    keys::write_new(&sandbox.directory.path("identity"));
    assert_fails(&sandbox.run("true"), "refused the client key of user");
    assert_eq!(sandbox.connections(), 1);
}

#[test]
fn a_host_name_is_refused() {
    let sandbox = Sandbox::absent();
    sandbox.configure(|config| config.host_name = "sandbox".to_owned());
    assert_fails(&sandbox.run("true"), "the host `sandbox` is not an IP address");
}

#[test]
fn a_control_directory_that_others_can_use_is_refused() {
    let sandbox = Sandbox::running();
    let directory = sandbox.control_directory();
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    assert_fails(&sandbox.run("true"), "is accessible to other users (owner");
    fs::remove_dir(&directory).unwrap();
    symlink("/tmp", &directory).unwrap();
    assert_fails(&sandbox.run("true"), ": Not a directory");
}
