//! What operators and orchestrators ask for, on a listener of its own that is never shed and closes last.

//{% if metrics %}
pub mod metrics;

//{% endif %}
use axum::{
    Json, Router,
    extract::{State, rejection::StringRejection},
    http::StatusCode,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
use process::log::LogFilter;
use serde::Serialize;

use crate::{
    lifecycle::{Phase, Phases},
    limits::{Bodies, bounded},
    problem::{self, Problem},
};

/// The routes that are always there.
pub fn routes(phases: Phases, log_filter: LogFilter) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready).with_state(phases))
        .route("/log-filter", get(current_filter).put(replace_filter).with_state(log_filter))
}

/// All `routes` of the admin listener, with what they have in common.
pub fn router(routes: Router, bodies: Bodies) -> Router {
    routes
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn_with_state((bodies, problem::INTERFACE), bounded))
}

/// That the service answers.
#[derive(Serialize)]
struct Liveness {
    alive: bool,
}

/// Whether the service is ready, and why not.
#[derive(Serialize)]
struct Readiness {
    /// Whether new requests should be sent here.
    ready: bool,
    /// Why they should not.
    reasons: Vec<&'static str>,
}

async fn live() -> Json<Liveness> {
    Json(Liveness { alive: true })
}

async fn ready(State(phases): State<Phases>) -> Response {
    let reasons = match phases.current() {
        Phase::Ready => vec![],
        Phase::Starting => vec!["the service is starting"],
        Phase::Stopping | Phase::Draining | Phase::Stopped => vec!["the service is stopping"],
    };
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready: reasons.is_empty(), reasons })).into_response()
}

async fn current_filter(State(filter): State<LogFilter>) -> String {
    filter.current() + "\n"
}

async fn replace_filter(
    State(filter): State<LogFilter>,
    text: Result<String, StringRejection>,
) -> Result<StatusCode, Problem> {
    let text = text.map_err(|refused| Problem::new(refused.status(), refused.body_text()))?;
    filter.replace(&text).map_err(|reason| Problem::new(StatusCode::BAD_REQUEST, reason))?;
    tracing::info!(filter = text.trim(), "log filter replaced");
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle;

    #[tokio::test]
    async fn it_is_ready_in_one_phase_alone_and_says_why_it_is_not_in_the_others() {
        let (control, phases) = lifecycle::channel();
        for (phase, reason) in [
            (Phase::Starting, Some("the service is starting")),
            (Phase::Ready, None),
            (Phase::Stopping, Some("the service is stopping")),
            (Phase::Draining, Some("the service is stopping")),
        ] {
            control.advance(phase);
            let response = ready(State(phases.clone())).await;
            assert_eq!(response.status().is_success(), reason.is_none(), "{phase:?}");
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            assert!(String::from_utf8_lossy(&body).contains(reason.unwrap_or("[]")), "{phase:?}");
        }
    }
}
