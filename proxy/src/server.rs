//! The process: pingora's server around UDP workers, TCP listeners, the executor and the console.

use std::net::{SocketAddr, TcpListener, UdpSocket as StdUdp};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant as Clock;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::server::{ListenFds, RunArgs, Server, ShutdownWatch};
use pingora_core::services::{ServiceReadyNotifier, ServiceWithDependents};
use sip::{Instant, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use transport::{
    ListenerId, Resolver, ResolverOptions, Sleeper, StreamLimits, StreamListener, Streams,
    UdpOptions, UdpSocket,
};

use crate::config::{Loader, Settings, WORKERS_MAX};
use crate::console::{Access, CallLog, CallLogLimits, Console, Example};
use crate::counters::Counters;
use crate::lifecycle::{Lifecycle, Phase};
use crate::local_ip::local_ip;
use crate::owners::{Inbound, Owners, RING, Ring};
use crate::pipeline::{Core, Parts};
use crate::random::Random;
use crate::registrar::Registrar;
use crate::shutdown::Shutdown;
use crate::stream_front::StreamFront;
use crate::worker::{Bound, Worker};
use crate::{executor_role, info, metrics, reload};

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// A socket could not be bound.
    #[error("cannot listen on {socket}: {source}")]
    Bind {
        /// The socket as it is configured.
        socket: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The console would be open to others without a password.
    #[error("server.console: {0}")]
    Console(String),
    /// The executor could not start.
    #[error("executor: {0}")]
    Executor(String),
    /// The system does not give what a worker needs.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// What `run` and `demo` start.
pub(crate) struct Launch {
    /// The configuration.
    pub settings: Settings,
    /// How a changed file is read again; nothing is reloaded without a file.
    pub reload: Option<(std::path::PathBuf, Loader)>,
    /// The counters that filters keep.
    pub filter_counters: Arc<filters::Counters>,
    /// Commands that the empty page shows.
    pub examples: Vec<Example>,
    /// Further services of the process.
    pub services: Vec<Box<dyn ServiceWithDependents>>,
    /// Called once everything listens.
    pub ready: Box<dyn FnOnce() + Send>,
}

/// Starts everything and returns when the process was told to stop and calls in setup are over.
///
/// # Errors
///
/// Nothing is left running where something could not start.
pub(crate) fn serve(launch: Launch) -> Result<(), StartError> {
    let settings = launch.settings;
    let workers = worker_count(settings.server.workers);
    let sockets = bind_udp(&settings, workers)?;
    check_tcp(&settings)?;

    let log = Arc::new(match settings.server.console {
        Some(_) => CallLog::new(CallLogLimits::default()),
        None => CallLog::disabled(),
    });
    let counters: Vec<Arc<Counters>> = (0..=workers)
        .map(|_| Arc::new(Counters::default()))
        .collect();
    let (rings, inboxes) = rings(workers)?;
    let owners = Owners::new(rings, Random::system().number());
    let lifecycle = Arc::new(Lifecycle::new(owners.clone()));
    let registrar = Arc::new(Registrar::new(&mut Random::system()));
    let shared = Arc::new(ArcSwap::from_pointee(settings.clone()));
    let front = StreamFront {
        owners: owners.clone(),
        settings: shared.clone(),
        counters: counters[workers].clone(),
        registrar: registrar.clone(),
    };
    let streams = Streams::new(stream_limits(&settings), Arc::new(front));

    let access = match settings.server.console {
        None => None,
        Some(address) => {
            let password = settings.server.console_password.as_deref();
            let access = Access::new(address, password)
                .map_err(|error| StartError::Console(error.to_string()))?;
            Some((address, access))
        }
    };
    // Draining is ours (see `shutdown`): it ends before pingora hears of it.
    let conf = ServerConf {
        threads: 1,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Some(Opt::default()), conf);
    let boot = server.bootstrap_as_a_service();

    let (alive, ended) = mpsc::channel(1);
    let executor = executor_role::start(&settings, log.clone())?;

    let parts = WorkerParts {
        settings: settings.clone(),
        sockets,
        inboxes,
        owners: owners.clone(),
        streams: streams.clone(),
        counters: counters.clone(),
        registrar: registrar.clone(),
        log: log.clone(),
        lifecycle: lifecycle.clone(),
        alive,
    };
    let threads = Arc::new(Mutex::new(Vec::new()));
    let service = SipService {
        parts: Mutex::new(Some(parts)),
        threads: threads.clone(),
        ready: Mutex::new(Some(launch.ready)),
    };
    let sip = server.add_service(service);
    sip.add_dependency(&boot);
    for (index, listener) in settings.plan.listeners.iter().enumerate() {
        if listener.transport == Transport::Tcp {
            let listener = StreamListener {
                id: ListenerId(index as u16),
                name: listener.name.to_string(),
                address: listener.bind,
            };
            let tcp = server.add_service(transport::service(listener, streams.clone()));
            sip.add_dependency(&tcp);
        }
    }
    if let Some((address, access)) = access {
        let (shown, examples) = (shared.clone(), launch.examples);
        let (counted, by_filters) = (counters, launch.filter_counters);
        let running = lifecycle.clone();
        let registered = registrar.clone();
        let watched = executor_role::watched(executor.as_ref());
        let console = Console::new(log, access)
            .healthy(move || running.is_up())
            .info(move || info::describe(&shown.load(), &examples))
            .registrations(move |most| info::registrations(&registered, most))
            .metrics(move || metrics::render(&counted, &by_filters, &registrar, watched.as_ref()));
        let console = server.add_service(console.service(address));
        sip.add_dependency(&console);
    }
    for service in launch.services {
        let service = server.add_boxed_service(service);
        sip.add_dependency(&service);
    }
    if let Some((path, loader)) = launch.reload {
        let domains = executor_role::shared_domains(executor.as_ref());
        reload::on_hangup(path, loader, shared, owners, domains)?;
    }
    let shutdown = Shutdown::new(lifecycle.clone(), executor, ended, streams);
    server.run(RunArgs {
        shutdown_signal: Box::new(shutdown),
    });
    lifecycle.advance(Phase::Now);
    let joined: Vec<JoinHandle<()>> = threads
        .lock()
        .map(|mut threads| threads.drain(..).collect())
        .unwrap_or_default();
    for thread in joined {
        if thread.join().is_err() {
            tracing::error!("a worker has panicked");
        }
    }
    Ok(())
}

/// What the worker threads are made of.
struct WorkerParts {
    settings: Settings,
    sockets: Vec<Vec<(ListenerId, StdUdp)>>,
    inboxes: Vec<(mpsc::Receiver<Inbound>, Sleeper)>,
    owners: Owners,
    streams: Arc<Streams>,
    counters: Vec<Arc<Counters>>,
    registrar: Arc<Registrar>,
    log: Arc<CallLog>,
    lifecycle: Arc<Lifecycle>,
    /// Dropped by the last worker that ends.
    alive: mpsc::Sender<()>,
}

/// The UDP workers as one of pingora's services, which starts their threads.
struct SipService {
    parts: Mutex<Option<WorkerParts>>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    ready: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

#[async_trait]
impl ServiceWithDependents for SipService {
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        mut shutdown: ShutdownWatch,
        _listeners_per_fd: usize,
        ready: ServiceReadyNotifier,
    ) {
        let parts = self.parts.lock().ok().and_then(|mut parts| parts.take());
        if let Some(parts) = parts {
            parts.streams.run_on(Handle::current());
            let lifecycle = parts.lifecycle.clone();
            let started = start_workers(parts);
            if let Ok(mut threads) = self.threads.lock() {
                threads.extend(started);
            }
            lifecycle.begun();
        }
        ready.notify_ready();
        let announce = self.ready.lock().ok().and_then(|mut ready| ready.take());
        if let Some(announce) = announce {
            announce();
        }
        // An error means that the server is gone already, which is a reason to stop as well.
        drop(shutdown.wait_for(|stop| *stop).await);
    }

    fn name(&self) -> &str {
        "sip"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

fn start_workers(parts: WorkerParts) -> Vec<JoinHandle<()>> {
    let epoch = Clock::now();
    let workers = parts.inboxes.len();
    let resolver = Resolver::system(ResolverOptions::default());
    let mut threads = Vec::with_capacity(workers);
    let runtime = Handle::current();
    runtime.spawn(sweep(parts.registrar.clone(), epoch));
    for (index, ((inbox, sleeper), sockets)) in
        parts.inboxes.into_iter().zip(parts.sockets).enumerate()
    {
        let plan = parts.settings.plan.clone();
        let (owners, streams, log) = (
            parts.owners.clone(),
            parts.streams.clone(),
            parts.log.clone(),
        );
        let counters = parts.counters[index].clone();
        let registrar = parts.registrar.clone();
        let (resolver, runtime) = (resolver.clone(), runtime.clone());
        let (lifecycle, alive) = (parts.lifecycle.clone(), parts.alive.clone());
        let body = move || {
            let core = Core::new(Parts {
                worker: index as u8,
                plan: plan.clone(),
                workers,
                random: Random::system(),
                counters: counters.clone(),
                registrar,
                log,
                local_ip: local_ip(),
                clock: Box::new(move || epoch.elapsed().as_nanos() as u64),
            });
            let sockets = sockets
                .into_iter()
                .filter_map(|(listener, socket)| adopt(&plan, listener, socket))
                .collect();
            let worker = Worker {
                index,
                core,
                sockets,
                inbox,
                sleeper,
                lifecycle,
                runtime,
                owners,
                streams,
                resolver,
                epoch,
                counters,
            };
            worker.run();
            drop(alive);
        };
        match std::thread::Builder::new()
            .name(format!("sip-{index}"))
            .spawn(body)
        {
            Ok(thread) => threads.push(thread),
            Err(error) => tracing::error!(%error, "a worker cannot start"),
        }
    }
    threads
}

/// Frees registrations that have ended, for as long as the process lives.
async fn sweep(registrar: Arc<Registrar>, epoch: Clock) {
    loop {
        tokio::time::sleep(SWEEP).await;
        registrar.sweep(Instant::from_micros(epoch.elapsed().as_micros() as u64));
    }
}

/// A ring and a place to sleep for each worker.
#[allow(clippy::type_complexity)]
fn rings(workers: usize) -> std::io::Result<(Vec<Ring>, Vec<(mpsc::Receiver<Inbound>, Sleeper)>)> {
    let mut ends = (Vec::new(), Vec::new());
    for _ in 0..workers {
        let (sender, inbox) = mpsc::channel(RING);
        let sleeper = Sleeper::new()?;
        let waker = sleeper.waker();
        ends.0.push(Ring { sender, waker });
        ends.1.push((inbox, sleeper));
    }
    Ok(ends)
}

/// Makes a bound socket the worker's, and warns of a small receive buffer.
fn adopt(plan: &crate::plan::Plan, listener: ListenerId, socket: StdUdp) -> Option<Bound> {
    let wanted = plan.listener(listener)?;
    let options = UdpOptions {
        recv_buffer: wanted.recv_buffer,
        ..UdpOptions::default()
    };
    match UdpSocket::from_std(socket, &options) {
        Ok(socket) => {
            let granted = socket.recv_buffer();
            if granted.is_short() {
                tracing::warn!(
                    listener = %wanted.name,
                    asked = granted.asked,
                    granted = granted.granted,
                    "receive buffer is smaller than asked: raise net.core.rmem_max"
                );
            }
            Some(Bound { listener, socket })
        }
        Err(error) => {
            tracing::error!(listener = %wanted.name, %error, "a UDP socket cannot be used");
            None
        }
    }
}

/// Binds every UDP listener once a worker, before anything else starts.
fn bind_udp(
    settings: &Settings,
    workers: usize,
) -> Result<Vec<Vec<(ListenerId, StdUdp)>>, StartError> {
    let mut all: Vec<Vec<(ListenerId, StdUdp)>> = (0..workers).map(|_| Vec::new()).collect();
    for (index, listener) in settings.plan.listeners.iter().enumerate() {
        if listener.transport != Transport::Udp {
            continue;
        }
        let error = |source| StartError::Bind {
            socket: format!("udp:{}", listener.bind),
            source,
        };
        // With SO_REUSEPORT a second process would share the port: a plain bind tells it is taken.
        drop(udp_socket(listener.bind, false).map_err(error)?);
        for sockets in &mut all {
            let socket = udp_socket(listener.bind, true).map_err(error)?;
            sockets.push((ListenerId(index as u16), socket));
        }
    }
    Ok(all)
}

fn udp_socket(address: SocketAddr, shared: bool) -> std::io::Result<StdUdp> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM.nonblocking(),
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// pingora binds TCP listeners itself, and ends the process where it cannot: so this is told first.
fn check_tcp(settings: &Settings) -> Result<(), StartError> {
    let listeners = settings.plan.listeners.iter();
    let sip = listeners
        .filter(|listener| listener.transport == Transport::Tcp)
        .map(|listener| listener.bind);
    for address in sip.chain(settings.server.console) {
        TcpListener::bind(address).map_err(|source| StartError::Bind {
            socket: format!("tcp:{address}"),
            source,
        })?;
    }
    Ok(())
}

fn stream_limits(settings: &Settings) -> StreamLimits {
    StreamLimits {
        connections: settings.limits.connections,
        connections_per_ip: settings.limits.connections_per_ip,
        message: settings.plan.message_limits.clone(),
        ..StreamLimits::default()
    }
    .within_open_files()
}

fn worker_count(configured: usize) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = if configured == 0 { cores() } else { configured };
    wanted.clamp(1, WORKERS_MAX)
}

/// How often ended registrations are freed.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(5);
