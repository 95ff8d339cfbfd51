//! Serves a data directory to Kafka clients until Ctrl-C: `cargo run --example serve -- <data dir> <host:port>`.

use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_server::{Listener, Server, ServerConfig};
use std::time::Duration;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let usage = "usage: serve <data dir> <host:port>";
    let mut args = std::env::args().skip(1);
    let (dir, listen) = args.next().zip(args.next()).ok_or_else(|| anyhow::anyhow!(usage))?;
    let broker = EmbeddedBroker::open(EmbeddedConfig::new(&dir))?;
    let listener = Listener::new(listen.parse().map_err(anyhow::Error::msg)?);
    let config = ServerConfig { log_dir: dir, ..ServerConfig::new(vec![listener]) };
    let server = Server::bind(config, broker.clone()).await?;
    println!("listening on {}", server.local_addrs()[0]);
    tokio::signal::ctrl_c().await?;
    server.shutdown(Duration::from_secs(5)).await;
    broker.close();
    Ok(())
}
