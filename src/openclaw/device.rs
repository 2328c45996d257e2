//! The operator's own device: who asks over the gateway's WebSocket, and the proof of it. Pure.
//!
//! A device is an Ed25519 key. The gateway knows it by the digest of its public half, lets it in once somebody has approved it, and has it
//! sign a new challenge each time.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The version of the gateway's protocol that Creel speaks.
const PROTOCOL: u8 = 4;

/// What OpenClaw calls a program that speaks to its gateway, as opposed to an app of a person.
const CLIENT: &str = "gateway-client";
const MODE: &str = "backend";
const PLATFORM: &str = "linux";
const ROLE: &str = "operator";

/// The least that `cron.run` wants: with `operator.write` it answers "missing scope: operator.admin".
const SCOPE: &str = "operator.admin";

/// A key of the operator that gateways know.
pub struct Device {
    key: SigningKey,
}

/// What a gateway says first on each connection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Challenge {
    pub(super) nonce: String,
    /// Milliseconds since 1970, by the gateway's clock.
    #[serde(rename = "ts")]
    pub(super) time: i64,
}

impl Device {
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(secret) }
    }

    /// Under which gateways know it: the SHA-256 of the public key, in hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(Sha256::digest(self.key.verifying_key().as_bytes()))
    }

    /// The public key in base64url, without padding.
    #[must_use]
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes())
    }

    /// The parameters of `connect`, which answer the challenge. They hold the token: not for logs.
    #[must_use]
    pub(super) fn answer(&self, challenge: &Challenge, token: &SecretString) -> Value {
        let version = env!("CARGO_PKG_VERSION");
        json!({
            "minProtocol": PROTOCOL,
            "maxProtocol": PROTOCOL,
            "client": {"id": CLIENT, "version": version, "platform": PLATFORM, "mode": MODE},
            "role": ROLE,
            "scopes": [SCOPE],
            "auth": {"token": token.expose_secret()},
            "device": {
                "id": self.id(),
                "publicKey": self.public_key(),
                "signature": self.signature(challenge, token),
                "signedAt": challenge.time,
                "nonce": challenge.nonce,
            },
            "userAgent": format!("creel/{version}"),
        })
    }

    /// Over everything that the answer claims. The last part is the family of an app's device, which a program has not.
    fn signature(&self, challenge: &Challenge, token: &SecretString) -> String {
        let Challenge { nonce, time } = challenge;
        let (id, token) = (self.id(), token.expose_secret());
        let claim = format!("v3|{id}|{CLIENT}|{MODE}|{ROLE}|{SCOPE}|{time}|{token}|{nonce}|{PLATFORM}|");
        URL_SAFE_NO_PAD.encode(self.key.sign(claim.as_bytes()).to_bytes())
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Device").field("id", &self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    //! The expected values were computed by Node's crypto, in the client that the real gateway let in.

    use super::*;

    fn device() -> Device {
        Device::new(&std::array::from_fn(|position| u8::try_from(position).unwrap()))
    }

    fn challenge() -> Challenge {
        let said = json!({
            "nonce": "422725e4-2b35-45a8-adfd-e027d69db99f",
            "ts": 1_795_275_645_863_i64,
            "capabilities": ["model-catalog-snapshot"],
        });
        serde_json::from_value(said).unwrap()
    }

    #[test]
    fn a_device_is_known_by_the_digest_of_its_public_key() {
        assert_eq!(device().public_key(), "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg");
        assert_eq!(device().id(), "56475aa75463474c0285df5dbf2bcab73da651358839e9b77481b2eab107708c");
    }

    #[test]
    fn a_challenge_is_signed_as_openclaws_own_client_signs_it() {
        let answer = device().answer(&challenge(), &SecretString::from("a-token"));
        assert_eq!(
            answer["device"],
            json!({
                "id": device().id(),
                "publicKey": device().public_key(),
                "signature": "M6_9FkuGXYiroZ5roINCcbAnrfMM6KMrZt7-z-onCCeViw9a5xmZisQOtm9Tu9hQS5vJLA9Z2oHQUYROTkr5Cg",
                "signedAt": 1_795_275_645_863_i64,
                "nonce": "422725e4-2b35-45a8-adfd-e027d69db99f",
            })
        );
        assert_eq!((&answer["role"], &answer["scopes"]), (&json!("operator"), &json!(["operator.admin"])));
    }

    #[test]
    fn a_device_in_a_log_shows_no_secret() {
        assert_eq!(format!("{:?}", device()), format!("Device {{ id: \"{}\", .. }}", device().id()));
    }
}
