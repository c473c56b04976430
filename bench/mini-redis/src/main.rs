//! tokio's mini-redis, served as its own `mini-redis-server` does; without that one's log, which costs it time.

use std::{future::pending, io::Write};

use tokio::net::TcpListener;

fn main() -> mini_redis::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        mini_redis::server::run(listener, pending::<()>()).await
    })
}
