use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::time::TimeSpec;
use nix::unistd::{Pid, gettid};

use super::accounts::{self, Readings, Used};
use super::call::Mark;
use super::clock;
use super::config::{Config, Idle, Kind, Role};
use super::report::{
    Calls, Datagrams, Extensions, Generator, Kernel, Latency, Report, Watched, Window,
};
use super::schedule::Schedule;
use super::socket::{self, BATCH, Inbox};
use super::tally::{Outcome, Tally};
use super::world::World;

const SECOND: u64 = 1_000_000_000;
/// Between the last preparation and the first call.
const LEAD: u64 = 50_000_000;
/// recvmmsg calls on one socket before the others get their turn.
const RECEIVES: usize = 4;
/// How often the offset of the two clocks is asked for.
const OFFSET_AGE: u64 = SECOND;

/// Runs a load and waits for its end.
///
/// The calling thread does the work; another one reads the kernel's books once a second.
///
/// # Errors
///
/// When the configuration makes no sense or a socket cannot be bound.
pub fn run(config: &Config) -> io::Result<Report> {
    config
        .check()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    // Sleeps end when they should, not up to 50 µs later.
    prctl::set_timerslack(1)?;
    let sockets = bind(config)?;
    let thread = gettid().as_raw();
    let counters = accounts::counters();
    let target_drops = accounts::drops(config.target.port());
    let begin = clock::now() + LEAD;
    let at = |seconds: f64| begin + (seconds * SECOND as f64) as u64;
    let end = at(config.steps.seconds());
    let window = at(config.warmup)..at(config.steps.seconds() - config.cooldown);
    let mut world = World::new(config, run_id(begin), begin, window.clone());

    let (stop, stopped) = mpsc::channel();
    let (readings, busy) = thread::scope(|scope| {
        let reader =
            scope.spawn(move || accounts::read(begin, window, thread, &config.watch_pid, &stopped));
        let pinned = config.cpu.map_or(Ok(()), pin);
        let busy = pinned.map(|()| Engine::new(config, &sockets, &mut world).turn(end));
        drop(stop);
        (reader.join(), busy)
    });
    let busy = busy?;
    let readings = readings.map_err(|_| io::Error::other("the reader of the books has died"))?;
    let mut kernel = kernel(config, &sockets, &counters);
    kernel.target_drops = kernel.target_drops.saturating_sub(target_drops);
    Ok(report(world, &readings, busy, kernel))
}

/// The caller's sockets, then the callee's; `None` where somebody else plays that side.
fn bind(config: &Config) -> io::Result<Vec<Option<UdpSocket>>> {
    let caller = |flow| SocketAddrV4::new(*config.caller.ip(), config.caller.port() + flow);
    let callers = (0..config.flows).map(|flow| (config.role != Role::Callee).then(|| caller(flow)));
    let callee = (config.role != Role::Caller).then_some(config.callee);
    let bind = |address: Option<SocketAddrV4>| {
        let bound = address.map(|address| socket::bind(address, config.timestamps));
        bound.transpose()
    };
    callers.chain([callee]).map(bind).collect()
}

/// Keeps this thread, and no other, on a processor.
fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Tells this run's calls from those that another one has left behind.
fn run_id(begin: u64) -> u32 {
    (begin ^ (begin >> 32)) as u32 ^ std::process::id().rotate_left(16)
}

struct Engine<'a, 'b> {
    config: &'a Config,
    sockets: &'a [Option<UdpSocket>],
    world: &'b mut World<'a>,
    inbox: Inbox,
    /// From the wall clock to ours, and when that was found out.
    offset: (i64, u64),
    /// Nanoseconds spent waiting, in the window.
    waited: u64,
}

impl<'a, 'b> Engine<'a, 'b> {
    fn new(config: &'a Config, sockets: &'a [Option<UdpSocket>], world: &'b mut World<'a>) -> Self {
        Self {
            config,
            sockets,
            world,
            inbox: Inbox::new(),
            offset: (0, 0),
            waited: 0,
        }
    }

    /// Turns until all is over: the share of the window in which it did not wait.
    fn turn(&mut self, end: u64) -> f64 {
        let begin = self.world.tally.begin;
        let mut schedule =
            Schedule::new(&self.config.steps, self.config.arrivals, self.config.seed)
                .map(|time| begin + time)
                .take_while(|_| self.config.role != Role::Callee)
                .take(self.config.calls.map_or(usize::MAX, |calls| calls as usize));
        let mut next = schedule.next();
        let mut places: Vec<usize> = Vec::new();
        let mut polled: Vec<PollFd<'_>> = Vec::new();
        for (place, socket) in self.sockets.iter().enumerate() {
            if let Some(socket) = socket {
                places.push(place);
                polled.push(PollFd::new(socket.as_fd(), PollFlags::POLLIN));
            }
        }
        let last = end + (self.config.drain * SECOND as f64) as u64;
        loop {
            self.world.now = clock::now();
            let now = self.world.now;
            self.world.tally.roll(now, &self.config.steps);
            let over = next.is_none() && (now >= end || self.has_begun_all());
            if now >= last || over && self.is_finished() {
                break;
            }
            let mut burst = 0;
            while let Some(at) = next.filter(|at| *at <= now && burst < BATCH) {
                self.world.arrive(at);
                next = schedule.next();
                burst += 1;
            }
            self.world.expire();
            self.flush();
            let due = next.unwrap_or(last).min(self.world.wheel.wake()).min(last);
            self.wait(&mut polled, due);
            for (place, polled) in places.iter().zip(&polled) {
                if polled.any() == Some(true) {
                    self.receive(*place);
                }
            }
        }
        self.give_up();
        let window = &self.world.tally.window;
        let length = window.end - window.start;
        1.0 - (self.waited.min(length) as f64 / length as f64)
    }

    /// As many calls as were asked for have begun.
    fn has_begun_all(&self) -> bool {
        let calls = self.config.calls;
        calls.is_some_and(|calls| self.world.tally.intended >= calls)
    }

    /// No call is in progress, and nobody can begin one.
    fn is_finished(&self) -> bool {
        let all = self.config.role != Role::Callee || self.has_begun_all();
        all && self.world.tally.in_progress == 0
    }

    /// Waits for a datagram or for this time.
    fn wait(&mut self, polled: &mut [PollFd<'_>], due: u64) {
        let before = clock::now();
        let left = match self.config.idle {
            Idle::Sleep => due.saturating_sub(before),
            Idle::Spin => 0,
        };
        let timeout = TimeSpec::from(Duration::from_nanos(left));
        // Interrupted: then the next turn comes at once.
        let ready = ppoll(polled, Some(timeout), None).unwrap_or(0);
        let after = clock::now();
        if (left > 0 || ready == 0) && self.world.tally.window.contains(&before) {
            self.waited += after - before;
        }
    }

    fn receive(&mut self, place: usize) {
        let Some(socket) = &self.sockets[place] else {
            return;
        };
        let now = clock::now();
        if now > self.offset.1 + OFFSET_AGE {
            self.offset = (clock::wall_offset(), now);
        }
        for _ in 0..RECEIVES {
            let world = &mut *self.world;
            world.now = now;
            let count = self
                .inbox
                .receive(socket, self.offset.0, |datagram, source, at| {
                    world.receive(place, datagram, source, at);
                });
            world.tally.receive_calls += 1;
            self.flush();
            if count < BATCH {
                break;
            }
        }
    }

    /// Sends everything that was written.
    fn flush(&mut self) {
        // The outboxes tell the world when a message left, so they leave it for that long.
        let mut out = std::mem::take(&mut self.world.out);
        for (outbox, socket) in out.iter_mut().zip(self.sockets) {
            if let Some(socket) = socket {
                outbox.flush(socket, |stamp, at| self.world.left(stamp, at));
            }
        }
        self.world.out = out;
    }

    /// What is still in progress has had its time.
    fn give_up(&mut self) {
        for slot in 0..self.world.calls.len() {
            self.world.end(slot as u32, Outcome::TimedOut);
        }
        self.world.tally.close(&self.config.steps);
    }
}

fn kernel(
    config: &Config,
    sockets: &[Option<UdpSocket>],
    before: &BTreeMap<String, u64>,
) -> Kernel {
    let after = accounts::counters();
    let delta = |name: &str| {
        let of = |counters: &BTreeMap<String, u64>| counters.get(name).copied().unwrap_or(0);
        of(&after).saturating_sub(of(before))
    };
    let port = |socket: &UdpSocket| socket.local_addr().map_or(0, |address| address.port());
    let (callee, callers) = sockets.split_last().unwrap_or((&None, &[]));
    let drops = |socket: &UdpSocket| accounts::drops(port(socket));
    debug_assert_eq!(callers.len(), usize::from(config.flows));
    Kernel {
        rcvbuf_errors: delta("RcvbufErrors"),
        sndbuf_errors: delta("SndbufErrors"),
        in_errors: delta("InErrors"),
        no_ports: delta("NoPorts"),
        caller_drops: callers.iter().flatten().map(drops).sum(),
        callee_drops: callee.as_ref().map_or(0, drops),
        target_drops: accounts::drops(config.target.port()),
        rcvbuf_bytes: sockets
            .iter()
            .flatten()
            .next()
            .map_or(0, |socket| socket::receive_buffer(socket) as u64),
    }
}

fn report(world: World<'_>, readings: &Readings, busy: f64, kernel: Kernel) -> Report {
    let World {
        config,
        mut tally,
        out,
        ..
    } = world;
    let window = window(&tally);
    let each = Each {
        // Those that ended in the window, though some had begun before it.
        calls: (window.good + window.failed) as f64 / window.seconds,
        datagrams: tally.within_received as f64 / window.seconds,
    };
    let own = readings.used(0);
    let generator = Generator {
        cpu_share: own.share(),
        user_us_per_call: each.call(own.user, &own),
        system_us_per_call: each.call(own.system, &own),
        cpu_us_per_call: each.call(own.user + own.system, &own),
        cpu_us_per_datagram: each.datagram(&own),
        busy_share: busy,
    };
    let watched: Vec<Watched> = config
        .watch_pid
        .iter()
        .enumerate()
        .map(|(index, pid)| watched(readings, index + 1, *pid, &each))
        .collect();
    for (second, number) in tally.seconds.iter_mut().zip(0..) {
        for index in 1..=config.watch_pid.len() {
            let (usage, used) = readings.second(index, number);
            second.watched_rss_kib.push(usage.rss_kib);
            second.watched_cpu_share.push(used.share());
        }
    }
    let lag = tally.lag.quantiles();
    let saturated = lag
        .as_ref()
        .is_some_and(|lag| lag.p99 > config.lag_limit_us as f64);
    let mut report = Report {
        config: config.clone(),
        timestamps: config.timestamps,
        calls: calls(&tally),
        window,
        responses: tally.responses(),
        unexpected: tally
            .unexpected
            .iter()
            .map(|((method, status), count)| (format!("{} {status}", method.name()), *count))
            .collect(),
        retransmissions: retransmissions(&tally),
        retransmissions_total: tally.retransmissions,
        duplicates_received: tally.duplicates,
        stray_received: tally.stray,
        malformed_received: tally.malformed,
        datagrams: Datagrams {
            sent: out.iter().map(|outbox| outbox.datagrams).sum(),
            received: tally.received,
            send_calls: out.iter().map(|outbox| outbox.calls).sum(),
            recv_calls: tally.receive_calls,
            send_errors: out.iter().map(|outbox| outbox.errors).sum(),
            received_in_window: tally.within_received,
        },
        extensions: extensions(&tally),
        latency: Latency {
            invite: tally.invite.quantiles(),
            post_dial_180: tally.post_dial_180.quantiles(),
            post_dial_200: tally.post_dial_200.quantiles(),
            call: tally.call.quantiles(),
        },
        added: added(config, &tally),
        lag,
        generator,
        generator_saturated: saturated,
        kernel,
        watched,
        seconds: tally.seconds,
        clean: false,
        problems: Vec::new(),
    };
    report.judge();
    report
}

fn window(tally: &Tally) -> Window {
    let seconds = (tally.window.end - tally.window.start) as f64 / SECOND as f64;
    Window {
        seconds,
        intended: tally.within_intended,
        started: tally.within.started,
        good: tally.within.good,
        failed: tally.within.failed,
        established_failed: tally.within.established_failed,
        retransmissions: tally.within_retransmissions,
        rate_per_s: tally.within_intended as f64 / seconds,
        goodput_per_s: tally.within.good as f64 / seconds,
    }
}

fn calls(tally: &Tally) -> Calls {
    let kinds = || tally.kinds.iter();
    Calls {
        intended: tally.intended,
        started: kinds().map(|kind| kind.started).sum(),
        shed: tally.shed,
        good: kinds().map(|kind| kind.good).sum(),
        failed: kinds().map(|kind| kind.failed).sum(),
        timed_out: kinds().map(|kind| kind.timed_out).sum(),
        established_failed: kinds().map(|kind| kind.established_failed).sum(),
        in_progress_max: tally.in_progress_max,
        by_kind: Kind::ALL
            .into_iter()
            .zip(tally.kinds)
            .filter(|(_, counts)| counts.started > 0)
            .map(|(kind, counts)| (kind.name().to_owned(), counts))
            .collect(),
    }
}

fn retransmissions(tally: &Tally) -> BTreeMap<String, u64> {
    let requests = tally.requests_again.iter();
    let requests = requests.map(|(method, count)| (method.name().to_owned(), *count));
    let responses = tally.responses_again.iter();
    requests
        .chain(responses.map(|(status, count)| (status.to_string(), *count)))
        .collect()
}

fn extensions(tally: &Tally) -> Extensions {
    let mean = |index: usize| tally.extensions[index] as f64 / tally.invites.max(1) as f64;
    Extensions {
        invites: tally.invites,
        internal: mean(0),
        kept: mean(1),
        other: mean(2),
    }
}

fn added(config: &Config, tally: &Tally) -> BTreeMap<String, Option<super::report::Quantiles>> {
    let names = Mark::names(config.in_dialog.method());
    let mut all = tally.added[0].clone();
    tally.added[1..].iter().for_each(|times| all.merge(times));
    let each = names.into_iter().zip(&tally.added);
    let each = each.map(|(name, times)| (name, times.quantiles()));
    each.filter(|(_, quantiles)| quantiles.is_some())
        .chain([("all".to_owned(), all.quantiles())])
        .collect()
}

/// How many there were a second, to share the processor time among.
struct Each {
    calls: f64,
    datagrams: f64,
}

impl Each {
    /// Microseconds a call of `time`, a part of what was used.
    fn call(&self, time: f64, used: &Used) -> f64 {
        share(time, self.calls, used.span)
    }

    /// Microseconds a datagram.
    fn datagram(&self, used: &Used) -> f64 {
        share(used.user + used.system, self.datagrams, used.span)
    }
}

/// Nanoseconds in a span, shared among what happens so often a second, in microseconds.
fn share(time: f64, per_second: f64, span: u64) -> f64 {
    let count = per_second * span as f64 / SECOND as f64;
    if count > 0.0 {
        time / count / 1000.0
    } else {
        0.0
    }
}

fn watched(readings: &Readings, index: usize, pid: u32, each: &Each) -> Watched {
    let used = readings.used(index);
    let rss = || readings.usages(index).map(|usage| usage.rss_kib);
    let last = readings.usages(index).last().unwrap_or_default();
    Watched {
        pid,
        command: accounts::command(pid),
        processes: last.processes,
        threads: last.threads,
        cpu_share: used.share(),
        user_us_per_call: each.call(used.user, &used),
        system_us_per_call: each.call(used.system, &used),
        cpu_us_per_call: each.call(used.user + used.system, &used),
        cpu_us_per_datagram: each.datagram(&used),
        rss_kib_first: rss().next().unwrap_or(0),
        rss_kib_last: last.rss_kib,
        rss_kib_max: rss().max().unwrap_or(0),
    }
}

impl Report {
    /// Says what went wrong.
    fn judge(&mut self) {
        let counts = [
            (self.calls.failed, "calls failed"),
            (self.calls.shed, "arrivals were shed"),
            (self.retransmissions_total, "messages were sent again"),
            (
                self.unexpected.values().sum(),
                "final responses were not the wanted ones",
            ),
            (self.malformed_received, "datagrams were malformed"),
            (
                self.datagrams.send_errors,
                "datagrams were refused by the kernel",
            ),
            (
                self.kernel.rcvbuf_errors,
                "datagrams found a full receive buffer, on the whole machine",
            ),
            (
                self.kernel.caller_drops + self.kernel.callee_drops,
                "datagrams found our receive buffers full",
            ),
            (
                u64::from(self.generator_saturated),
                "generator was too late: saturated",
            ),
        ];
        let found = counts.into_iter().filter(|(count, _)| *count > 0);
        self.problems = found
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        self.clean = self.problems.is_empty();
    }
}
