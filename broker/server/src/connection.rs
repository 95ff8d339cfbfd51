//! One connection: reads frames, keeps their order, writes the answers.

use crate::config::Endpoint;
use crate::dispatch::{self, Pending};
use crate::frame::{FrameError, read_frame};
use crate::memory::Share;
use crate::server::Shared;
use rustix::net::sockopt::set_tcp_cork;
use sluice_log::{FileRange, Piece};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// An answer is written in pieces of this size, each with its own time-out.
const WRITE_BYTES: usize = 256 << 10;

/// The other side.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub address: SocketAddr,
    /// What this client is told of the broker's address.
    pub advertised: Endpoint,
}

/// An answer, ready to be sent: its length, header and body in pieces. Nothing is sent when it is empty.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub pieces: Vec<Piece>,
    /// Memory that the pieces stand for.
    pub shares: Vec<Share>,
}

impl Response {
    /// What of it is held in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.pieces.iter().map(Piece::memory_bytes).sum()
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("cannot write to the connection")]
    Write(#[source] io::Error),
    #[error("the client does not take its answers")]
    Stalled,
    #[error("{0}")]
    Request(String),
}

/// Serves the connection until the client leaves, misbehaves, or the server stops.
pub(crate) async fn serve(shared: Arc<Shared>, stream: TcpStream, peer: Peer, stop: CancellationToken) {
    let address = peer.address;
    let (input, mut output) = stream.into_split();
    let (sender, receiver) = mpsc::channel(shared.config.limits.in_flight_max);
    let stall = shared.config.limits.stall_timeout;
    let abort = shared.abort.clone();
    let counting = shared.clone();
    let dropped = &counting.metrics.connections_dropped;
    let reading = read_all(shared, input, peer, sender, stop);
    let both = async { tokio::try_join!(reading, write_all(receiver, &mut output, stall)) };
    // Either's failure ends both. When the reader ends in order, the writer finishes what was taken.
    let Some(outcome) = abort.run_until_cancelled(both).await else { return };
    match outcome {
        Ok(_) | Err(ConnectionError::Frame(FrameError::Closed)) => tracing::debug!(%address, "kafka client left"),
        Err(error) => {
            dropped.fetch_add(1, Ordering::Relaxed);
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::info!(%address, %error, source, "kafka connection dropped");
        }
    }
}

async fn read_all(
    shared: Arc<Shared>,
    mut input: OwnedReadHalf,
    peer: Peer,
    sender: mpsc::Sender<Pending>,
    stop: CancellationToken,
) -> Result<(), ConnectionError> {
    loop {
        let frame = tokio::select! {
            // What was taken is answered; nothing more is taken.
            () = stop.cancelled() => return Ok(()),
            frame = read_frame(&mut input, &shared.config.limits, &shared.request_memory) => frame?,
        };
        let (begin, api_key) = (Instant::now(), frame.api_key());
        let pending = dispatch::begin(&shared, &peer, frame).await?;
        let counting = shared.clone();
        let pending: Pending = Box::pin(async move {
            let answer = pending.await;
            counting.metrics.answered(api_key, begin.elapsed());
            answer
        });
        if sender.send(pending).await.is_err() {
            return Ok(());
        }
    }
}

async fn write_all(
    mut pending: mpsc::Receiver<Pending>,
    output: &mut OwnedWriteHalf,
    stall: Duration,
) -> Result<(), ConnectionError> {
    while let Some(next) = pending.recv().await {
        let response = next.await?;
        // Pieces travel in full packets; the last is sent at once.
        let corked = response.pieces.len() > 1 && set_tcp_cork(output.as_ref(), true).is_ok();
        for piece in &response.pieces {
            match piece {
                Piece::Bytes(bytes) => write_bytes(bytes, output, stall).await?,
                Piece::File(range) => send_file(range, output.as_ref(), stall).await?,
            }
        }
        if corked {
            set_tcp_cork(output.as_ref(), false).map_err(|error| ConnectionError::Write(error.into()))?;
        }
    }
    Ok(())
}

async fn write_bytes(bytes: &[u8], output: &mut OwnedWriteHalf, stall: Duration) -> Result<(), ConnectionError> {
    for chunk in bytes.chunks(WRITE_BYTES) {
        match timeout(stall, output.write_all(chunk)).await {
            Err(_) => return Err(ConnectionError::Stalled),
            Ok(written) => written.map_err(ConnectionError::Write)?,
        }
    }
    Ok(())
}

/// From the page cache into the socket; nothing of it passes through this process.
async fn send_file(range: &FileRange, output: &TcpStream, stall: Duration) -> Result<(), ConnectionError> {
    let mut done = 0;
    while done < range.size_bytes() {
        match output.try_io(Interest::WRITABLE, || range.send(output.as_fd(), done)) {
            Ok(0) => return Err(ConnectionError::Write(io::ErrorKind::UnexpectedEof.into())),
            Ok(sent) => done += sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => match timeout(stall, output.writable()).await {
                Err(_) => return Err(ConnectionError::Stalled),
                Ok(ready) => ready.map_err(ConnectionError::Write)?,
            },
            Err(error) => return Err(ConnectionError::Write(error)),
        }
    }
    Ok(())
}
