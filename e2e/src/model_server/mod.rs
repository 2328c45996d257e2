//! The scripted model server: speaks the protocol of `openai-completions` and answers as it was told to, so that tests see what
//! was on the wire and decide what comes back. Without a script it does what its user says, see [`Reply::Obey`]: it runs what stands
//! between backticks where it can, and else answers `You said: <the user's last words>`.
//!
//! ```text
//! POST …/chat/completions   one answer, or a stream of server-sent events
//! GET  …/models             the list of models
//! PUT  /scripts/<name>      sets the rules of that name (a JSON list of `Rule`); DELETE removes them; GET /scripts lists all
//! GET  /requests            what was asked: ?pathPrefix= &apiKey= &model= &after= (a sequence number)
//! GET  /healthz             200
//! /bot<token>/…, /bots/…    a Bot API server of Telegram, see `bot_api`
//! ```
//! The prefix of a path is free: Providers with the base URLs `http://…/team-a/v1` and `http://…/fallback/v1` meet different
//! rules on one server, and tests that run side by side keep out of each other's way by a prefix (or a key) of their own.
//!
//! Rooms: `rule` and `script` (what is said when, pure), `protocol` (the shape of requests and answers, pure), `failure` (that of errors,
//! pure), `spoken` (the user's words in what the gateway sends, pure), `journal` (what was asked, in memory), `bot_api` (in memory),
//! `server` (network), `client`
//! (network, for the tests), `pod` (the YAML to apply, pure). Nothing touches the disk.

mod bot_api;
mod client;
mod failure;
mod journal;
mod pod;
mod protocol;
mod rule;
mod script;
mod server;
mod spoken;
#[cfg(test)]
mod tests;

pub use client::{Client, ClientError};
pub use journal::{Filter, Recorded};
pub use pod::{SERVICE, manifest};
pub use protocol::NOTHING;
pub use rule::{Failure, MAX_DELAY, Reply, Rule, ToolCall, When};
pub use server::{ModelServer, Options, ServeError};
