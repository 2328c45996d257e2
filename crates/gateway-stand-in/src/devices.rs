//! Who may speak over the WebSocket: devices that were approved. A device is an Ed25519 key, known by the digest of its public half.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::refusal::Refusal;

const PROTOCOL: u8 = 4;
/// How far the time that a device has signed may be from the gateway's.
const SKEW_MS: i64 = 120_000;

/// The parameters of `connect`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    min_protocol: u8,
    max_protocol: u8,
    client: Client,
    role: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    auth: Auth,
    device: Option<Device>,
}

#[derive(Deserialize)]
struct Client {
    id: String,
    mode: String,
    platform: String,
    #[serde(default, rename = "deviceFamily")]
    family: String,
}

#[derive(Default, Deserialize)]
struct Auth {
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    id: String,
    public_key: String,
    signature: String,
    signed_at: i64,
    nonce: String,
}

/// Who a connection turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub device: Option<String>,
    pub scopes: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Devices {
    /// Scopes that were approved, by device.
    paired: BTreeMap<String, Vec<String>>,
    /// Those that ask, by the id of their request.
    pending: BTreeMap<String, Pending>,
    requests: u32,
}

#[derive(Debug)]
struct Pending {
    device: String,
    scopes: Vec<String>,
}

impl Claim {
    /// Lets the peer in, or says why not. `is_local`: from the gateway's own machine no approval is needed.
    pub fn check(
        self,
        devices: &mut Devices,
        token: &str,
        nonce: &str,
        now_ms: i64,
        is_local: bool,
    ) -> Result<Peer, Refusal> {
        if !(self.min_protocol..=self.max_protocol).contains(&PROTOCOL) {
            return Err(Refusal::handshake("PROTOCOL_MISMATCH", "protocol mismatch"));
        }
        if self.auth.token != token {
            let message = "unauthorized: gateway token mismatch (provide gateway auth token)";
            return Err(Refusal::handshake("AUTH_TOKEN_MISMATCH", message));
        }
        let Some(device) = &self.device else { return Ok(Peer { device: None, scopes: Vec::new() }) };
        self.check_signature(device, nonce, now_ms)?;
        if !is_local {
            devices.admit(&device.id, &self.role, &self.scopes)?;
        }
        Ok(Peer { device: Some(device.id.clone()), scopes: self.scopes })
    }

    fn check_signature(&self, device: &Device, nonce: &str, now_ms: i64) -> Result<(), Refusal> {
        let fault = |name: &str, message| Refusal::handshake(&format!("DEVICE_AUTH_{name}"), message);
        let key: Option<[u8; 32]> =
            URL_SAFE_NO_PAD.decode(&device.public_key).ok().and_then(|bytes| bytes.try_into().ok());
        if key.is_none_or(|key| hex::encode(Sha256::digest(key)) != device.id) {
            return Err(fault("DEVICE_ID_MISMATCH", "device identity mismatch"));
        }
        if (now_ms - device.signed_at).abs() > SKEW_MS {
            return Err(fault("SIGNATURE_EXPIRED", "device signature expired"));
        }
        if device.nonce != nonce {
            return Err(fault("NONCE_MISMATCH", "device nonce mismatch"));
        }
        let Client { id, mode, platform, family } = &self.client;
        let (role, scopes, token, at) = (&self.role, self.scopes.join(","), &self.auth.token, device.signed_at);
        let claim = format!("v3|{}|{id}|{mode}|{role}|{scopes}|{at}|{token}|{nonce}|{platform}|{family}", device.id);
        let signature = URL_SAFE_NO_PAD.decode(&device.signature).ok();
        let signature = signature.and_then(|bytes| Signature::from_slice(&bytes).ok());
        let key = key.and_then(|key| VerifyingKey::from_bytes(&key).ok());
        match (key, signature) {
            (Some(key), Some(signature)) if key.verify_strict(claim.as_bytes(), &signature).is_ok() => Ok(()),
            _ => Err(fault("SIGNATURE_INVALID", "device signature invalid")),
        }
    }
}

impl Devices {
    fn admit(&mut self, device: &str, role: &str, scopes: &[String]) -> Result<(), Refusal> {
        let approved = self.paired.get(device);
        // An administrator may do everything else, too.
        let may = |scope: &String| approved.is_some_and(|all| all.iter().any(|one| one == scope || one == ADMIN));
        if approved.is_some() && scopes.iter().all(may) {
            return Ok(());
        }
        let known = self.pending.iter().find(|(_, pending)| pending.device == device).map(|(id, _)| id.clone());
        let request = known.unwrap_or_else(|| {
            self.requests += 1;
            let id = format!("request-{}", self.requests);
            self.pending.insert(id.clone(), Pending { device: device.to_owned(), scopes: scopes.to_vec() });
            id
        });
        Err(Refusal::not_paired(json!({
            "code": "PAIRING_REQUIRED",
            "reason": "not-paired",
            "requestId": request,
            "deviceId": device,
            "requestedRole": role,
            "requestedScopes": scopes,
        })))
    }

    /// `device.pair.list`
    pub fn list(&self) -> Value {
        let one = |device: &str, scopes: &[String]| json!({"deviceId": device, "role": "operator", "scopes": scopes});
        let pending = self.pending.iter().map(|(id, pending)| {
            let mut entry = one(&pending.device, &pending.scopes);
            entry["requestId"] = json!(id);
            entry
        });
        let paired = self.paired.iter().map(|(device, scopes)| one(device, scopes));
        json!({"pending": pending.collect::<Vec<_>>(), "paired": paired.collect::<Vec<_>>()})
    }

    /// `device.pair.approve`
    pub fn approve(&mut self, params: &Value) -> Result<Value, Refusal> {
        let id = params.get("requestId").and_then(Value::as_str).unwrap_or_default();
        let Pending { device, scopes } =
            self.pending.remove(id).ok_or_else(|| Refusal::invalid("unknown requestId"))?;
        let answer = json!({"requestId": id, "device": {"deviceId": device, "scopes": scopes, "approvedVia": "owner"}});
        self.paired.insert(device, scopes);
        Ok(answer)
    }

    /// `device.pair.reject`
    pub fn reject(&mut self, params: &Value) -> Result<Value, Refusal> {
        let id = params.get("requestId").and_then(Value::as_str).unwrap_or_default();
        let Pending { device, .. } = self.pending.remove(id).ok_or_else(|| Refusal::invalid("unknown requestId"))?;
        Ok(json!({"requestId": id, "deviceId": device}))
    }

    /// `device.pair.remove`
    pub fn remove(&mut self, params: &Value) -> Result<Value, Refusal> {
        let device = params.get("deviceId").and_then(Value::as_str).unwrap_or_default();
        self.paired.remove(device).ok_or_else(|| Refusal::invalid("unknown deviceId"))?;
        Ok(json!({"deviceId": device}))
    }
}

/// May do everything.
pub const ADMIN: &str = "operator.admin";
