//! An executor with its neighbours: a caller's phone, a callee's phone, a web server.

use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use executor::sound::speak::{TextToSpeech, Utterance};
use executor::sound::{BoxFuture, SoundError, SpeechEngine};
use executor::webhook::{Hook, WebhookCounters};
use executor::{
    CallEvent, Domain, Executor, Handle, Listen, Observer, Record, RtpPorts, Secret, Settings,
    Snapshot, TrustedPeer,
};
use media::pcm::Pcm;

use crate::phone::{Phone, sdp};
use crate::web::Web;

pub(crate) struct World {
    pub(crate) web: Web,
    /// Calls the executor, in the place of the proxy.
    pub(crate) phone: Phone,
    /// Is the outbound proxy, and behind it every callee.
    pub(crate) callee: Phone,
    pub(crate) log: Arc<Log>,
    /// Where recordings are.
    folder: PathBuf,
    handle: RefCell<Option<Handle>>,
}

/// All records.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<Record>>);

impl Observer for Log {
    fn observe(&self, record: &Record) {
        self.0.lock().unwrap().push(record.clone());
    }
}

impl Log {
    /// Numbers of all errors and warnings.
    pub(crate) fn codes(&self) -> Vec<u32> {
        let records = self.0.lock().unwrap();
        records
            .iter()
            .filter_map(|record| match &record.event {
                CallEvent::Notice(warning) => Some(warning.code.number()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) const URI: &str = "sip:bob@demo.example";

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_, _| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings, &Web)) -> Self {
        let web = Web::new();
        let (mut phone, mut callee) = (Phone::new(), Phone::new());
        let hook = Hook::post(web.url("/voice?customParameter=xxxxxxxxx&customValue=true"));
        let mut domain = Domain::new("demo.example", Secret::new("12345"), hook);
        domain.status_callback = Some(Hook::post(web.url("/status")));
        let mut settings = Settings::new(
            vec![Listen::udp("127.0.0.1:0".parse().unwrap())],
            vec![
                TrustedPeer::socket(phone.address),
                TrustedPeer::socket(callee.address),
            ],
            vec![domain],
        );
        settings.webhook.allow = vec!["127.0.0.0/8".parse().unwrap()];
        settings.outbound_proxy = Some(format!("sip:{};lr", callee.address));
        settings.dial_trunk = Some("carrier-a".to_owned());
        settings.timers.t1 = Duration::from_millis(100);
        settings.timers.t2 = Duration::from_millis(400);
        settings.timers.t4 = Duration::from_millis(400);
        settings.media.ports = ports(100);
        let folder = std::env::temp_dir().join(format!(
            "hookswitch-agent-{}-{}",
            std::process::id(),
            settings.media.ports.first
        ));
        settings.sound.recordings.folder = folder.clone();
        settings.sound.recordings.public_url = "http://recordings.example".parse().ok();
        settings.sound.speech.engine = SpeechEngine::Own(Arc::new(Humming));
        change(&mut settings, &web);
        let log = Arc::new(Log::default());
        let executor = Executor::new(settings, Arc::clone(&log) as Arc<dyn Observer>).unwrap();
        let handle = executor.spawn().unwrap();
        phone.peer = handle.bound()[0].address;
        callee.peer = phone.peer;
        web.answers("/status", 204, "", Duration::ZERO);
        Self {
            web,
            phone,
            callee,
            log,
            folder,
            handle: RefCell::new(Some(handle)),
        }
    }

    pub(crate) fn gauges(&self) -> Snapshot {
        self.handle.borrow().as_ref().unwrap().gauges().snapshot()
    }

    pub(crate) fn webhooks(&self) -> WebhookCounters {
        self.handle.borrow().as_ref().unwrap().webhooks().read()
    }

    /// The address of a socket of the executor.
    pub(crate) fn bound(&self, at: usize) -> SocketAddr {
        self.handle.borrow().as_ref().unwrap().bound()[at].address
    }

    /// The channels of a recording, at 8 kHz.
    #[track_caller]
    pub(crate) fn recording(&self, sid: &str) -> Vec<Vec<i16>> {
        let path = self.folder.join(format!("{sid}.wav"));
        let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let channels = usize::from(u16::from_le_bytes([file[22], file[23]]));
        let rate = u32::from_le_bytes([file[24], file[25], file[26], file[27]]);
        assert_eq!(rate, 8000);
        let samples: Vec<_> = file[44..]
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let channel = |at: usize| samples.iter().skip(at).step_by(channels).copied();
        (0..channels).map(|at| channel(at).collect()).collect()
    }

    pub(crate) fn shut_down(&self) {
        self.handle.borrow_mut().as_mut().unwrap().shut_down();
    }

    pub(crate) fn join(&self) {
        self.handle.take().unwrap().join().unwrap();
    }

    /// The calls are over, some time.
    #[track_caller]
    pub(crate) fn expect_no_call(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        while self.gauges().calls > 0 {
            assert!(Instant::now() < until, "still open: {:?}", self.gauges());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All that is open is closed, some time.
    #[track_caller]
    pub(crate) fn expect_rest(&self, within: Duration) {
        let until = Instant::now() + within;
        while self.gauges() != Snapshot::default() {
            assert!(Instant::now() < until, "still open: {:?}", self.gauges());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut handle) = self.handle.take() {
            handle.shut_down();
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Says every text as a second of 500 Hz.
struct Humming;

impl TextToSpeech for Humming {
    fn render<'r>(&'r self, utterance: &'r Utterance) -> BoxFuture<'r, Result<Pcm, SoundError>> {
        let rate = utterance.rate;
        Box::pin(async move {
            let samples: Vec<i16> = (0..rate as usize)
                .map(|at| crate::rtp::tone(&[500.0 * 8000.0 / f64::from(rate)], at))
                .collect();
            Ok(Pcm::new(rate, samples))
        })
    }
}

/// So many ports that no other executor of this process has, nor any socket that the kernel finds a port for: those of
/// its own are above these. The first two are free.
pub(crate) fn ports(count: u16) -> RtpPorts {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let next = || 20_000 + NEXT.fetch_add(count, Ordering::Relaxed) % 11_800;
    let is_free = |port: u16| UdpSocket::bind(("0.0.0.0", port)).is_ok();
    let mut firsts = std::iter::repeat_with(next);
    let first = firsts.find(|first| is_free(*first) && is_free(first + 1));
    let first = first.unwrap();
    RtpPorts {
        first,
        last: first + count - 1,
    }
}

/// What a caller offers, on a port of nobody.
pub(crate) fn offer() -> String {
    sdp(40_000, "8 0 101")
}
