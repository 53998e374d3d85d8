//! The configuration file as it is written: one struct a section, unknown keys refused.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use executor::webhook::BreakerConfig;
use serde::Deserialize;
use sip::Limits;

use super::units::{HostPort, SipUri, Size, Socket, Span};

/// `[server]`: the process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Worker threads; 0 for one a core.
    pub workers: usize,
    /// Name of this node in logs.
    pub node: String,
    /// Key of the Record-Route tokens, 16 bytes or more; random at every start where absent, so
    /// that calls outlive a restart only with a key.
    pub secret: Option<String>,
    /// Where the web page, its API, `/metrics` and `/healthz` listen; absent: nowhere.
    pub console: Option<SocketAddr>,
    /// Password of the page; needed where it listens for others than this host.
    pub console_password: Option<String>,
    /// What is logged, in `tracing` filter syntax.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
}

/// The shape of log lines.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            workers: 0,
            node: "hookswitch".to_owned(),
            secret: None,
            console: None,
            console_password: None,
            log: "info,pingora_core=warn".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

/// `[timers]`: RFC 3261 §17 and the proxy's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timers {
    /// Round-trip estimate.
    pub t1: Span,
    /// Longest retransmission interval.
    pub t2: Span,
    /// Longest time a message stays in the network.
    pub t4: Span,
    /// Longest wait after a provisional response; over 3 minutes (RFC 3261 §16.6 step 11).
    pub timer_c: Span,
    /// How long a target may stay silent before the next one is tried.
    pub fr_timer: Span,
}

impl Default for Timers {
    fn default() -> Self {
        let ms = |ms| Span(std::time::Duration::from_millis(ms));
        Self {
            t1: ms(500),
            t2: ms(4000),
            t4: ms(5000),
            timer_c: ms(181_000),
            fr_timer: ms(4000),
        }
    }
}

/// `[limits]`: bounds on messages and on what is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // Named as in sip::Limits, where they are explained.
pub struct LimitsSection {
    pub message_bytes: Size,
    pub header_section_bytes: Size,
    pub header_bytes: Size,
    pub headers: usize,
    pub via_values: usize,
    pub uri_bytes: Size,
    pub method_bytes: Size,
    pub body_bytes: Size,
    /// Transactions in progress, all workers together; beyond it 503.
    pub transactions: usize,
    /// TCP connections.
    pub connections: usize,
    /// TCP connections of one address; trunks are exempt.
    pub connections_per_ip: usize,
    /// Bytes above which a request goes by TCP where it would go by UDP (RFC 3261 §18.1.1); 0: none does.
    pub udp_mtu: Size,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let message = Limits::default();
        Self {
            message_bytes: Size(message.message_bytes),
            header_section_bytes: Size(message.header_section_bytes),
            header_bytes: Size(message.header_bytes),
            headers: message.headers,
            via_values: message.via_values,
            uri_bytes: Size(message.uri_bytes),
            method_bytes: Size(message.method_bytes),
            body_bytes: Size(message.body_bytes),
            transactions: 200_000,
            connections: 2048,
            connections_per_ip: 64,
            udp_mtu: Size(0),
        }
    }
}

impl LimitsSection {
    /// The bounds on one message.
    pub fn message(&self) -> Limits {
        Limits {
            message_bytes: self.message_bytes.0.min(sip::MESSAGE_BYTES_MAX),
            header_section_bytes: self.header_section_bytes.0,
            header_bytes: self.header_bytes.0,
            headers: self.headers,
            via_values: self.via_values,
            uri_bytes: self.uri_bytes.0,
            method_bytes: self.method_bytes.0,
            body_bytes: self.body_bytes.0,
        }
    }
}

/// A trust class as it is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // The classes are explained at filters::Trust.
pub enum Trust {
    #[default]
    Untrusted,
    Partner,
    Internal,
}

impl From<Trust> for filters::Trust {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Untrusted => Self::Untrusted,
            Trust::Partner => Self::Partner,
            Trust::Internal => Self::Internal,
        }
    }
}

/// `[[listen]]`: one socket.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Its name in logs and rules.
    pub name: String,
    /// Transport, address and port.
    pub socket: Socket,
    /// What Via, Record-Route and Contact show in place of the bound address.
    pub advertise: Option<HostPort>,
    /// Who is on the other side, until a trunk says more.
    #[serde(default)]
    pub trust: Trust,
    /// The chain that its requests run through.
    pub chain: String,
    /// Receive buffer of a UDP socket.
    #[serde(default = "recv_buffer")]
    pub recv_buffer: Size,
}

fn recv_buffer() -> Size {
    Size(4 << 20)
}

/// `[[trunk]]`: a carrier, a PBX, a neighbour proxy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// Its name in rules, logs and templates.
    pub name: String,
    /// How far it is trusted.
    #[serde(default)]
    pub trust: Trust,
    /// Where its requests come from: `ADDRESS`, `ADDRESS:PORT` or `NETWORK/BITS`.
    #[serde(default)]
    pub source: Vec<String>,
    /// The transports it may use; all where empty.
    #[serde(default)]
    pub transport: Vec<String>,
    /// Hosts of From that it may use; any where empty.
    #[serde(default)]
    pub domain: Vec<String>,
    /// The chain whose `on_branch` and `on_response` run for requests that leave by it.
    pub chain: Option<String>,
    /// Codes after which the next target is tried.
    pub reroute_causes: Option<Vec<u16>>,
    /// `limits.udp_mtu` for what leaves by it.
    pub udp_mtu: Option<Size>,
    /// Where calls to it go.
    #[serde(default)]
    pub target: Vec<TrunkTarget>,
}

/// `[[trunk.target]]`: one origination URI.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkTarget {
    /// The URI; its headers become headers of the request.
    pub uri: SipUri,
    /// Lowest first.
    #[serde(default = "ten")]
    pub priority: u16,
    /// Share among equal priorities.
    #[serde(default = "ten")]
    pub weight: u16,
    /// Whether it is used.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn ten() -> u16 {
    10
}

fn yes() -> bool {
    true
}

/// `[[domain]]`: a SIP domain whose calls a webhook decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Host of the Request-URI; `*` for any host that is nobody else's.
    pub name: String,
    /// Executors to send calls to; this process's own where empty.
    #[serde(default)]
    pub executor: Vec<SipUri>,
    /// `SipDomainSid`; made from the name where absent.
    pub sid: Option<String>,
    /// `AccountSid`; made from the name where absent.
    pub account_sid: Option<String>,
    /// Key of `X-Twilio-Signature`.
    #[serde(default)]
    pub auth_token: String,
    /// The webhook that decides what to do with a call.
    pub voice_url: Option<String>,
    /// `GET` or `POST`.
    #[serde(default = "post")]
    pub voice_method: String,
    /// Asked when the webhook fails.
    pub fallback_url: Option<String>,
    /// `GET` or `POST`.
    #[serde(default = "post")]
    pub fallback_method: String,
    /// Told when the call is over.
    pub status_callback: Option<String>,
    /// `GET` or `POST`.
    #[serde(default = "post")]
    pub status_callback_method: String,
    /// Who may register here, and call from outside; anybody may call where there is none.
    #[serde(default)]
    pub user: Vec<User>,
    /// How users may prove themselves: `SHA-256`, `MD5`; the latter alone where absent.
    pub auth_algorithms: Option<Vec<String>>,
    /// Trunks whose requests need no credentials.
    #[serde(default)]
    pub auth_exempt: Vec<String>,
}

fn post() -> String {
    "POST".to_owned()
}

/// `[[domain.user]]`: who may register at the domain, and call it from outside.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name: the user part of its address, and the one in its credentials.
    pub username: String,
    /// Its password.
    pub password: Option<String>,
    /// In place of a password: MD5 of `username:domain:password`, 32 hexadecimal digits.
    pub ha1: Option<String>,
    /// The same by SHA-256, 64 digits.
    pub ha1_sha256: Option<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("User").field(&self.username).finish()
    }
}

/// `[registrar]`: bounds on registrations.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registrar {
    /// Bindings of all users together; beyond it 503.
    pub bindings: usize,
    /// Bindings of one user; beyond it 403.
    pub bindings_per_user: usize,
    /// The shortest time that a binding lasts; who asks for less gets it.
    pub min_expires: Span,
    /// The longest, and the one of a phone that asks for none.
    pub max_expires: Span,
}

impl Default for Registrar {
    fn default() -> Self {
        let bounds = crate::registrar::Bounds::default();
        Self {
            bindings: bounds.total,
            bindings_per_user: bounds.per_user,
            min_expires: Span(bounds.shortest),
            max_expires: Span(bounds.longest),
        }
    }
}

/// `[[route]]`: where a request goes; the first rule that matches decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name in logs.
    pub name: String,
    /// Trust classes of the sender; any where empty.
    #[serde(default)]
    pub from_trust: Vec<Trust>,
    /// Trunks of the sender; any where empty.
    #[serde(default)]
    pub from_trunk: Vec<String>,
    /// Methods; any where empty.
    #[serde(default)]
    pub method: Vec<String>,
    /// Hosts of the Request-URI; any where empty.
    #[serde(default)]
    pub ruri_host: Vec<String>,
    /// A regular expression that the user of the Request-URI matches.
    pub ruri_user: Option<String>,
    /// What kind of destination.
    pub to: RouteTo,
    /// For `to = "trunk"`.
    pub trunk: Option<String>,
    /// For `to = "domain"`.
    pub domain: Option<String>,
    /// For `to = "static"`, tried in order.
    #[serde(default)]
    pub targets: Vec<SipUri>,
    /// For `to = "static"`: how far the targets are trusted.
    #[serde(default)]
    pub trust: Trust,
}

/// The kinds of destination.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RouteTo {
    /// A SIP domain's executor.
    Domain,
    /// The Request-URI itself.
    Ruri,
    /// Fixed URIs.
    Static,
    /// A trunk's targets.
    Trunk,
}

/// `[executor]`: the TwiML executor of this process.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Executor {
    /// Its SIP socket.
    pub listen: Socket,
    /// Who may speak to it: `ADDRESS`, `ADDRESS:PORT` or `NETWORK/BITS`; this process's own
    /// listeners where empty.
    #[serde(default)]
    pub proxies: Vec<String>,
    /// Where the legs of `<Dial>` go; this process's own internal listener where absent.
    pub outbound_proxy: Option<SipUri>,
    /// The trunk of `<Dial>` to a number.
    pub dial_trunk: Option<String>,
    /// Ports for RTP, `FIRST-LAST`.
    #[serde(default = "rtp_ports")]
    pub rtp_ports: String,
    /// The address that peers are told for media, where they see another than we do.
    pub media_address: Option<IpAddr>,
    /// Media threads; 0 for one a core.
    #[serde(default)]
    pub media_workers: usize,
    /// Voice codecs, the best first.
    #[serde(default = "codecs")]
    pub codecs: Vec<Codec>,
    /// Ask for SRTP on every leg of `<Dial>`, not only on those that are reached over TLS.
    #[serde(default)]
    pub secure_media: bool,
    /// What says the texts of `<Say>`: a program that takes the arguments of espeak-ng, or the URL
    /// of a service.
    pub tts: Option<String>,
    /// The key of that service.
    pub tts_key: Option<String>,
    /// What understands the caller of `<Gather input="speech">` and writes the recordings of
    /// `<Record transcribe>` down: a program that takes the arguments of pocketsphinx_continuous, or
    /// the URL of a service.
    pub stt: Option<String>,
    /// The key of that service.
    pub stt_key: Option<String>,
    /// The folder below which `file:///name.wav` is; there are no such files where absent.
    pub files_dir: Option<PathBuf>,
    /// The folder of recordings.
    pub recordings_dir: Option<PathBuf>,
    /// What they may take on the disk; the oldest ones go first.
    pub recordings_bytes: Option<Size>,
    /// Where the web server of recordings listens; there is none where absent.
    pub recordings_listen: Option<SocketAddr>,
    /// What stands before `/2010-04-01` in their URLs; the address of the web server where absent.
    pub recordings_url: Option<String>,
    /// Give a recording only for the account's identifier and token.
    #[serde(default)]
    pub recordings_auth: bool,
    /// Let `<Stream>` speak `ws://`, without TLS.
    #[serde(default)]
    pub streams_plain: bool,
    /// The recording servers of `<Siprec>`.
    #[serde(default)]
    pub siprec: Vec<Siprec>,
    /// A PEM file of authorities that are believed besides the system's, wherever the executor
    /// connects by TLS: webhooks, files, streams, speech.
    pub ca_file: Option<PathBuf>,
    /// Networks that a webhook may have though they are not public.
    #[serde(default)]
    pub webhook_allow: Vec<String>,
    /// Failures of a web server in a row after which it is not asked for a while; 0: it always is.
    #[serde(default = "webhook_failures")]
    pub webhook_failures: u32,
    /// For how long; then one request decides.
    #[serde(default = "webhook_pause")]
    pub webhook_pause: Span,
    /// What a caller gets when no document can be had.
    #[serde(default)]
    pub fetch_failed: FetchFailed,
    /// Calls at a time.
    #[serde(default = "calls")]
    pub calls: usize,
}

/// `[[executor.siprec]]`: a recording server (RFC 7866) that `<Siprec>` names.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Siprec {
    /// `connectorName`; a `<Siprec>` without one means `Default`.
    pub name: String,
    /// Whom to call. It is routed as a call of `<Dial>` to that URI would be, and any address will do.
    pub uri: SipUri,
}

/// A voice codec.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// G.722, wideband.
    G722,
    /// Opus.
    Opus,
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

fn codecs() -> Vec<Codec> {
    vec![Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus]
}

fn rtp_ports() -> String {
    "20000-29999".to_owned()
}

fn calls() -> usize {
    10_000
}

fn webhook_failures() -> u32 {
    BreakerConfig::default().failures_max
}

fn webhook_pause() -> Span {
    Span(BreakerConfig::default().pause)
}

/// What a caller gets when no document can be had.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum FetchFailed {
    /// 200, an announcement, BYE.
    #[default]
    Announce,
    /// 503 or 500 without an answer.
    Reject,
}
