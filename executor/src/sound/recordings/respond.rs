//! From request to response.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName,
    HeaderValue, LAST_MODIFIED, RANGE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::Sid;
use crate::settings::Domains;
use crate::sound::{audio, scratch};
use crate::webhook::rfc2822;

use super::access;
use super::body::Body;
use super::entry::Entry;
use super::list::Query;
use super::range::{self, Part};
use super::route::{Route, Target};
use super::store::{Kind, Recordings};

/// Answers requests for recordings.
#[derive(Clone)]
pub(super) struct Responder {
    recordings: Recordings,
    domains: Domains,
    encoding: Arc<Semaphore>,
}

impl Responder {
    pub(super) fn new(recordings: Recordings, domains: Domains) -> Self {
        Self {
            recordings,
            domains,
            encoding: Arc::new(Semaphore::new(ENCODING_MAX)),
        }
    }

    /// Answers one request. The answer to HEAD has the headers of GET and no body.
    pub(super) async fn answer(&self, request: &Parts) -> Response<Body> {
        let Some(target) = Target::parse(request.uri.path()) else {
            return refuse(StatusCode::NOT_FOUND, "nothing is here");
        };
        let (account, methods) = match target {
            Target::All(account) => (account, "GET, HEAD"),
            Target::One(route) => (route.account, "GET, HEAD, DELETE"),
        };
        let method = &request.method;
        if !methods.split(", ").any(|known| known == method.as_str()) {
            let mut refused = refuse(StatusCode::METHOD_NOT_ALLOWED, "not with this method");
            set(&mut refused, ALLOW, methods);
            return refused;
        }
        // What is said about recordings is the account's alone, and so is their deletion.
        let open = match target {
            Target::One(Route { kind, .. }) if kind != Kind::Description => {
                method != Method::DELETE && !self.recordings.config().authenticate
            }
            _ => false,
        };
        let domains = self.domains.all();
        if !open && !access::permits(&request.headers, account, &domains) {
            let mut refused = refuse(StatusCode::UNAUTHORIZED, "this needs the account's token");
            let challenge = "Basic realm=\"recordings\", charset=\"UTF-8\"";
            set(&mut refused, WWW_AUTHENTICATE, challenge);
            return refused;
        }
        let mut response = match target {
            Target::All(account) => self.list(account, request.uri.query().unwrap_or_default()),
            Target::One(route) => self.one(request, route).await,
        };
        if method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        response
    }

    /// A page of an account's recordings.
    fn list(&self, account: Sid, query: &str) -> Response<Body> {
        let query = match Query::parse(query) {
            Ok(query) => query,
            Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
        };
        let (found, next) = self.recordings.page(account, query);
        let described: Vec<_> = found
            .into_iter()
            .map(|(sid, entry)| self.description(account, sid, entry))
            .collect();
        told(&query.page(account, &described, next))
    }

    async fn one(&self, request: &Parts, route: Route) -> Response<Body> {
        let entry = self.recordings.find(route.sid);
        let Some(entry) = entry.filter(|entry| entry.of.account == route.account) else {
            return refuse(StatusCode::NOT_FOUND, "there is no such recording");
        };
        if request.method == Method::DELETE {
            return self.delete(route).await;
        }
        match (route.kind, entry.done) {
            (Kind::Description, _) => told(&self.description(route.account, route.sid, entry)),
            (_, None) => refuse(StatusCode::NOT_FOUND, "the recording still goes on"),
            (kind, Some(_)) => self.sound(request, route, kind).await,
        }
    }

    async fn delete(&self, route: Route) -> Response<Body> {
        let recordings = self.recordings.clone();
        match audio::blocking(move || recordings.delete(route.sid)).await {
            Ok(true) => with_status(StatusCode::NO_CONTENT, Body::empty()),
            Ok(false) => refuse(StatusCode::NOT_FOUND, "there is no such recording"),
            Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "it cannot be deleted"),
        }
    }

    /// The description, as the provider's API has it.
    fn description(&self, account: Sid, sid: Sid, entry: Entry) -> Value {
        let started = rfc2822(entry.started);
        let ended = entry
            .done
            .and_then(|done| entry.started.checked_add(done.duration));
        let seconds = entry.done.map(|done| done.duration.as_secs().to_string());
        json!({
            "account_sid": account.to_string(),
            "api_version": "2010-04-01",
            "call_sid": entry.of.call.to_string(),
            "channels": entry.of.channels,
            "conference_sid": null,
            "date_created": started,
            "date_updated": ended.map_or_else(|| started.clone(), rfc2822),
            "duration": seconds,
            "encryption_details": null,
            "error_code": null,
            "media_url": self.recordings.url(account, sid),
            "price": null,
            "price_unit": "USD",
            "sid": sid.to_string(),
            "source": entry.of.source.as_str(),
            "start_time": started,
            "status": if entry.done.is_some() { "completed" } else { "in-progress" },
            "track": entry.of.track.as_str(),
            "uri": format!("/2010-04-01/Accounts/{account}/Recordings/{sid}.json"),
        })
    }

    async fn sound(&self, request: &Parts, route: Route, kind: Kind) -> Response<Body> {
        if kind == Kind::Mp3
            && let Err(refused) = self.encode(route).await
        {
            return refused;
        }
        let path = self.recordings.path(route.sid, kind);
        let opened = audio::blocking(move || open(path)).await;
        let Ok(Ok((file, length, modified))) = opened else {
            return refuse(StatusCode::NOT_FOUND, "the recording has no file");
        };
        let range = request.headers.get(RANGE);
        let part = range::part(range.and_then(|range| range.to_str().ok()), length);
        let mut response = match part {
            Part::All => with_status(StatusCode::OK, Body::of_file(file, 0..length)),
            Part::Bytes(part) => {
                let told = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                let body = Body::of_file(file, part);
                let mut response = with_status(StatusCode::PARTIAL_CONTENT, body);
                set(&mut response, CONTENT_RANGE, &told);
                response
            }
            Part::Nothing => {
                let mut refused = refuse(StatusCode::RANGE_NOT_SATISFIABLE, "no such part");
                set(&mut refused, CONTENT_RANGE, &format!("bytes */{length}"));
                return refused;
            }
        };
        let content_type = match kind {
            Kind::Mp3 => "audio/mpeg",
            _ => "audio/x-wav",
        };
        set(&mut response, CONTENT_TYPE, content_type);
        set(&mut response, ACCEPT_RANGES, "bytes");
        set(
            &mut response,
            LAST_MODIFIED,
            &httpdate::fmt_http_date(modified),
        );
        response
    }

    /// Makes the MP3 file, unless it is there.
    async fn encode(&self, route: Route) -> Result<(), Response<Body>> {
        let failed = || refuse(StatusCode::INTERNAL_SERVER_ERROR, "no MP3 can be made");
        // One at a time for each place: who waited finds the file made.
        let place = audio::place(&self.encoding).await.map_err(|_| failed())?;
        let recordings = self.recordings.clone();
        let encode = move || {
            let mp3 = recordings.path(route.sid, Kind::Mp3);
            if mp3.exists() {
                return Ok(());
            }
            // A name of its own for each attempt: two may encode the same recording at a time.
            let new = scratch::beside(&mp3)?;
            let wav = recordings.path(route.sid, Kind::Wav);
            if let Err(error) = audio::mp3(&wav, &new) {
                std::fs::remove_file(&new).ok();
                return Err(error);
            }
            recordings.adopt(route.sid, Kind::Mp3, &new)
        };
        match audio::blocking_at(place, encode).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, sid = %route.sid, "a recording cannot be encoded");
                Err(failed())
            }
            Err(_) => Err(failed()),
        }
    }
}

fn open(path: PathBuf) -> std::io::Result<(File, u64, SystemTime)> {
    let file = File::open(path)?;
    let data = file.metadata()?;
    let modified = data.modified()?;
    Ok((file, data.len(), modified))
}

/// A description.
fn told(what: &Value) -> Response<Body> {
    let mut response = with_status(StatusCode::OK, what.to_string().into());
    set(&mut response, CONTENT_TYPE, JSON);
    response
}

/// An answer without sound, in the words of the provider's API.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response<Body> {
    let error = json!({
        "code": 20_000 + u32::from(status.as_u16()),
        "message": message,
        "status": status.as_u16(),
    });
    let mut response = with_status(status, error.to_string().into());
    set(&mut response, CONTENT_TYPE, JSON);
    response
}

fn with_status(status: StatusCode, body: Body) -> Response<Body> {
    let length = body.length();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        set(&mut response, CONTENT_LENGTH, &length.to_string());
    }
    set(&mut response, CACHE_CONTROL, "private, no-cache");
    set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

/// All values are of this program; one that is no header would be left out.
fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

const JSON: &str = "application/json";
/// Recordings that are encoded at a time.
const ENCODING_MAX: usize = 2;
