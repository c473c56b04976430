//! One attempt to deliver an event over HTTP, and what its answer means.

use std::time::Duration;

use domain::{Event, Revision};
use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use serde::Serialize;

use super::{Again, Failure, Sink, WebhookUrl, deliveries::CONCURRENCY};

/// How much of an answer is read, only so that its connection can be used again.
const ANSWER: usize = 16 * 1024;

/// How long an attempt may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Until there is a connection, name resolution and TLS included.
    pub connect: Duration,
    /// For the answer to begin, and between two parts of it.
    pub read: Duration,
    /// For everything together.
    pub total: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), read: Duration::from_secs(5), total: Duration::from_secs(10) }
    }
}

/// What is sent, as JSON.
#[derive(Serialize)]
struct Payload<'a> {
    event: &'static str,
    key: &'a str,
    revision: Revision,
}

/// A webhook. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Keeps connections open for the next delivery.
    client: Client,
    /// Where to.
    url: WebhookUrl,
}

impl Webhook {
    /// Prepares to deliver to `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// When `https` was asked for and the system has no certificate authorities that could be trusted.
    pub fn new(url: WebhookUrl, times: Times) -> Result<Self, reqwest::Error> {
        // reqwest is built without cryptography of its own, so the process has to name one. An error says that it has.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = Client::builder()
            .connect_timeout(times.connect)
            .read_timeout(times.read)
            .timeout(times.total)
            .pool_max_idle_per_host(CONCURRENCY)
            // Whoever answers there could send us anywhere, also to what only we can reach.
            .redirect(redirect::Policy::none())
            // What is not in the settings does not count; `HTTP_PROXY` is for other programs.
            .no_proxy();
        if url.reveal().scheme() == "http" {
            // Nobody is to be trusted then. Without this line a system without authorities would be an error.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self { client: builder.build()?, url })
    }
}

impl Sink for Webhook {
    async fn deliver(&self, event: &Event) -> Result<(), Failure> {
        let payload = Payload { event: event.kind.name(), key: &event.key, revision: event.revision };
        let request = self.client.post(Url::clone(self.url.reveal())).json(&payload);
        //{% if otel %}
        let request = request.headers(crate::telemetry::otel::headers());
        //{% endif %}
        match request.send().await {
            Ok(response) if response.status().is_success() => {
                finish(response).await;
                Ok(())
            }
            Ok(response) => {
                let failure = refusal(&response);
                finish(response).await;
                Err(failure)
            }
            Err(error) => {
                let again = if error.is_builder() { Again::Never } else { Again::Later };
                let reason = format!("{:#}", anyhow::Error::new(error.without_url()));
                Err(Failure { reason, again })
            }
        }
    }
}

/// What an answer means that is no 2xx.
fn refusal(response: &Response) -> Failure {
    let status = response.status();
    let is_passing =
        status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    // It may also be a date, by the receiver's clock; then our own backoff has to do.
    let after = || response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs);
    let again = match is_passing {
        false => Again::Never,
        true => after().map_or(Again::Later, Again::After),
    };
    Failure { reason: format!("the webhook answered {}", status.as_u16()), again }
}

/// Reads what is left of an answer, if it is little. The outcome is decided: errors change nothing.
async fn finish(mut response: Response) {
    let mut left = ANSWER;
    while let Ok(Some(part)) = response.chunk().await {
        match left.checked_sub(part.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
