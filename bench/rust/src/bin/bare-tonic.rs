//! The service's `Get` and `Put` as tonic's own examples would have them: a map behind a lock, served by
//! `tonic::transport::Server`, with no limits, ids, spans, deadlines or drain.

use std::{
    collections::BTreeMap,
    error::Error,
    io::Write,
    sync::{Mutex, PoisonError},
};

use bench::kv::{
    GetRequest, GetResponse, PutRequest, PutResponse,
    key_value_server::{KeyValue, KeyValueServer},
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

#[derive(Default)]
struct Keys {
    /// The last revision.
    revision: u64,
    /// Each key's value, and the revision that it came with.
    map: BTreeMap<String, (Vec<u8>, u64)>,
}

#[derive(Default)]
struct Service(Mutex<Keys>);

#[tonic::async_trait]
impl KeyValue for Service {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = keys.map.get(&request.get_ref().key);
        let (value, revision) = found.cloned().ok_or_else(|| Status::not_found("no such key"))?;
        Ok(Response::new(GetResponse { value, revision, ..Default::default() }))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let PutRequest { key, value, .. } = request.into_inner();
        let keys = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.revision += 1;
        keys.map.insert(key, (value, keys.revision));
        Ok(Response::new(PutResponse { revision: keys.revision, ..Default::default() }))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        // As `Server::serve` sets its own sockets.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let service = KeyValueServer::new(Service::default());
        Ok(Server::builder().add_service(service).serve_with_incoming(incoming).await?)
    })
}
