//! The HTTP side: accepts connections, reads requests whole, and sends what the API answers, or nothing where a fault
//! says so.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::{Answer, ApiState};

/// Largest body of any operation, in decimal megabytes, which is the stricter reading of "5 MB" (Klaviyo, "Rate limits,
/// status codes, and errors").
pub(super) const MAX_BODY_BYTES: usize = 5_000_000;

/// The bytes that are read of a body that is too large, so that the client can finish sending and read the answer.
const MAX_READ_BYTES: usize = 64 << 20;

/// How long nothing is accepted after that failed: the process may have run out of sockets.
const PAUSE: Duration = Duration::from_millis(10);

/// The type of all documents.
const JSON_API: &str = "application/vnd.api+json";

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("sandbox: the connection is closed without a reply")]
struct Dropped;

/// Serves until the runtime ends.
pub(crate) async fn serve(listener: TcpListener, api: Arc<ApiState>) -> Infallible {
    loop {
        // A client that went before it was accepted is no reason to stop.
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&api), request));
            // It fails when the client breaks off, and when a fault strikes.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer(
    api: Arc<ApiState>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (parts, mut incoming) = request.into_parts();
    let mut body = Vec::new();
    let mut read = 0;
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| Dropped)?;
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        read += bytes.len();
        if read > MAX_READ_BYTES {
            break;
        }
        // One byte more than allowed shows that it is too large.
        let room = (MAX_BODY_BYTES + 1).saturating_sub(body.len());
        body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
    }
    let answered = tokio::task::spawn_blocking(move || respond(&api, &parts, &body));
    answered.await.ok().flatten().ok_or(Dropped)
}

fn respond(api: &ApiState, parts: &Parts, body: &[u8]) -> Option<Response<Full<Bytes>>> {
    let Answer {
        status,
        body,
        allowance,
        retry_after,
        location,
    } = api.answer(parts, body)?;
    let mut response = Response::builder().status(StatusCode::from_u16(status).ok()?);
    if let Some(allowance) = allowance {
        response = response
            .header("RateLimit-Limit", allowance.limit)
            .header("RateLimit-Remaining", allowance.remaining)
            .header("RateLimit-Reset", allowance.reset);
    }
    if let Some(seconds) = retry_after {
        response = response.header(RETRY_AFTER, seconds);
    }
    if let Some(location) = location {
        response = response.header(LOCATION, location);
    }
    let bytes = match body {
        Some(body) => {
            response = response.header(CONTENT_TYPE, JSON_API);
            Bytes::from(body.to_string())
        }
        None => Bytes::new(),
    };
    response.body(Full::new(bytes)).ok()
}
