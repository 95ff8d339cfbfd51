//! The router on a listener, until it is told to stop.

use axum::Router;
use std::future::Future;
use std::io;
use tokio::net::TcpListener;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the REST server ended")]
    Io(#[from] io::Error),
}

/// Serves until `stop` resolves; requests that are under way are answered.
///
/// # Errors
/// [`ServeError::Io`] when the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    Ok(axum::serve(listener, router).with_graceful_shutdown(stop).await?)
}
