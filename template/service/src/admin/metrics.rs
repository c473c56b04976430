//! `GET /metrics`, for Prometheus.

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    routing::get,
};

use crate::{problem::Problem, telemetry::Metrics};

/// The route that tells `metrics`.
pub fn router(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(scrape).with_state(metrics))
}

async fn scrape(State(metrics): State<Metrics>) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    match metrics.text().await {
        Ok(text) => Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text)),
        Err(error) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}
