//! `model-server`: the scripted model server as a process or a Pod. Touches the network; see `e2e::model_server`.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use e2e::model_server::{ModelServer, Options};
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = r#"Without a script it answers `You said: <the last message of the user>`. To script other answers:

  curl -X PUT http://127.0.0.1:8080/scripts/demo -d '[{"when":{"pathPrefix":"/team-b"},"reply":{"text":"Hello!"}}]'
  curl -X PUT http://127.0.0.1:8080/scripts/demo -d '[{"times":1,"delayMs":500,"reply":{"error":{"status":402}}}]'
  curl 'http://127.0.0.1:8080/requests?pathPrefix=/team-b'"#;

/// A scripted model server with the chat-completions protocol.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// The address and port to listen on.
    #[arg(long, env = "MODEL_SERVER_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,

    /// The key that every model request must send as `Authorization: Bearer <key>`; others are rejected with 401.
    #[arg(long, env = "MODEL_SERVER_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// A model that `GET …/models` lists; can be repeated. Chat requests can use any model.
    #[arg(long = "model", env = "MODEL_SERVER_MODELS", value_delimiter = ',', default_values = ["gpt-4o-mini", "gpt-4o"])]
    models: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_target(false).init();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    // The first process of a container gets no default signal handlers: without these it would ignore SIGTERM.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let options = Options { api_key: arguments.api_key, models: arguments.models };
    let server = ModelServer::start(arguments.listen, options).await?;
    tracing::info!(address = %server.address(), "listening");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopped");
    Ok(())
}
