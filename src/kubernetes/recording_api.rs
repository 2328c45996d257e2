//! An API server for tests that holds only what it is given, records every request and gives back what it is sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use kube::client::Body;
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What was asked, in order: `PATCH configmaps/concierge-config-1`.
#[derive(Clone, Debug, Default)]
pub struct RecordingApi {
    requests: Arc<Mutex<Vec<String>>>,
    objects: Arc<Mutex<Vec<Value>>>,
    /// What is there to be read, by the end of its path.
    present: Arc<Mutex<HashMap<String, Value>>>,
}

impl RecordingApi {
    /// From now on this object can be read.
    pub fn holds<K: Resource<DynamicType = ()> + Serialize>(&self, object: &K) {
        let path = format!("{}/{}", K::plural(&()), object.name_any());
        let object = serde_json::to_value(object).unwrap_or_default();
        self.present.lock().unwrap_or_else(PoisonError::into_inner).insert(path, object);
    }

    fn read(&self, path: &str) -> Option<Response<Body>> {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Response::new(Body::from(present.get(path)?.to_string().into_bytes())))
    }

    /// From now on a patch of this object changes it and is answered with the whole of it. One that names another version than the object
    /// has is a conflict.
    pub fn knows(&self, object: &impl Serialize) {
        let object = serde_json::to_value(object).unwrap_or_default();
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).push(object);
    }

    /// The object as it is now.
    pub fn known<K: DeserializeOwned>(&self, name: &str) -> Option<K> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let object = objects.iter().rfind(|object| object["metadata"]["name"] == name)?;
        serde_json::from_value(object.clone()).ok()
    }

    /// The object after the patch, or the status code that refuses it.
    fn merged(&self, patch: Value) -> Result<Value, u16> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |object: &&mut Value| {
            object["kind"] == patch["kind"] && object["metadata"]["name"] == patch["metadata"]["name"]
        };
        let Some(object) = objects.iter_mut().rfind(is_it) else { return Ok(patch) };
        let [version, named] = [&*object, &patch].map(|object| object["metadata"]["resourceVersion"].clone());
        if named.is_string() && named != version {
            return Err(409);
        }
        if let (Some(object), Value::Object(patch)) = (object.as_object_mut(), patch) {
            object.extend(patch.into_iter().filter(|(member, _)| member != "metadata"));
        }
        if let Some(version) = version.as_str().and_then(|version| version.parse::<u64>().ok()) {
            object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
        }
        Ok(object.clone())
    }

    /// A client of this API server. Requests for which `refuses` names a status code get that one.
    pub fn client(&self, refuses: impl Fn(&str) -> Option<u16> + Clone + Send + 'static) -> Client {
        let this = self.clone();
        let answer = move |request: Request<Body>| {
            let (this, refuses) = (this.clone(), refuses.clone());
            async move {
                let (parts, body) = request.into_parts();
                let place: Vec<&str> = parts.uri.path().rsplit('/').take(2).collect();
                let path = format!("{}/{}", place[1], place[0]);
                let is_dry_run = parts.uri.query().is_some_and(|query| query.contains("dryRun=All"));
                let line = format!("{} {path}{}", parts.method, if is_dry_run { " (dry run)" } else { "" });
                let body = body.collect().await?.to_bytes();
                let answer = match refuses(&line) {
                    Some(code) => status(code),
                    None if parts.method == Method::GET => this.read(&path).unwrap_or_else(|| status(404)),
                    None => match this.merged(serde_json::from_slice(&body).unwrap_or_default()) {
                        Ok(object) => accepted(object),
                        Err(code) => status(code),
                    },
                };
                this.requests.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                Ok::<_, kube::Error>(answer)
            }
        };
        Client::new(tower::service_fn(answer), "default")
    }

    /// The requests since the last call of this.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Those of them that write.
    pub fn take_writes(&self) -> Vec<String> {
        self.take().into_iter().filter(|line| !line.starts_with("GET ")).collect()
    }
}

fn accepted(mut object: Value) -> Response<Body> {
    object["metadata"]["uid"] = json!("uid");
    Response::new(Body::from(object.to_string().into_bytes()))
}

fn status(code: u16) -> Response<Body> {
    let reason = if code == 404 { "NotFound" } else { "Refused" };
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "code": code,
        "message": "not by this API server",
    });
    let mut response = Response::new(Body::from(status.to_string().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    response
}
