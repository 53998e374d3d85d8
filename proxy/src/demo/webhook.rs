//! The webhook application of the demo: what a customer's web server does, in one file.

use async_trait::async_trait;
use http::Response;
use percent_encoding::percent_decode;
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;

use crate::cli::say;

/// Answers every voice request with the same document, and prints what it was sent.
pub(super) struct Application;

#[async_trait]
impl ServeHttp for Application {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let line = format!("{} {}", head.method, head.uri);
        let body = read_body(session).await;
        say(format_args!("webhook  {line}"));
        for (name, value) in pairs(&query).chain(pairs(&String::from_utf8_lossy(&body))) {
            say(format_args!("         {name} = {value}"));
        }
        let response = Response::builder()
            .status(200)
            .header("content-type", "text/xml; charset=utf-8")
            .header("content-length", DOCUMENT.len())
            .body(DOCUMENT.as_bytes().to_vec());
        response.unwrap_or_default()
    }
}

async fn read_body(session: &mut ServerSession) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(part)) = session.read_request_body().await {
        if body.len() + part.len() > BODY_MAX {
            break;
        }
        body.extend_from_slice(&part);
    }
    body
}

/// The pairs of a query or form, decoded, without control characters.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    let text = percent_decode(text.as_bytes())
        .decode_utf8_lossy()
        .into_owned();
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// What a developer would write: TwiML.
const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Say>Hello. Your call has reached the Hookswitch demo.</Say>
  <Pause length="60"/>
</Response>
"#;
/// Bytes of a form at most.
const BODY_MAX: usize = 64 * 1024;
