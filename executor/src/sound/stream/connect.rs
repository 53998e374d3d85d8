//! The connection of a stream: address, TCP, TLS, WebSocket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::Url;

use crate::ErrorCode;
use crate::sound::SoundError;
use crate::webhook::{bare, sign};

use super::{StreamClient, StreamSpec};

/// A connection to a server.
pub(super) type Socket = WebSocketStream<Box<dyn Io>>;

/// TCP, with TLS or without.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Connects, within the bound of the settings.
pub(super) async fn connect(
    client: &StreamClient,
    spec: &StreamSpec,
) -> Result<Socket, SoundError> {
    let within = client.config.connect_within;
    let connected = tokio::time::timeout(within, connect_unbounded(client, spec)).await;
    connected.unwrap_or_else(|_| {
        let detail = format!("the stream's server did not answer within {within:?}");
        Err(SoundError::new(ErrorCode::STREAM_TIMEOUT, detail))
    })
}

async fn connect_unbounded(client: &StreamClient, spec: &StreamSpec) -> Result<Socket, SoundError> {
    let url = wire_url(&spec.url);
    let secure = match url.scheme() {
        "wss" => true,
        "ws" if client.config.allow_plain => false,
        _ => {
            let detail = "the URL of a stream is a wss URL";
            return Err(SoundError::new(ErrorCode::STREAM_URL, detail));
        }
    };
    let request = request(&url, spec)?;
    let addresses = client.guard.addresses(&url).await;
    let addresses =
        addresses.map_err(|error| SoundError::new(ErrorCode::BAD_HOST, error.to_string()))?;
    let port = url.port_or_known_default().unwrap_or(443);
    let stream = tcp(&addresses, port, client.config.connect_within)
        .await
        .map_err(|error| refused(&error))?;
    let stream: Box<dyn Io> = match secure {
        true => Box::new(tls(client, &url, stream).await?),
        false => Box::new(stream),
    };
    let bytes_max = client.config.message_bytes_max;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(bytes_max)
        .max_message_size(Some(bytes_max))
        .max_frame_size(Some(bytes_max));
    let handshake = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
    match handshake.await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => {
            // The reply may be long and is the server's: its kind is enough.
            let detail = format!("the stream's server refuses: {error}");
            Err(SoundError::new(ErrorCode::STREAM_HANDSHAKE, detail))
        }
    }
}

/// The URL as it is sent and signed: without userinfo, query and fragment.
pub(super) fn wire_url(url: &Url) -> Url {
    let mut url = bare(url);
    url.set_query(None);
    url
}

/// The handshake's request, signed like a GET.
fn request(url: &Url, spec: &StreamSpec) -> Result<Request, SoundError> {
    let odd = || SoundError::new(ErrorCode::STREAM_URL, "the URL of a stream has no host");
    let mut request = url.as_str().into_client_request().map_err(|_| odd())?;
    let signature = sign(&spec.auth_token, url.as_str(), &[]);
    let signature = HeaderValue::from_str(&signature).map_err(|_| odd())?;
    request
        .headers_mut()
        .insert("x-twilio-signature", signature);
    Ok(request)
}

/// The first address that can be connected to; they were all checked. Each has its share of the time, so
/// that one that does not answer leaves some to the next.
async fn tcp(addresses: &[IpAddr], port: u16, within: Duration) -> io::Result<TcpStream> {
    let addresses = interleaved(addresses);
    let share = within / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for ip in addresses {
        let connecting = TcpStream::connect(SocketAddr::new(ip, port));
        match tokio::time::timeout(share, connecting).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// The addresses that are tried: both families in turns (RFC 8305 §4), as it is often all of one that cannot
/// be reached.
fn interleaved(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let first = addresses.first().is_some_and(IpAddr::is_ipv6);
    let of = |ipv6: bool| {
        addresses
            .iter()
            .copied()
            .filter(move |ip| ip.is_ipv6() == ipv6)
    };
    let (mut one, mut other) = (of(first), of(!first));
    let mut turns = Vec::new();
    while turns.len() < ADDRESSES_MAX {
        let before = turns.len();
        turns.extend(one.next());
        turns.extend(other.next());
        if turns.len() == before {
            break;
        }
    }
    turns.truncate(ADDRESSES_MAX);
    turns
}

fn refused(error: &io::Error) -> SoundError {
    let code = match error.kind() {
        io::ErrorKind::TimedOut => ErrorCode::STREAM_TIMEOUT,
        _ => ErrorCode::STREAM_REFUSED,
    };
    SoundError::new(code, format!("the stream's server: {error}"))
}

async fn tls(
    client: &StreamClient,
    url: &Url,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, SoundError> {
    let failed = |detail: String| SoundError::new(ErrorCode::STREAM_TLS, detail);
    let config = trusting(client).map_err(|error| failed(error.to_string()))?;
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| failed(error.to_string()))?;
    let connected = TlsConnector::from(config).connect(name, stream).await;
    connected.map_err(|error| failed(error.to_string()))
}

/// The authorities of the system are read once.
fn trusting(client: &StreamClient) -> Result<Arc<ClientConfig>, rustls::Error> {
    if let Some(config) = client.tls.get() {
        return Ok(Arc::clone(config));
    }
    let config = Arc::new(client.config.roots.tls()?);
    Ok(Arc::clone(client.tls.get_or_init(|| config)))
}

const BUFFER_BYTES: usize = 8 * 1024;
const ADDRESSES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let turns = |addresses: &str| {
            let addresses: Vec<_> = addresses.split(' ').map(|ip| ip.parse().unwrap()).collect();
            let turns: Vec<_> = interleaved(&addresses)
                .iter()
                .map(IpAddr::to_string)
                .collect();
            turns.join(" ")
        };
        assert_eq!(turns("::1 ::2 ::3 ::4 ::5 1.0.0.1"), "::1 1.0.0.1 ::2 ::3");
        assert_eq!(turns("1.0.0.1 1.0.0.2 ::1 ::2"), "1.0.0.1 ::1 1.0.0.2 ::2");
        assert_eq!(turns("1.0.0.1"), "1.0.0.1");
        assert!(interleaved(&[]).is_empty());
    }
}
