//! [`Executor`]: the user agent with its sockets, ready to run.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket as StdSocket};
use std::sync::Arc;
use std::thread::JoinHandle;

use ::media::{Engine, Meter};
use sip::{Instant, Layer, Transport, Uri};
use tokio::sync::{mpsc, oneshot};
use transport::{AsyncUdpSocket, ListenerId, UdpOptions, UdpSocket};

use crate::agent::{Agent, Core, Journal, Names, Path, Random, Timers, Wire};
use crate::gauges::Gauges;
use crate::media::Studio;
use crate::observer::Observer;
use crate::settings::{Listen, Settings};
use crate::sound::recordings::RecordingServer;
use crate::sound::{Sound, SoundSetupError};
use crate::webhook::{Client, ClientError, WebhookMeter};

/// A user agent whose sockets are bound; [`Executor::run`] makes it work.
///
/// It wants a thread of its own with a current-thread runtime; [`Executor::spawn`] makes both.
pub struct Executor {
    settings: Settings,
    observer: Arc<dyn Observer>,
    engine: Engine,
    sound: Sound,
    recordings: Option<RecordingServer>,
    gauges: Arc<Gauges>,
    bound: Vec<Bound>,
    sockets: Vec<Socket>,
    webhook: Client,
    random: Random,
}

/// A socket that an executor listens on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound {
    /// UDP or TCP.
    pub transport: Transport,
    /// Where, with the port that was chosen.
    pub address: SocketAddr,
}

/// An executor that runs on a thread of its own. Dropping it begins the shutdown and does not
/// wait.
#[derive(Debug)]
pub struct Handle {
    bound: Vec<Bound>,
    gauges: Arc<Gauges>,
    media: Meter,
    webhooks: WebhookMeter,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// Why an executor cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A socket cannot be bound.
    #[error("{transport:?} {address} cannot be bound: {error}")]
    Bind {
        /// UDP or TCP.
        transport: Transport,
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// No socket is listed.
    #[error("the executor has nothing to listen on")]
    NoListener,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// A socket is neither UDP nor TCP.
    #[error("the executor speaks UDP and TCP, not {0:?}")]
    Transport(Transport),
    /// The media threads cannot be started.
    #[error("the media threads cannot be started: {0}")]
    Media(io::Error),
    /// No codec is listed.
    #[error("no codec is listed")]
    NoCodec,
    /// Recordings cannot be served.
    #[error("recordings cannot be served: {0}")]
    Recordings(io::Error),
    /// Speech, files, recordings or streams cannot be set up.
    #[error(transparent)]
    Sound(#[from] SoundSetupError),
    /// The client for webhooks cannot be made.
    #[error(transparent)]
    Webhook(#[from] ClientError),
    /// The outbound proxy is no SIP URI.
    #[error("the outbound proxy {0:?} is no SIP URI with a host")]
    OutboundProxy(String),
}

enum Socket {
    Tcp(TcpListener),
    Udp(StdSocket),
}

impl Executor {
    /// Binds the sockets of an executor. Needs no runtime.
    ///
    /// # Errors
    ///
    /// What of the settings cannot be had.
    pub fn new(settings: Settings, observer: Arc<dyn Observer>) -> Result<Self, SetupError> {
        if settings.listen.is_empty() {
            return Err(SetupError::NoListener);
        }
        if let Some(proxy) = &settings.outbound_proxy
            && !Uri::parse(proxy.as_bytes()).is_ok_and(|uri| uri.is_sip() && uri.headers.is_none())
        {
            return Err(SetupError::OutboundProxy(proxy.clone()));
        }
        let random = Random::from_system().map_err(SetupError::Random)?;
        if settings.codecs.is_empty() {
            return Err(SetupError::NoCodec);
        }
        let webhook = Client::new(settings.webhook.clone())?;
        let sound = Sound::new(settings.sound.clone(), &webhook)?;
        let recordings = RecordingServer::bind(sound.recordings(), &settings.domains)
            .map_err(SetupError::Recordings)?;
        let mut bound = Vec::new();
        let mut sockets = Vec::new();
        for listen in &settings.listen {
            let (socket, address) = bind(listen)?;
            bound.push(Bound {
                transport: listen.transport,
                address,
            });
            sockets.push(socket);
        }
        let gauges = Arc::new(Gauges::default());
        // More sessions than ports are of no use: the executor is full with the first of the two.
        let mut media = settings.media.clone();
        media.sessions = media.sessions.min(media.ports.pairs().into());
        let engine = Engine::start(media).map_err(SetupError::Media)?;
        Ok(Self {
            settings,
            observer,
            engine,
            sound,
            recordings,
            gauges,
            bound,
            sockets,
            webhook,
            random,
        })
    }

    /// What its media engine has done so far, to look at from any thread.
    pub fn media(&self) -> Engine {
        self.engine.clone()
    }

    /// The sockets, in the order of the settings.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// How much it holds, to look at from any thread.
    pub fn gauges(&self) -> Arc<Gauges> {
        Arc::clone(&self.gauges)
    }

    /// Works until `shutdown` is ready; then takes no more calls, and ends when the last one is
    /// over or [`Settings::drain`] has passed.
    ///
    /// # Errors
    ///
    /// A socket cannot be used in this runtime, or the outbound proxy's name is not known.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let settings = Arc::new(self.settings);
        let (mailbox, mails) = mpsc::channel(MAILBOX);
        let mut names = Names::new();
        for (listen, bound) in settings.listen.iter().zip(&self.bound) {
            names.add(bound.transport, bound.address, listen.advertise.clone());
        }
        let (mut datagrams, mut listeners) = (Vec::new(), Vec::new());
        for (at, socket) in self.sockets.into_iter().enumerate() {
            let id = ListenerId(u16::try_from(at).unwrap_or(u16::MAX - 1));
            match socket {
                Socket::Udp(socket) => {
                    let socket = UdpSocket::from_std(socket, &UDP)?;
                    datagrams.push((id, AsyncUdpSocket::new(socket)?));
                }
                Socket::Tcp(listener) => {
                    listeners.push((id, tokio::net::TcpListener::from_std(listener)?));
                }
            }
        }
        let wire = Wire::new(datagrams, Arc::clone(&settings), mailbox.clone());
        let mut accepting = tokio::task::JoinSet::new();
        for (id, listener) in listeners {
            let streams = Arc::clone(wire.streams());
            accepting.spawn(async move {
                if let Err(error) = streams.accept_on(listener, id).await {
                    tracing::error!(%error, "no more SIP connections are accepted");
                }
            });
        }
        let outbound = match &settings.outbound_proxy {
            Some(proxy) => Some(outbound(&names, proxy).await?),
            None => None,
        };
        if let Some(server) = self.recordings {
            accepting.spawn(async move {
                if let Err(error) = server.run().await {
                    tracing::error!(%error, "recordings are no longer served");
                }
            });
        }
        let (told, media) = mpsc::channel(MEDIA_MAILBOX);
        let studio = Studio::new(self.engine, self.sound, Arc::clone(&self.gauges), told);
        let limits = settings.limits.transactions;
        let core = Core {
            layer: Layer::new(settings.timers, limits, self.random.number()),
            settings,
            timers: Timers::default(),
            random: self.random,
            names,
            journal: Journal::new(self.observer),
            gauges: self.gauges,
            studio,
            webhook: self.webhook,
            mailbox,
            outbound,
            servers: Default::default(),
            clients: Default::default(),
            accepted: Default::default(),
            dialogs: Default::default(),
            initial: Default::default(),
            outbox: Vec::new(),
            conferences: Default::default(),
            halls: Default::default(),
            queues: Default::default(),
            errands: Default::default(),
            transcriptions: Default::default(),
            now: Instant::ZERO,
        };
        Agent::new(core, wire).run(mails, media, shutdown).await;
        Ok(())
    }

    /// Runs on a new thread with a runtime of its own.
    ///
    /// # Errors
    ///
    /// The thread or the runtime cannot be made.
    pub fn spawn(self) -> io::Result<Handle> {
        let (bound, gauges) = (self.bound.clone(), self.gauges());
        let (media, webhooks) = (self.engine.meter(), self.webhook.meter());
        let (shutdown, told) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let work = move || {
            // A dropped handle is a shutdown too.
            runtime.block_on(self.run(async { told.await.unwrap_or(()) }))
        };
        let thread = std::thread::Builder::new()
            .name("executor".to_owned())
            .spawn(work)?;
        Ok(Handle {
            bound,
            gauges,
            media,
            webhooks,
            shutdown: Some(shutdown),
            thread: Some(thread),
        })
    }
}

impl Handle {
    /// The sockets, in the order of the settings.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// How much it holds.
    pub fn gauges(&self) -> Arc<Gauges> {
        Arc::clone(&self.gauges)
    }

    /// What its media threads have done.
    pub fn media(&self) -> Meter {
        self.media.clone()
    }

    /// What it does with web servers that fail.
    pub fn webhooks(&self) -> WebhookMeter {
        self.webhooks.clone()
    }

    /// Begins the shutdown.
    pub fn shut_down(&mut self) {
        self.shutdown = None;
    }

    /// Begins the shutdown and waits for its end.
    ///
    /// # Errors
    ///
    /// What ended the executor before.
    pub fn join(mut self) -> io::Result<()> {
        self.shutdown = None;
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the executor panicked")))
    }
}

fn bind(listen: &Listen) -> Result<(Socket, SocketAddr), SetupError> {
    let Listen {
        transport, address, ..
    } = *listen;
    let failed = |error| SetupError::Bind {
        transport,
        address,
        error,
    };
    match transport {
        Transport::Udp => {
            let socket = StdSocket::bind(address).map_err(failed)?;
            socket.set_nonblocking(true).map_err(failed)?;
            let address = socket.local_addr().map_err(failed)?;
            Ok((Socket::Udp(socket), address))
        }
        Transport::Tcp => {
            let listener = TcpListener::bind(address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            Ok((Socket::Tcp(listener), address))
        }
        other => Err(SetupError::Transport(other)),
    }
}

/// The way to the outbound proxy; a name is looked up once, at the start.
async fn outbound(names: &Names, proxy: &str) -> io::Result<Path> {
    if let Some(path) = names.path_to(proxy.as_bytes()) {
        return Ok(path);
    }
    let unusable = || io::Error::other(format!("there is no way to the outbound proxy {proxy}"));
    let uri = Uri::parse(proxy.as_bytes()).map_err(|_| unusable())?;
    let transport = match uri.params.value(b"transport") {
        None => Transport::Udp,
        Some(name) => Transport::of(name).ok_or_else(unusable)?,
    };
    let host = String::from_utf8_lossy(uri.host).into_owned();
    let port = uri.port.unwrap_or_else(|| transport.default_port());
    let mut addresses = tokio::net::lookup_host((host, port)).await?;
    addresses
        .find_map(|address| names.path(transport, address))
        .ok_or_else(unusable)
}

/// How the SIP sockets are set up: only one of them is bound to each address.
const UDP: UdpOptions = UdpOptions {
    recv_buffer: 4 << 20,
    send_buffer: 1 << 20,
    reuse_port: false,
};

/// Mails that may wait; more make their senders wait, or are lost like datagrams.
const MAILBOX: usize = 4096;

/// The same for what comes from media threads, which cannot wait: more than all legs of an executor
/// that is full have under way. A place takes memory only while it is taken.
const MEDIA_MAILBOX: usize = 1 << 16;
