//! What the service is reached by, besides the admin listener.

use crate::{
    config::Settings,
    lifecycle::{Phase, Phases},
    net::{BindError, Listener},
};

/// The listeners. All are bound before any of them is served.
pub(super) struct Listeners {
    //{% if http %}
    /// For clients.
    pub(super) http: Listener,
    //{% endif %}
    //{% if grpc %}
    /// For clients that speak gRPC, if they have one of their own.
    pub(super) grpc: Option<Listener>,
    //{% endif %}
    //{% if tcp %}
    /// For clients of Redis.
    pub(super) tcp: Listener,
    //{% endif %}
    //{% if console %}
    /// For tokio-console, if it is wanted.
    pub(super) console: Option<Listener>,
    //{% endif %}
}

impl Listeners {
    /// Binds the addresses that the settings name.
    ///
    /// # Errors
    /// The first that can't be bound.
    ///
    /// # Cancel safety
    /// Dropping it gives back what was bound.
    pub(super) async fn bind(settings: &Settings, phases: &Phases) -> Result<Self, BindError> {
        Ok(Self {
            // One after the other: the first that fails is the one that is reported.
            //{% if http %}
            http: Listener::bind("http", &settings.http_addr, Phase::Draining, phases, settings).await?,
            //{% endif %}
            //{% if grpc %}
            grpc: match &settings.grpc_addr {
                Some(address) => Some(Listener::bind("grpc", address, Phase::Draining, phases, settings).await?),
                None => None,
            },
            //{% endif %}
            //{% if tcp %}
            tcp: Listener::bind("tcp", &settings.tcp_addr, Phase::Draining, phases, settings).await?,
            //{% endif %}
            //{% if console %}
            console: match &settings.console_addr {
                Some(address) => Some(Listener::bind("console", address, Phase::Stopped, phases, settings).await?),
                None => None,
            },
            //{% endif %}
        })
    }
}
