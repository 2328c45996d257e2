//! Log lines to standard error.

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use crate::settings::LogFormat;

/// Why logging could not start.
#[derive(Debug, Error)]
pub enum LogError {
    #[error(
        "--log \"{filter}\" is not a valid filter: use a level, or target=level pairs such as info,creel::gateway=debug"
    )]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error("cannot start logging")]
    Init(#[from] TryInitError),
}

/// Starts logging with this filter, for the whole process.
pub fn start(filter: &str, format: LogFormat) -> Result<(), LogError> {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let parsed = EnvFilter::try_new(filter).map_err(|source| LogError::Filter { filter: filter.to_owned(), source })?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(parsed);
    match format {
        LogFormat::Text => registry.with(layer.with_ansi(false)).try_init()?,
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_span_list(false)).try_init()?,
    }
    Ok(())
}
