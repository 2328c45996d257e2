//! Kind `Provider`: where models come from.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::references::SecretSource;

/// An endpoint that serves models, and the models that Agents may use.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "creel.dev",
    version = "v1alpha1",
    kind = "Provider",
    plural = "providers",
    shortname = "cpr",
    category = "creel",
    namespaced,
    status = "ProviderStatus",
    derive = "PartialEq",
    doc = "A Provider is an endpoint that serves models, the credentials for it, and the models that Agents of this namespace may use. Anyone who can create a Provider can use every Secret of its namespace, as with Pods.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')").message("the name of a Provider must be a DNS label of at most 40 characters: lower-case letters, digits and '-', starting with a letter, without dots"),
    validation = Rule::new("!(self.metadata.name in ['constructor', 'prototype'])").message("OpenClaw cannot use the names 'constructor' and 'prototype': choose another name"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "API", type_ = "string", json_path = ".spec.api"),
    printcolumn(name = "Agents", type_ = "integer", json_path = ".status.agents"),
    printcolumn(name = "Models", type_ = "string", json_path = ".spec.models[*].id", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ProviderSpec {
    /// The protocol that the endpoint speaks.
    pub api: Protocol,
    /// The base address of the endpoint, `http` or `https`, without credentials, query or fragment. A change is applied without a restart.
    /// Example: `https://api.openai.com/v1`.
    #[serde(rename = "baseURL")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '' && !self.contains('@') && !self.contains('?') && !self.contains('#')").message("baseURL must be an http or https URL with a host and without credentials, query or fragment"))]
    pub base_url: String,
    /// The API key. Omit it for a server that needs none: OpenClaw then sends the word `unused` as its key, or no key to a private address and
    /// to a host whose name ends in `.local`. When the value changes, the Pods of the gateways that use it are recreated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretSource>,
    /// Additional HTTP headers for each request, at most 16. No two names may differ only in case. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new("self.all(one, self.exists_one(other, other.name.lowerAscii() == one.name.lowerAscii()))").message("two headers have the same name: HTTP does not distinguish case"))]
    pub headers: Vec<Header>,
    /// The models of this endpoint, at least one and at most 256: the only names that Agents may use.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub models: Vec<Model>,
}

/// The protocol of an endpoint, as OpenClaw names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    OpenaiCompletions,
    OpenaiResponses,
    AnthropicMessages,
    GoogleGenerativeAi,
    Ollama,
    AzureOpenaiResponses,
}

/// One HTTP header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)").message("set exactly one of value and valueFrom"))]
pub struct Header {
    /// The header's name. Example: `X-Org`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9-]+$')").message("a header name consists of letters, digits and '-'"))]
    #[x_kube(validation = Rule::new("!(self.lowerAscii() in ['authorization', 'host', 'content-length', 'transfer-encoding', 'connection'])").message("the HTTP client sets this header itself; use credentials for the API key"))]
    pub name: String,
    /// The header's value, as plain text. Use `valueFrom` for anything secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^[ -~]*$')").message("a header value consists of printable ASCII characters"))]
    #[x_kube(validation = Rule::new("!self.matches('^ *[$][A-Z][A-Z0-9_]* *$')").message("OpenClaw takes this value for a variable of the gateway: use valueFrom for a secret"))]
    pub value: Option<String>,
    /// Takes the value from a Secret. When it changes, the Pods of the gateways that use it are recreated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<SecretSource>,
}

/// One model of the endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// The model's name at the endpoint. OpenClaw does not send what follows an `@` after the last `/`, except for a date or a quantisation
    /// (`m@20240620`, `m@q4_k_m`), so such a name can't be used. Example: `gpt-4o-mini`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^(.*/)?[^@/]*(@[0-9]{8})?(@((?i)i?q[0-9]+(_[a-z0-9]+)*|[0-9]+bit))?@?$')").message("OpenClaw takes what follows the '@' for the name of an auth profile: only a date (m@20240620) or a quantisation (m@q4_k_m) can follow it"))]
    #[x_kube(validation = Rule::new("self.matches('^[!-~]+$')").message("a model id consists of printable ASCII characters without spaces"))]
    pub id: String,
    /// How many tokens the model can read in one turn. Default: 128000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024, max = 100_000_000))]
    pub context_window: Option<u32>,
    /// How many tokens the model may write in one turn. Default: 8192.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_tokens: Option<u32>,
    /// Whether the model can reason before it answers. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// The kinds of input that the model accepts: `text`, `image`. Default: `[text]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub input: Vec<Modality>,
    /// The prices of the model, from which the gateway computes the cost of each run. Default: free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// A kind of input, as OpenClaw names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    Text,
    Image,
}

/// Prices in US dollars per million tokens, as decimal strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Cost {
    /// US dollars per million tokens read. Example: `"0.15"`.
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub input: String,
    /// US dollars per million tokens written. Example: `"0.60"`.
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub output: String,
}

/// What Creel observed of a Provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the Provider can be used. `CredentialsResolved`: every Secret and key that it names exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The number of Agents in the namespace that use this Provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<i32>,
}
