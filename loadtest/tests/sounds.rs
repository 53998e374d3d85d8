//! `<Say>`, `<Play>`, `<Pause>`, `<Redirect>`, `<Hangup>`, heard by a telephone that somebody else has written.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use loadtest::hear::Sound;
use loadtest::{
    App, Coding, Draft, Edge, Handset, Peer, Setup, Verb, Webhook, sdp, serving, serving_with,
};
use punctual::punctually;

const DEMO: &str = "sip:bob@demo.test";

/// A document, and a telephone that has called it.
fn called(app: App, setup: Setup) -> (Webhook, Edge, Handset) {
    let (hook, edge) = serving(app);
    let phone = setup.through(edge.public()).start();
    phone.calls(DEMO);
    (hook, edge, phone)
}

/// What a telephone hears of these verbs up to the end of the call.
fn heard(app: App, setup: Setup) -> Sound {
    let (hook, _edge, phone) = called(app, setup);
    let heard = phone.is_over();
    hook.all_signed();
    heard
}

fn alice() -> Setup {
    Setup::new("alice")
}

fn sweep() -> Sound {
    Sound::sweep(8000, 400.0, 2800.0, 1.0)
}

#[test]
fn what_is_said_can_be_understood() {
    punctually(|| {
        let sentences = [
            "please call my sister tomorrow morning",
            "your order has been sent",
            "the weather is fine today",
            "open the window before you leave",
            "there is nobody at home this evening",
        ];
        let said = sentences[1];
        let app = App::new().page("/answer", [Verb::of("say", said)]);
        let heard = heard(app, alice());
        assert!(heard.loud_seconds() > 0.8, "{heard:?}");
        assert_eq!(heard.recognised(&sentences), said, "{heard:?}");
    });
}

#[test]
fn a_reply_that_is_plain_text_is_said() {
    punctually(|| {
        let sentences = [
            "good morning",
            "your order has been sent",
            "the weather is fine today",
        ];
        let (hook, edge) = serving_with(App::new(), |config, hook| {
            config.domain("plain.test", &hook.url("plain"))
        });
        let phone = alice().through(edge.public()).start();
        phone.calls("sip:bob@plain.test");
        let heard = phone.is_over();
        assert_eq!(heard.recognised(&sentences), sentences[0], "{heard:?}");
        hook.all_signed();
    });
}

#[test]
fn a_sentence_is_said_as_often_as_it_is_to_be() {
    punctually(|| {
        let say = || Verb::of("say", "Good evening.");
        let once = heard(App::new().page("/answer", [say()]), alice());
        let thrice = heard(
            App::new().page("/answer", [say().set("loop", "3")]),
            alice(),
        );
        let (one, three) = (once.loud_seconds(), thrice.loud_seconds());
        assert!(one > 0.3, "{once:?}");
        assert!((2.5..3.5).contains(&(three / one)), "{once:?} {thrice:?}");
    });
}

#[test]
fn a_voice_is_another_voice() {
    punctually(|| {
        let say = |voice: &str| Verb::of("say", "Good evening to all of you.").set("voice", voice);
        let man = heard(App::new().page("/answer", [say("man")]), alice());
        let woman = heard(App::new().page("/answer", [say("woman")]), alice());
        assert!(man.loud_seconds() > 0.5 && woman.loud_seconds() > 0.5);
        assert!(woman.find(&man).degree < 0.8, "{man:?} {woman:?}");
    });
}

#[test]
fn files_of_every_kind_are_played() {
    punctually(|| {
        let files = [
            ("a.wav", sweep().wav(1), 0.95),
            ("a.mp3", sweep().mp3(), 0.9),
            ("a.ulaw", sweep().ulaw(), 0.95),
            ("wide.wav", sweep().at_rate(44_100).wav(2), 0.9),
            ("a.aiff", sweep().converted("aiff"), 0.95),
            ("wide.aiff", sweep().at_rate(44_100).converted("aiff"), 0.9),
            ("a.aifc", sweep().converted("aifc"), 0.95),
            ("alaw.wav", sweep().converted("wav-alaw"), 0.95),
            ("ulaw.wav", sweep().converted("wav-ulaw"), 0.95),
            ("24.wav", sweep().converted("wav-24"), 0.95),
            ("float.wav", sweep().converted("wav-float"), 0.95),
        ];
        for (name, content, degree) in files {
            let play = Verb::of("play", &format!("/files/{name}"));
            let app = App::new().file(name, content).page("/answer", [play]);
            let heard = heard(app, alice());
            let found = heard.find(&sweep());
            assert!(found.degree > degree, "{name}: {found:?} {heard:?}");
            assert!(
                (0.8..1.4).contains(&heard.loud_seconds()),
                "{name}: {heard:?}"
            );
        }
    });
}

#[test]
fn a_voice_in_gsm_is_understood() {
    punctually(|| {
        let sentences = [
            "please call my sister tomorrow morning",
            "your order has been sent",
            "the weather is fine today",
        ];
        let spoken = Sound::spoken(sentences[2]);
        let app = App::new()
            .file("a.gsm", spoken.converted("gsm"))
            .page("/answer", [Verb::of("play", "/files/a.gsm")]);
        let heard = heard(app, alice());
        assert_eq!(heard.recognised(&sentences), sentences[2], "{heard:?}");
        // It is a voice in all of its length, and the same one.
        let found = heard.find(&spoken);
        assert!(found.degree > 0.8, "{found:?} {heard:?}");
    });
}

#[test]
fn a_file_is_played_as_often_as_it_is_to_be() {
    punctually(|| {
        let play = Verb::of("play", "/files/a.wav").set("loop", "3");
        let app = App::new().wav("a.wav", &sweep()).page("/answer", [play]);
        let heard = heard(app, alice());
        assert_eq!(heard.find_all(&sweep(), 0.9).len(), 3, "{heard:?}");
    });
}

#[test]
fn verbs_are_heard_in_their_order() {
    punctually(|| {
        let (first, last) = (Sound::tone(8000, 500, 0.6), Sound::tone(8000, 1500, 0.6));
        let app = App::new()
            .wav("first.wav", &first)
            .wav("last.wav", &last)
            .page(
                "/answer",
                [
                    Verb::of("play", "/files/first.wav"),
                    Verb::of("redirect", "/next"),
                ],
            )
            .page(
                "/next",
                [
                    Verb::of("play", "/files/last.wav"),
                    Verb::new("hangup"),
                    Verb::of("play", "/files/first.wav"),
                ],
            );
        let heard = heard(app, alice());
        let half = heard.seconds() / 2.0;
        let (begin, end) = (heard.part(0.0, half), heard.after(half));
        assert!((0.5..0.7).contains(&heard.seconds_of(500)), "{heard:?}");
        assert!((0.5..0.7).contains(&heard.seconds_of(1500)), "{heard:?}");
        assert!(
            begin.seconds_of(500) > 0.4 && end.seconds_of(1500) > 0.4,
            "{heard:?}"
        );
    });
}

#[test]
fn a_pause_is_silence_of_its_length() {
    punctually(|| {
        let app = App::new().wav("a.wav", &Sound::tone(8000, 700, 0.5)).page(
            "/answer",
            [
                Verb::of("play", "/files/a.wav"),
                Verb::new("pause").set("length", "2"),
                Verb::of("play", "/files/a.wav"),
            ],
        );
        // Silence may be sent or not; what counts is that all takes as long as it has to.
        let (hook, _edge, phone) = called(app, alice());
        let heard = phone.is_over();
        let over = SystemTime::now();
        let began = UNIX_EPOCH + Duration::from_secs_f64(hook.wait_for("/answer").at());
        let took = over.duration_since(began).expect("it is over later");
        assert!(took > Duration::from_secs(3), "{took:?} {heard:?}");
        assert!((0.9..1.1).contains(&heard.seconds_of(700)), "{heard:?}");
    });
}

#[test]
fn a_pause_before_anything_else_lets_it_ring() {
    punctually(|| {
        let app = App::new().wav("a.wav", &sweep()).page(
            "/answer",
            [
                Verb::new("pause").set("length", "2"),
                Verb::of("play", "/files/a.wav"),
            ],
        );
        let (_hook, edge) = serving(app);
        let phone = alice().through(edge.public()).start();
        let dialled = Instant::now();
        phone.dial(DEMO);
        phone.wait("CALL_RINGING");
        phone.is_through();
        let rang = dialled.elapsed();
        assert!(rang >= Duration::from_secs(2), "it rang for {rang:?}");
        let heard = phone.is_over();
        assert!((0.8..1.4).contains(&heard.loud_seconds()), "{heard:?}");
        assert!(heard.find(&sweep()).degree > 0.95, "{heard:?}");
    });
}

#[test]
fn keys_are_pressed_for_the_caller() {
    punctually(|| {
        let app = App::new().wav("a.wav", &sweep()).page(
            "/answer",
            [
                Verb::new("play").set("digits", "12w#"),
                Verb::of("play", "/files/a.wav"),
            ],
        );
        let (_hook, _edge, phone) = called(app, alice());
        let heard = phone.is_over();
        let events = phone.events("CALL_DTMF_START");
        let keys: String = events
            .iter()
            .filter_map(|event| event["param"].as_str())
            .collect();
        assert_eq!(keys, "12#", "{events:?}");
        // As events, not as tones: nobody has to guess.
        assert_eq!(heard.digits(), "");
        assert!(heard.find(&sweep()).degree > 0.95, "{heard:?}");
    });
}

#[test]
fn a_missing_file_goes_to_the_fallback() {
    punctually(|| {
        let app = App::new()
            .wav("a.wav", &sweep())
            .page("/answer", [Verb::of("play", "/files/none.wav")])
            .page("/fallback", [Verb::of("play", "/files/a.wav")]);
        let (hook, edge) = serving_with(app, |config, hook| {
            let fallback = format!("fallback_url = {:?}", hook.url("fallback"));
            config.domain_with("other.test", &hook.url("answer"), &fallback)
        });
        let phone = alice().through(edge.public()).start();
        phone.calls("sip:bob@other.test");
        let heard = phone.is_over();
        assert!(heard.find(&sweep()).degree > 0.95, "{heard:?}");
        let hit = hook.wait_for("/fallback");
        assert_eq!(hit.param("ErrorUrl"), hook.url("files/none.wav"));
        assert!(hit.param("ErrorCode").starts_with("11"), "{hit:?}");
    });
}

#[test]
fn every_coding_carries_it() {
    punctually(|| {
        for (coding, rate) in Coding::ALL {
            let app = App::new()
                .wav("a.wav", &sweep())
                .page("/answer", [Verb::of("play", "/files/a.wav")]);
            let heard = heard(app, alice().coding(coding));
            let found = heard.at_rate(8000).find(&sweep());
            assert_eq!(heard.rate, rate);
            assert!(found.degree > 0.85, "{coding:?} {found:?} {heard:?}");
        }
    });
}

#[test]
fn secrets_are_agreed_on() {
    punctually(|| {
        let app = App::new()
            .wav("a.wav", &sweep())
            .page("/answer", [Verb::of("play", "/files/a.wav")]);
        let (_hook, _edge, phone) = called(app, alice().secret());
        let heard = phone.is_over();
        assert!(
            phone.output().contains("SRTP is Enabled"),
            "{}",
            phone.output()
        );
        assert!(heard.find(&sweep()).degree > 0.95, "{heard:?}");
    });
}

#[test]
fn a_caller_may_hold_and_come_back() {
    punctually(|| {
        let app = App::new()
            .wav("hum.wav", &Sound::tone(8000, 700, 60.0))
            .page("/answer", [Verb::of("play", "/files/hum.wav")]);
        let (_hook, edge) = serving(app);
        let (peer, ear) = (Peer::bind(), Ear::open());
        let offer = |direction: &str| sdp(ear.address()) + &format!("a={direction}\r\n");
        let invite = Draft::new("INVITE", DEMO, &peer).body(&offer("sendrecv"));
        peer.send(edge.public(), invite.text());
        let answer = peer.response(200);
        peer.send(edge.public(), invite.within("ACK", 1, &answer).text());
        // The file has to be fetched and read first.
        assert!(ear.flows(), "no sound");
        for (cseq, direction, answered) in [
            (2, "sendonly", "recvonly"),
            (3, "sendrecv", "sendrecv"),
            (4, "inactive", "inactive"),
            (5, "sendrecv", "sendrecv"),
        ] {
            let again = invite
                .within("INVITE", cseq, &answer)
                .body(&offer(direction));
            peer.send(edge.public(), again.text());
            let agreed = peer.response(200);
            peer.send(edge.public(), invite.within("ACK", cseq, &answer).text());
            let is_agreed = agreed.body.contains(&format!("a={answered}"));
            assert!(
                is_agreed || answered == "sendrecv" && !agreed.body.contains("a=inactive"),
                "{}",
                agreed.body
            );
            if direction == "sendrecv" {
                assert!(ear.flows(), "{direction}: no sound");
            } else {
                assert!(ear.rests(), "{direction}: sound goes on");
            }
        }
        peer.send(edge.public(), invite.within("BYE", 6, &answer).text());
        peer.response(200);
    });
}

/// How long may take what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A socket that counts packets.
struct Ear(UdpSocket);

impl Ear {
    fn open() -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", loadtest::free_port())).expect("a free port");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a timeout");
        Self(socket)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// Whether more comes than can have been on its way.
    fn flows(&self) -> bool {
        let until = Instant::now() + PATIENCE;
        let mut count = 0;
        while count <= 60 && Instant::now() < until {
            count += self.packets(Duration::from_millis(100));
        }
        count > 60
    }

    /// Whether a second passes in which nothing comes.
    fn rests(&self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.packets(Duration::from_secs(1)) == 0 {
                return true;
            }
        }
        false
    }

    fn packets(&self, within: Duration) -> usize {
        let until = Instant::now() + within;
        let mut buffer = [0; 2048];
        let mut count = 0;
        while Instant::now() < until {
            count += usize::from(self.0.recv(&mut buffer).is_ok());
        }
        count
    }
}
