//! Log lines to standard error.

use thiserror::Error;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

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
    subscriber(filter, format, std::io::stderr)?.try_init()?;
    Ok(())
}

/// Writes what the filter asks for and what may be printed at all.
pub(crate) fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let parsed = EnvFilter::try_new(filter).map_err(|source| LogError::Filter { filter: filter.to_owned(), source })?;
    let registry = tracing_subscriber::registry().with(parsed).with(filter_fn(may_be_printed));
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    Ok(match format {
        LogFormat::Text => Box::new(registry.with(layer.with_ansi(false))),
        LogFormat::Json => Box::new(registry.with(layer.json().flatten_event(true).with_span_list(false))),
    })
}

/// Whether this may be printed, whatever the filter asks for. Values of Secrets pass through libraries: kube warns of an answer that it
/// cannot parse with the whole of it, and others print at their lowest levels what they send and receive.
fn may_be_printed(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    let most = match library {
        "creel" => Level::TRACE,
        "kube_client" => Level::ERROR,
        _ => Level::INFO,
    };
    *metadata.level() <= most
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    /// What was logged.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(crate) fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What is logged meanwhile, of what this filter asks for.
    pub(crate) fn logged(filter: &str, format: LogFormat, run: impl FnOnce()) -> String {
        let lines = Lines::default();
        let Ok(subscriber) = subscriber(filter, format, lines.clone()) else { return String::new() };
        tracing::subscriber::with_default(subscriber, run);
        lines.text()
    }

    #[test]
    fn the_filter_cannot_ask_libraries_for_what_they_send_and_receive() {
        let run = || {
            tracing::trace!("own trace");
            tracing::trace!(target: "hyper::proto", "library trace");
            tracing::info!(target: "k8s_controller", "library info");
            tracing::warn!(target: "kube_client::client", "client warning");
            tracing::error!(target: "kube_client::client::builder", "client error");
        };
        for format in [LogFormat::Text, LogFormat::Json] {
            for filter in ["trace", "trace,kube_client=trace,kube_client::client=trace,hyper=trace,hyper::proto=trace"]
            {
                let text = logged(filter, format, run);
                assert!(["own trace", "library info", "client error"].iter().all(|line| text.contains(line)), "{text}");
                assert!(!["library trace", "client warning"].iter().any(|line| text.contains(line)), "{text}");
            }
        }
    }

    #[test]
    fn the_filter_still_says_what_of_the_rest_is_printed() {
        let run = || {
            tracing::info!("own info");
            tracing::error!(target: "kube_client::client::builder", "client error");
        };
        assert!(!logged("warn", LogFormat::Text, run).contains("own info"));
        assert!(!logged("info,kube_client=off", LogFormat::Text, run).contains("client error"));
        assert!(logged("info", LogFormat::Text, run).contains("own info"));
    }
}
