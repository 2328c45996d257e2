//! Devices at a gateway's WebSocket, as those of browsers and dashboards. Touches the network: the gateway, at its Pod's address.

use std::collections::BTreeSet;

use gateway_stand_in::contract::socket::{Device, Socket};
use serde_json::{Value, json};

use super::admin::Admin;
use super::namespace::TestNamespace;

impl TestNamespace {
    /// Connects this device to the gateway of `owner`, which runs, with the token and this scope; the connection, and the token that the
    /// device gets for itself. `Err`: what the gateway answers.
    pub async fn connect(&self, owner: &str, device: &Device, scope: &str) -> Result<(Socket, String), Value> {
        let (mut socket, challenge, token) = self.open(owner).await;
        let hello = socket.call("connect", device.claim(&challenge, &token, scope)).await?;
        Ok((socket, hello["auth"]["deviceToken"].as_str().unwrap_or_default().to_owned()))
    }

    /// The same with nothing but a token that the device got for itself.
    pub async fn connect_by_device_token(
        &self,
        owner: &str,
        device: &Device,
        (scope, token): (&str, &str),
    ) -> Result<Socket, Value> {
        let (mut socket, challenge, _) = self.open(owner).await;
        let mut claim = device.claim(&challenge, token, scope);
        claim["auth"] = json!({"deviceToken": token});
        socket.call("connect", claim).await.map(|_| socket)
    }

    /// A connection to the gateway of `owner` with its challenge, and the token of the gateway.
    async fn open(&self, owner: &str) -> (Socket, Value, String) {
        let admin = Admin::of(self, owner).await.unwrap_or_else(|seen| panic!("the gateway of Agent {owner}: {seen}"));
        let (socket, challenge) = Socket::open_from(admin.address, None).await;
        (socket, challenge, admin.token)
    }

    /// The ids of the devices that the gateway of `owner`, which runs, lets in.
    pub async fn paired_devices(&self, owner: &str) -> BTreeSet<String> {
        let listed = self.rpc(owner, "device.pair.list", json!({})).await;
        let ids = listed["paired"].as_array().into_iter().flatten().map(|device| device["deviceId"].as_str());
        ids.map(|id| id.unwrap_or_default().to_owned()).collect()
    }
}
