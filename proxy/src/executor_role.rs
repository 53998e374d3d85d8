//! The executor as a part of this process: its settings from the file, its thread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use executor::sound::hear::{HttpHearingConfig, PocketsphinxConfig};
use executor::sound::speak::{EspeakConfig, HttpSpeechConfig};
use executor::sound::{HearingConfig, SpeechEngine};
use executor::webhook::{BreakerConfig, Hook, Method, WebhookMeter};
use executor::{
    Codec, Domain, Domains, Executor, Gauges, Handle, Listen, Meter, Roots, RtpPorts, Secret, Sid,
    SiprecConnector, TrustedPeer,
};
use sip::Transport;

use crate::config::{Settings, file};
use crate::console::{CallLog, ExecutorObserver};
use crate::server::StartError;

/// The executor of this process.
pub(crate) struct Role {
    handle: Handle,
    domains: Domains,
}

/// Starts the executor where the file has one. Its socket is bound when this returns.
///
/// # Errors
///
/// What it could not read, bind or start.
pub(crate) fn start(settings: &Settings, log: Arc<CallLog>) -> Result<Option<Role>, StartError> {
    let Some(file) = &settings.executor else {
        return Ok(None);
    };
    let fault = |error: String| StartError::Executor(error);
    let translated = translate(settings, file).map_err(fault)?;
    let domains = translated.domains.clone();
    let executor = Executor::new(translated, Arc::new(ExecutorObserver(log)))
        .map_err(|error| fault(error.to_string()))?;
    let handle = executor.spawn().map_err(|error| fault(error.to_string()))?;
    Ok(Some(Role { handle, domains }))
}

/// What of the executor is shown by `/metrics`.
pub(crate) struct Watched {
    /// What it holds.
    pub(crate) gauges: Arc<Gauges>,
    /// What its media threads have done.
    pub(crate) media: Meter,
    /// What it does with web servers that fail.
    pub(crate) webhooks: WebhookMeter,
}

/// What is to be watched, where there is an executor.
pub(crate) fn watched(role: Option<&Role>) -> Option<Watched> {
    role.map(|role| Watched {
        gauges: role.handle.gauges(),
        media: role.handle.media(),
        webhooks: role.handle.webhooks(),
    })
}

/// The executor's domains, to be replaced by [`domains`] of a file that was read again.
pub(crate) fn shared_domains(role: Option<&Role>) -> Option<Domains> {
    role.map(|role| role.domains.clone())
}

/// The domains that the executor of this process serves.
///
/// # Errors
///
/// The key that cannot be read.
pub(crate) fn domains(settings: &Settings) -> Result<Vec<Domain>, String> {
    let own = settings
        .domains
        .iter()
        .filter(|domain| domain.executor.is_empty());
    own.map(domain).collect()
}

/// Hangs up what is left of the calls, and waits for the thread.
pub(crate) fn stop(role: Option<Role>) {
    if let Some(mut role) = role {
        role.handle.shut_down();
        if role.handle.join().is_err() {
            tracing::error!("the executor has panicked");
        }
    }
}

fn translate(settings: &Settings, file: &file::Executor) -> Result<executor::Settings, String> {
    let address = file.listen.address;
    let listen = match file.listen.transport {
        Transport::Tcp => Listen::tcp(address),
        _ => Listen::udp(address),
    };
    let mut out =
        executor::Settings::new(vec![listen], proxies(settings, file)?, domains(settings)?);
    out.outbound_proxy = match &file.outbound_proxy {
        Some(uri) => Some(uri.0.clone()),
        None => own_internal(settings, address).map(|proxy| format!("sip:{proxy};lr")),
    };
    out.dial_trunk = file.dial_trunk.clone();
    let connector = |siprec: &file::Siprec| SiprecConnector {
        name: siprec.name.clone(),
        uri: siprec.uri.0.clone(),
    };
    out.siprec = file.siprec.iter().map(connector).collect();
    let roots = roots(file)?;
    media(file, &roots, &mut out)?;
    out.webhook.roots = roots;
    out.fetch_failed = match file.fetch_failed {
        file::FetchFailed::Announce => executor::run::FetchFailed::Announce,
        file::FetchFailed::Reject => executor::run::FetchFailed::Reject,
    };
    for text in &file.webhook_allow {
        let network =
            network(text).ok_or_else(|| format!("webhook_allow: `{text}` is no network"))?;
        out.webhook.allow.push(network);
    }
    out.webhook.breaker = BreakerConfig {
        failures_max: file.webhook_failures,
        pause: file.webhook_pause.0,
    };
    out.timers = settings.plan.timers;
    out.limits.calls = file.calls;
    out.limits.message = settings.plan.message_limits.clone();
    Ok(out)
}

/// The authorities that are believed besides the system's.
fn roots(file: &file::Executor) -> Result<Roots, String> {
    let Some(path) = &file.ca_file else {
        return Ok(Roots::default());
    };
    Roots::read(path).map_err(|error| format!("ca_file: {}: {error}", path.display()))
}

fn media(file: &file::Executor, roots: &Roots, out: &mut executor::Settings) -> Result<(), String> {
    out.media.ports = file
        .rtp_ports
        .parse::<RtpPorts>()
        .map_err(|error| format!("rtp_ports: {error}"))?;
    out.media.workers = match file.media_workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    // Two legs a call, and the streams of its recordings elsewhere; the ports are the other bound.
    let streams = if file.siprec.is_empty() {
        0
    } else {
        SIPREC_STREAMS
    };
    out.media.sessions = file.calls.saturating_mul(2 + streams);
    out.media.keep_open = UNBROKEN;
    out.media_address = file.media_address;
    out.codecs = file.codecs.iter().copied().map(codec).collect();
    out.secure_media = file.secure_media;
    if let Some(tts) = &file.tts {
        out.sound.speech.engine = speech(tts, file.tts_key.as_deref(), roots)?;
    }
    if let Some(stt) = &file.stt {
        out.sound.hearing = hearing(stt, file.stt_key.as_deref(), roots)?;
    }
    out.sound.fetch.files = file.files_dir.clone();
    let recordings = &mut out.sound.recordings;
    if let Some(folder) = &file.recordings_dir {
        recordings.folder.clone_from(folder);
    }
    if let Some(bytes) = file.recordings_bytes {
        recordings.bytes_max = bytes.0 as u64;
    }
    recordings.listen = file.recordings_listen;
    recordings.public_url = match &file.recordings_url {
        Some(url) => Some(web_url(url).ok_or("recordings_url: no http(s) URL")?),
        None => None,
    };
    recordings.authenticate = file.recordings_auth;
    out.sound.streams.allow_plain = file.streams_plain;
    out.sound.streams.roots = roots.clone();
    Ok(())
}

fn codec(codec: file::Codec) -> Codec {
    match codec {
        file::Codec::G722 => Codec::G722,
        file::Codec::Opus => Codec::Opus,
        file::Codec::Pcma => Codec::Pcma,
        file::Codec::Pcmu => Codec::Pcmu,
    }
}

fn speech(tts: &str, key: Option<&str>, roots: &Roots) -> Result<SpeechEngine, String> {
    if !is_url(tts) {
        return Ok(SpeechEngine::Espeak(EspeakConfig {
            program: tts.into(),
            ..EspeakConfig::default()
        }));
    }
    let mut service = HttpSpeechConfig::new(web_url(tts).ok_or("tts: no http(s) URL")?);
    service.key = key.map(Secret::new);
    service.roots = roots.clone();
    Ok(SpeechEngine::Http(service))
}

fn hearing(stt: &str, key: Option<&str>, roots: &Roots) -> Result<HearingConfig, String> {
    if !is_url(stt) {
        return Ok(HearingConfig::Pocketsphinx(PocketsphinxConfig {
            program: stt.into(),
            ..PocketsphinxConfig::default()
        }));
    }
    let mut service = HttpHearingConfig::new(web_url(stt).ok_or("stt: no http(s) URL")?);
    service.key = key.map(Secret::new);
    service.roots = roots.clone();
    Ok(HearingConfig::Http(service))
}

/// Whether a value is meant as a URL rather than as a program.
pub(crate) fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// An `http` or `https` URL.
pub(crate) fn web_url(text: &str) -> Option<url::Url> {
    let url: url::Url = text.parse().ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// Reads a network, or an address as one of its own.
pub(crate) fn network(text: &str) -> Option<ipnet::IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(Into::into))
}

/// Who may speak to the executor: whom the file names, else this process's own sockets.
fn proxies(settings: &Settings, file: &file::Executor) -> Result<Vec<TrustedPeer>, String> {
    let named = |text: &String| {
        text.parse::<TrustedPeer>()
            .map_err(|error| format!("proxies: `{text}`: {error}"))
    };
    if !file.proxies.is_empty() {
        return file.proxies.iter().map(named).collect();
    }
    let own = settings.plan.listeners.iter().flat_map(|listener| {
        let bind = listener.bind;
        // A wildcard socket answers from the address that reaches the executor.
        let seen = if bind.ip().is_unspecified() {
            reaching(file.listen.address.ip())
        } else {
            bind.ip()
        };
        // Over TCP the source port is any.
        match listener.transport {
            Transport::Udp => Some(SocketAddr::new(seen, bind.port()).to_string()),
            _ if file.listen.transport == Transport::Tcp => Some(seen.to_string()),
            _ => None,
        }
    });
    own.map(|text| named(&text)).collect()
}

fn reaching(executor: IpAddr) -> IpAddr {
    match executor {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// The proxy's internal UDP socket as the executor reaches it.
fn own_internal(settings: &Settings, executor: SocketAddr) -> Option<SocketAddr> {
    let mut listeners = settings.plan.listeners.iter();
    let inside = listeners.find(|listener| {
        listener.trust == filters::Trust::Internal
            && listener.transport == Transport::Udp
            && listener.bind.is_ipv4() == executor.is_ipv4()
    })?;
    let ip = if inside.bind.ip().is_unspecified() {
        reaching(executor.ip())
    } else {
        inside.bind.ip()
    };
    Some(SocketAddr::new(ip, inside.bind.port()))
}

fn domain(file: &file::Domain) -> Result<Domain, String> {
    let hook = |key: &str, url: &str, method: &str| {
        let url = url
            .parse()
            .map_err(|error| format!("domain `{}`: {key}: {error}", file.name))?;
        let method = if method == "GET" {
            Method::Get
        } else {
            Method::Post
        };
        Ok::<Hook, String>(Hook { url, method })
    };
    let voice = hook(
        "voice_url",
        file.voice_url.as_deref().unwrap_or_default(),
        &file.voice_method,
    )?;
    let mut domain = Domain::new(&file.name, Secret::new(file.auth_token.clone()), voice);
    let sid = |key: &str, text: &str| {
        text.parse::<Sid>()
            .map_err(|error| format!("domain `{}`: {key}: {error}", file.name))
    };
    if let Some(text) = &file.sid {
        domain.sid = sid("sid", text)?;
    }
    if let Some(text) = &file.account_sid {
        domain.account_sid = sid("account_sid", text)?;
    }
    if let Some(url) = &file.fallback_url {
        domain.fallback = Some(hook("fallback_url", url, &file.fallback_method)?);
    }
    if let Some(url) = &file.status_callback {
        domain.status_callback = Some(hook("status_callback", url, &file.status_callback_method)?);
    }
    Ok(domain)
}

/// Who hears nothing is sent silence, a packet a frame: carriers and phones take a pause of packets for the
/// end of the call.
const UNBROKEN: Duration = Duration::from_millis(20);

/// Streams to recording servers that a call may have at a time.
const SIPREC_STREAMS: usize = 4;
