//! The gRPC interface: `kv.v1.KeyValue`, as `proto/kv/v1/kv.proto` describes it, with health and reflection beside it.
//!
//! It is served with HTTP on one listener, or on its own: a router is all it is. tonic reads and writes messages;
//! listeners, connections and limits are the same as for HTTP, so tonic's own server is not used.

mod calls;
mod health;
mod key_value;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, Uri, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
};
use process::work::Name;
use tonic::{Code, Status, server::NamedService};
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::Builder;

use crate::{
    lifecycle::Phases,
    limits::{Interface, Limits, Refusal, bounded},
    problem,
    store::{Store, StoreError},
};
use calls::Calls;
use health::Health;
use key_value::KeyValue;
use v1::key_value_server::KeyValueServer;

/// What the proto says, in Rust, made by `build.rs`.
#[allow(missing_docs, clippy::all, reason = "it is not written by hand; what it means is said in the proto")]
pub mod v1 {
    tonic::include_proto!("kv.v1");

    /// The proto in the form that reflection tells clients.
    pub(super) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

    /// What calls are named: `grpc /kv.v1.KeyValue/Get` and so on.
    pub(super) const METHODS: &[&str] = include!(concat!(env!("OUT_DIR"), "/methods.rs"));
}

/// What stands before each message in a body: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// What gRPC says about its requests.
pub const INTERFACE: Interface = Interface { name, refuse, framing: PREFIX };

/// All services. Streams end when `phases` say that the drain has begun. Keys are within the limits; health and
/// reflection answer also under overload.
///
/// # Errors
/// When the descriptors for reflection can't be read, which is a mistake of the build.
pub fn router(limits: &Limits, store: Store, phases: &Phases) -> Result<Router, tonic_reflection::server::Error> {
    let bodies = limits.bodies();
    let keys = KeyValue::new(store, phases.clone(), bodies.max_bytes);
    let keys = KeyValueServer::new(keys).max_decoding_message_size(bodies.max_bytes);
    let health = HealthServer::new(Health::new(phases.clone())).max_decoding_message_size(bodies.max_bytes);
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let reflection_v1 = reflection().build_v1()?.max_decoding_message_size(bodies.max_bytes);
    // What older clients ask for.
    let reflection_v1alpha = reflection().build_v1alpha()?.max_decoding_message_size(bodies.max_bytes);
    let limited = Router::new().route_service(&methods_of(&keys), Calls::new(keys));
    let always = Router::new()
        .route_service(&methods_of(&health), Calls::new(health))
        .route_service(&methods_of(&reflection_v1), Calls::streaming(reflection_v1, phases))
        .route_service(&methods_of(&reflection_v1alpha), Calls::streaming(reflection_v1alpha, phases))
        .layer(from_fn_with_state((bodies, INTERFACE), bounded));
    Ok(limits.around(INTERFACE, limited).merge(always))
}

/// The route of a service. Methods that it does not have are its own business.
fn methods_of<S: NamedService>(_: &S) -> String {
    format!("/{}/{{*method}}", S::NAME)
}

/// What a router answers where it has no route: gRPC is told in gRPC, and the rest as in HTTP.
///
/// # Cancel safety
/// It does not wait.
pub async fn unmatched(uri: Uri, headers: HeaderMap) -> Response {
    match is_call(&headers) {
        true => Status::unimplemented("there is no such service").into_http(),
        false => problem::no_such_route(uri).await.into_response(),
    }
}

/// Whether a request is one of gRPC, in the encoding that this service knows.
fn is_call(headers: &HeaderMap) -> bool {
    let encoding =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    encoding.is_some_and(|rest| rest.is_empty() || rest.starts_with(b";") || rest.starts_with(b"+proto"))
}

fn name(request: &Request) -> Name {
    let path = request.uri().path();
    let known = v1::METHODS.iter().find(|name| name.strip_prefix("grpc ") == Some(path));
    known.copied().unwrap_or("grpc unmatched").into()
}

fn refuse(refusal: Refusal) -> Response {
    let (code, detail) = match refusal {
        Refusal::Overloaded => (Code::ResourceExhausted, "the service is overloaded; try again soon".to_owned()),
        Refusal::TimedOut => (Code::DeadlineExceeded, "the service did not answer in time".to_owned()),
        Refusal::Panicked => (Code::Internal, "the service made a mistake".to_owned()),
        Refusal::TooLarge(bytes) => (Code::ResourceExhausted, format!("a message may have {bytes} bytes")),
        // Nothing was done, as with a client's own deadline; `ABORTED` would speak of a conflict with others.
        Refusal::TooSlow(time) => (Code::DeadlineExceeded, format!("a message may take {time:?} to arrive")),
        Refusal::Encoded => (Code::Unimplemented, "a request must not be encoded".to_owned()),
    };
    Status::new(code, detail).into_http()
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        //{% if measured %}
        if matches!(error, StoreError::Overloaded) {
            crate::meters::shed("grpc").add(1);
        }
        //{% endif %}
        let code = match error {
            StoreError::Overloaded => Code::ResourceExhausted,
            StoreError::Stopped => Code::Unavailable,
            StoreError::Mismatch(_) => Code::FailedPrecondition,
        };
        Self::new(code, error.to_string())
    }
}
