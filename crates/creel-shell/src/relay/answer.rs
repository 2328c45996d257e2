//! The gateway's answer, passed on as it comes. Its end says how many tokens it took. Touches nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::clients::Client;
use super::counts::Counts;
use super::upstream::Connection;

/// The usage is at the end of an answer, or of the last event of one: within so many bytes.
const TAIL: usize = 2048;

/// The body of an answer.
pub struct Answer {
    body: Incoming,
    tail: Vec<u8>,
    client: Arc<Client>,
    /// Held as long as the body: the connection to the gateway, and the place of the request.
    _held: (Connection, super::service::Place),
}

impl Answer {
    pub fn new(body: Incoming, client: Arc<Client>, held: (Connection, super::service::Place)) -> Self {
        Self { body, tail: Vec::new(), client, _held: held }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            keep(&mut self.tail, data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let counts = &self.client.counts;
        let tail = String::from_utf8_lossy(&self.tail);
        let count = |names| last_number(&tail, names).unwrap_or_default();
        Counts::add(&counts.input_tokens, count(["prompt_tokens", "input_tokens"]));
        Counts::add(&counts.output_tokens, count(["completion_tokens", "output_tokens"]));
    }
}

/// Keeps the last bytes.
fn keep(tail: &mut Vec<u8>, data: &[u8]) {
    tail.extend_from_slice(&data[data.len().saturating_sub(TAIL)..]);
    tail.drain(..tail.len().saturating_sub(TAIL));
}

/// The number that the last field with one of these names has. Inside of what an agent says, the quotes of a field are escaped.
fn last_number(text: &str, names: [&str; 2]) -> Option<u64> {
    let field = |name: &str| {
        let field = format!("\"{name}\":");
        text.rfind(&field).map(|at| at + field.len())
    };
    let value = &text[names.into_iter().filter_map(field).max()?..];
    let end = value.find(|one: char| !one.is_ascii_digit()).unwrap_or(value.len());
    value[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_at_the_end_counts_and_what_an_agent_says_does_not() {
        let names = ["prompt_tokens", "input_tokens"];
        let chat = r#"{"content":"{\"prompt_tokens\":7}"}],"usage":{"prompt_tokens":12,"completion_tokens":3}}"#;
        assert_eq!(last_number(chat, names), Some(12));
        assert_eq!(last_number(r#"{"content":"{\"prompt_tokens\":7}"}"#, names), None);
        assert_eq!(last_number(r#""usage":{"input_tokens":5,"input_tokens_details":{}}"#, names), Some(5));
        assert_eq!(last_number(r#""usage":{"input_tokens":99999999999999999999}"#, names), None);
        assert_eq!(last_number(r#""input_tokens":"#, names), None);
    }

    #[test]
    fn only_the_end_of_an_answer_is_kept() {
        let mut tail = Vec::new();
        for part in [vec![b'a'; 3 * TAIL], b"bc".to_vec(), vec![b'd'; TAIL - 1]] {
            keep(&mut tail, &part);
            assert!(tail.len() <= TAIL);
        }
        assert_eq!((tail.len(), tail[0], tail[1]), (TAIL, b'c', b'd'));
    }
}
