//! `load-grpc ADDR CONNECTIONS CALLS SECONDS METHOD`: keeps CALLS unary calls under way on each connection, and reports
//! the answers as one line of JSON.
//!
//! It speaks HTTP/2 through the `h2` crate and encodes its message once: a generated client costs more than the server
//! that is measured.

use std::{
    env,
    future::poll_fn,
    io::{Error, ErrorKind, Result},
    time::Instant,
};

use bench::{
    Answer, Report, argument,
    kv::{GetRequest, PutRequest},
    run,
};
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{SendRequest, handshake};
use http::{HeaderMap, Request, header::CONTENT_TYPE};
use prost::Message;
use tokio::{net::TcpStream, task::spawn_local};

/// What `grpc-status` says (gRPC over HTTP/2, "Responses"): 0 is OK, 8 RESOURCE_EXHAUSTED.
fn status(headers: &HeaderMap) -> Option<Result<Answer>> {
    Some(match headers.get("grpc-status")?.as_bytes() {
        b"0" => Ok(Answer::Good),
        b"8" => Ok(Answer::Shed),
        _ => Err(Error::other(format!("{headers:?}"))),
    })
}

/// A message with the prefix that it has on the wire: not compressed, and its length.
fn framed(message: &impl Message) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).map_err(Error::other)?);
    message.encode(&mut bytes).map_err(Error::other)?;
    Ok(bytes.freeze())
}

async fn call(client: &mut SendRequest<Bytes>, request: &Request<()>, message: &Bytes) -> Result<Answer> {
    poll_fn(|cx| client.poll_ready(cx)).await.map_err(Error::other)?;
    let (response, mut body) = client.send_request(request.clone(), false).map_err(Error::other)?;
    body.send_data(message.clone(), true).map_err(Error::other)?;
    let (head, mut body) = response.await.map_err(Error::other)?.into_parts();
    if let Some(answer) = status(&head.headers) {
        return answer;
    }
    while let Some(data) = body.data().await {
        let length = data.map_err(Error::other)?.len();
        body.flow_control().release_capacity(length).map_err(Error::other)?;
    }
    let trailers = body.trailers().await.map_err(Error::other)?;
    trailers.as_ref().and_then(status).unwrap_or_else(|| Err(Error::other("the answer has no grpc-status")))
}

async fn caller(mut client: SendRequest<Bytes>, request: Request<()>, message: Bytes, report: Report) -> Result<()> {
    let mut due = Instant::now();
    while due < report.until() {
        let answer = call(&mut client, &request, &message).await?;
        report.count(due, answer);
        due = Instant::now();
    }
    Ok(())
}

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let addr: String = argument(&mut args, "ADDR")?;
    let connections: usize = argument(&mut args, "CONNECTIONS")?;
    let calls: usize = argument(&mut args, "CALLS")?;
    let seconds: f64 = argument(&mut args, "SECONDS")?;
    let method: String = argument(&mut args, "METHOD")?;

    let (key, value) = ("key".to_owned(), vec![b'x'; 16]);
    let message = match method.as_str() {
        "Get" => framed(&GetRequest { key }),
        "Put" => framed(&PutRequest { key, value, ..Default::default() }),
        other => Err(Error::new(ErrorKind::InvalidInput, format!("METHOD: Get or Put, not {other}"))),
    }?;
    let request = Request::post(format!("http://{addr}/kv.v1.KeyValue/{method}"))
        .header(CONTENT_TYPE, "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(Error::other)?;
    run(async {
        let mut clients = Vec::with_capacity(connections);
        for _ in 0..connections {
            let stream = TcpStream::connect(&addr).await?;
            stream.set_nodelay(true)?;
            let (client, connection) = handshake(stream).await.map_err(Error::other)?;
            spawn_local(connection);
            clients.push(client);
        }
        let report = Report::begin(seconds)?;
        let callers: Vec<_> = (0..connections * calls)
            .map(|nth| {
                let client = clients[nth % connections].clone();
                spawn_local(caller(client, request.clone(), message.clone(), report.clone()))
            })
            .collect();
        for caller in callers {
            caller.await.map_err(Error::other)??;
        }
        Ok(report)
    })
}
