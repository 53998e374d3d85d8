//! Request in, response out: the routes of the console, without sockets.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header, response};
use serde_json::{Value, json};

use super::access::{Access, Refusal};
use super::call_log::CallLog;
use super::info::{Info, Registrations};
use super::{json, metrics};

/// The console as a function from request to response.
pub struct Console {
    calls: Arc<CallLog>,
    access: Access,
    info: Box<dyn Fn() -> Info + Send + Sync>,
    metrics: Box<dyn Fn() -> String + Send + Sync>,
    registrations: Box<dyn Fn(usize) -> Registrations + Send + Sync>,
    healthy: Box<dyn Fn() -> bool + Send + Sync>,
    began: Instant,
    /// Tells one run of the process from the next, so that a page notices a restart.
    instance: String,
}

impl Console {
    /// A console that shows `calls` to whoever has `access`.
    pub fn new(calls: Arc<CallLog>, access: Access) -> Self {
        let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            calls,
            access,
            info: Box::new(Info::default),
            metrics: Box::new(String::new),
            registrations: Box::new(|_| Registrations::default()),
            healthy: Box::new(|| true),
            began: Instant::now(),
            instance: format!("{:x}", started.unwrap_or_default().as_nanos()),
        }
    }

    /// Where the description of the process comes from; asked for each time it is shown.
    #[must_use]
    pub fn info(mut self, info: impl Fn() -> Info + Send + Sync + 'static) -> Self {
        self.info = Box::new(info);
        self
    }

    /// Where the metrics come from: text in the format of Prometheus.
    #[must_use]
    pub fn metrics(mut self, metrics: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.metrics = Box::new(metrics);
        self
    }

    /// Where registrations come from: so many of them at most.
    #[must_use]
    pub fn registrations(
        mut self,
        registrations: impl Fn(usize) -> Registrations + Send + Sync + 'static,
    ) -> Self {
        self.registrations = Box::new(registrations);
        self
    }

    /// Whether the process takes new calls: `/healthz` says 503 if not.
    #[must_use]
    pub fn healthy(mut self, healthy: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.healthy = Box::new(healthy);
        self
    }

    /// Answers a request. The answer to HEAD has the body of GET: the server leaves it out.
    pub fn answer(&self, request: &Parts) -> Response<Vec<u8>> {
        let path = request.uri.path();
        if !matches!(request.method, Method::GET | Method::HEAD) {
            let mut refused = error(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
            refused
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        if path == "/healthz" {
            return self.health();
        }
        if let Err(refusal) = self.access.check(&request.headers) {
            return refuse(refusal);
        }
        if let Some((_, content_type, content)) = FILES.iter().find(|(name, ..)| *name == path) {
            return body(StatusCode::OK, content_type, content.to_vec());
        }
        match path {
            "/metrics" => self.metrics_text(),
            "/api/info" => {
                let uptime = self.began.elapsed();
                document(
                    StatusCode::OK,
                    &json::info(&(self.info)(), &self.instance, uptime),
                )
            }
            "/api/calls" => self.list(request.uri.query()),
            "/api/registrations" => {
                let shown = (self.registrations)(REGISTRATIONS_MAX);
                document(StatusCode::OK, &json::registrations(shown))
            }
            _ => match path.strip_prefix("/api/calls/") {
                Some(id) => self.call(id),
                None => error(StatusCode::NOT_FOUND, "nothing is here"),
            },
        }
    }

    fn health(&self) -> Response<Vec<u8>> {
        if (self.healthy)() {
            body(StatusCode::OK, TEXT, b"ok\n".to_vec())
        } else {
            body(
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                b"draining\n".to_vec(),
            )
        }
    }

    fn metrics_text(&self) -> Response<Vec<u8>> {
        let mut text = (self.metrics)();
        metrics::append(&mut text, &self.calls.counters());
        body(StatusCode::OK, PROMETHEUS, text.into_bytes())
    }

    fn list(&self, query: Option<&str>) -> Response<Vec<u8>> {
        let after = query
            .unwrap_or_default()
            .split('&')
            .find_map(|pair| pair.strip_prefix("after="));
        let Ok(after) = after.map_or(Ok(0), str::parse) else {
            return error(
                StatusCode::BAD_REQUEST,
                "`after` is the `cursor` of an earlier answer",
            );
        };
        document(
            StatusCode::OK,
            &json::calls(&self.calls.changed_after(after), &self.instance),
        )
    }

    fn call(&self, id: &str) -> Response<Vec<u8>> {
        match id.parse().ok().and_then(|id| self.calls.story(id)) {
            Some(story) => document(StatusCode::OK, &json::story(&story)),
            None => error(
                StatusCode::NOT_FOUND,
                "this call is not in the log, or no longer",
            ),
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

fn refuse(refusal: Refusal) -> Response<Vec<u8>> {
    let mut refused = error(refusal.status(), refusal.text());
    if refusal == Refusal::Password {
        let challenge = HeaderValue::from_static(r#"Basic realm="hookswitch", charset="UTF-8""#);
        refused
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    refused
}

fn error(status: StatusCode, text: &str) -> Response<Vec<u8>> {
    document(status, &json!({ "error": text }))
}

fn document(status: StatusCode, value: &Value) -> Response<Vec<u8>> {
    body(status, JSON, value.to_string().into_bytes())
}

fn body(status: StatusCode, content_type: &'static str, content: Vec<u8>) -> Response<Vec<u8>> {
    let (mut parts, ()): (response::Parts, ()) = Response::new(()).into_parts();
    parts.status = status;
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(content.len()));
    for (name, value) in ALWAYS {
        parts.headers.insert(name, HeaderValue::from_static(value));
    }
    Response::from_parts(parts, content)
}

/// Registrations that are shown at a time.
const REGISTRATIONS_MAX: usize = 500;

/// The page, as it is in the source.
const FILES: [(&str, &str, &[u8]); 8] = [
    ("/", HTML, include_bytes!("page/index.html")),
    ("/app.js", SCRIPT, include_bytes!("page/app.js")),
    ("/call.js", SCRIPT, include_bytes!("page/call.js")),
    ("/dom.js", SCRIPT, include_bytes!("page/dom.js")),
    ("/icon.svg", ICON, include_bytes!("page/icon.svg")),
    ("/ladder.js", SCRIPT, include_bytes!("page/ladder.js")),
    ("/style.css", STYLE, include_bytes!("page/style.css")),
    ("/wire.js", SCRIPT, include_bytes!("page/wire.js")),
];

/// Headers of every response: nothing is stored, framed, sniffed or fetched from elsewhere.
const ALWAYS: [(header::HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        header::HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

const HTML: &str = "text/html; charset=utf-8";
const ICON: &str = "image/svg+xml";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
