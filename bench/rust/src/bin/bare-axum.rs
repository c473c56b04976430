//! The service's `GET` and `PUT /v1/keys/{key}` as axum's own examples would have them: a map behind a lock, served by
//! `axum::serve`, with no limits, ids, spans, deadlines or drain.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use tokio::net::TcpListener;

type Keys = Arc<Mutex<BTreeMap<String, Bytes>>>;

async fn read(State(keys): State<Keys>, Path(key): Path<String>) -> Result<Bytes, StatusCode> {
    keys.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned().ok_or(StatusCode::NOT_FOUND)
}

async fn write(State(keys): State<Keys>, Path(key): Path<String>, value: Bytes) -> StatusCode {
    keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
    StatusCode::CREATED
}

fn main() -> std::io::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        let app = Router::new().route("/v1/keys/{key}", get(read).put(write)).with_state(Keys::default());
        axum::serve(listener, app).await
    })
}
