//! `<Record>`: what was said is in the file, and everybody who has to know is told.

use std::time::Duration;

use loadtest::hear::{Sound, channels};
use loadtest::{
    AUTH_TOKEN, App, Edge, Handset, Hit, Setup, Verb, Webhook, fetch, script, serving, serving_with,
};
use punctual::punctually;

const DEMO: &str = "sip:bob@demo.test";

fn record(attributes: &[(&str, &str)]) -> Verb {
    let record = Verb::new("record")
        .set("action", "/recorded")
        .set("recording_status_callback", "/tape");
    attributes
        .iter()
        .fold(record, |record, (name, value)| record.set(name, value))
}

/// A document that records like that, and plays a tone of 1500 Hz where it goes on behind it.
fn recording(record: Verb) -> App {
    App::new()
        .wav("on.wav", &Sound::tone(8000, 1500, 0.6))
        .wav("thanks.wav", &Sound::tone(8000, 900, 0.6))
        .page("/answer", [record, Verb::of("play", "/files/on.wav")])
        .page("/recorded", [Verb::of("play", "/files/thanks.wav")])
}

fn sweep() -> Sound {
    Sound::sweep(8000, 400.0, 2800.0, 1.0)
}

/// A telephone that says this, and then nothing.
fn called(app: App, says: &Sound) -> (Webhook, Edge, Handset) {
    let (hook, edge) = serving(app);
    let phone = Setup::new("alice")
        .saying(says)
        .through(edge.public())
        .start();
    phone.calls(DEMO);
    (hook, edge, phone)
}

/// When the recording has surely begun.
fn once(sound: &Sound) -> Sound {
    Sound::silence(8000, 1.5).then(sound)
}

/// The same and again, since a telephone may be held up while it says something.
fn later(sound: &Sound) -> Sound {
    let one = sound.clone().padded(sound.seconds() + 0.5);
    once(&one.times(4))
}

/// How long all of it takes, and a second more.
const SAID: Duration = Duration::from_millis(8500);

fn path(hook: &Webhook, path: &str) -> Hit {
    hook.wait_until(path, |hit| hit.path() == path)
}

/// The file behind a URL, which may be there a moment later than the URL is told.
fn file(url: &str) -> Vec<u8> {
    for _ in 0..200 {
        if let Some(answer) = fetch(url).filter(|answer| answer.status == 200) {
            return answer.bytes;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{url}: {:?}", fetch(url));
}

fn tape(url: &str) -> Sound {
    let found = channels(&file(url)).expect("a WAV file");
    assert_eq!(found.len(), 1);
    found.into_iter().next().expect("a channel")
}

fn seconds(hit: &Hit) -> f64 {
    hit.param("RecordingDuration").parse().expect("a number")
}

#[test]
fn what_is_said_is_recorded_until_it_is_quiet() {
    punctually(|| {
        let (hook, _edge, phone) = called(recording(record(&[("timeout", "4")])), &later(&sweep()));
        let hit = path(&hook, "/recorded");
        let url = hit.param("RecordingUrl");
        let sound = tape(url);
        let found = sound.find(&sweep());
        assert!(found.degree > 0.95, "{found:?} {sound:?}");
        assert!(
            (sound.seconds() - seconds(&hit)).abs() < 1.0,
            "{hit:?} {sound:?}"
        );
        assert!(hit.param("RecordingSid").starts_with("RE"));
        assert!(url.contains(hit.param("RecordingSid")), "{url}");
        // Before it there is a beep, and behind it what the action says.
        let heard = phone.is_over();
        let (from, to) = heard.stretches(Duration::from_millis(100))[0];
        let beep = heard.part(from, to);
        assert!(
            beep.seconds() > 0.1 && beep.seconds_of(900) < 0.1,
            "{heard:?}"
        );
        assert!(
            heard.seconds_of(900) > 0.4 && heard.seconds_of(1500) < 0.1,
            "{heard:?}"
        );
        hook.all_signed();
    });
}

#[test]
fn the_callback_tells_of_the_file() {
    punctually(|| {
        let (hook, _edge, phone) = called(recording(record(&[("timeout", "4")])), &later(&sweep()));
        let hit = path(&hook, "/tape");
        assert_eq!(hit.param("RecordingStatus"), "completed");
        assert_eq!(hit.param("RecordingChannels"), "1");
        assert_eq!(hit.param("RecordingSource"), "RecordVerb");
        assert_eq!(hit.param("RecordingTrack"), "inbound");
        assert!(hit.param("RecordingStartTime").ends_with(" +0000"));
        for name in ["AccountSid", "CallSid", "RecordingSid"] {
            assert_eq!(hit.param(name).len(), 34, "{name}");
        }
        let sound = tape(hit.param("RecordingUrl"));
        assert!(
            (sound.seconds() - seconds(&hit)).abs() < 1.0,
            "{hit:?} {sound:?}"
        );
        phone.is_over();
        hook.all_signed();
    });
}

#[test]
fn the_file_is_there_as_mp3_too() {
    punctually(|| {
        let (hook, _edge, phone) = called(recording(record(&[("timeout", "4")])), &later(&sweep()));
        let hit = path(&hook, "/recorded");
        let sounds = Sound::of_mp3(&file(&format!("{}.mp3", hit.param("RecordingUrl"))));
        let found = sounds[0].at_rate(8000).find(&sweep());
        assert!(found.degree > 0.9, "{found:?} {:?}", sounds[0]);
        phone.is_over();
    });
}

#[test]
fn a_key_ends_it() {
    punctually(|| {
        let attributes = [
            ("finish_on_key", "5#"),
            ("play_beep", "false"),
            ("timeout", "20"),
        ];
        let (hook, _edge, phone) = called(recording(record(&attributes)), &later(&sweep()));
        std::thread::sleep(SAID);
        assert!(
            phone.heard().loud_seconds() < 0.1,
            "a beep: {:?}",
            phone.heard()
        );
        phone.keys("15");
        let hit = path(&hook, "/recorded");
        assert_eq!(hit.param("Digits"), "5");
        assert!(tape(hit.param("RecordingUrl")).find(&sweep()).degree > 0.95);
    });
}

#[test]
fn it_is_no_longer_than_it_may_be() {
    punctually(|| {
        let hum = Sound::tone(8000, 700, 60.0);
        let (hook, _edge, phone) = called(recording(record(&[("max_length", "3")])), &hum);
        let hit = path(&hook, "/recorded");
        assert_eq!(hit.param("RecordingDuration"), "3");
        let sound = tape(hit.param("RecordingUrl"));
        assert!((2.6..3.4).contains(&sound.seconds()), "{sound:?}");
        assert!(sound.seconds_of(700) > 2.0, "{sound:?}");
        phone.is_over();
    });
}

#[test]
fn the_caller_hangs_up() {
    punctually(|| {
        let (hook, _edge, phone) =
            called(recording(record(&[("timeout", "20")])), &later(&sweep()));
        std::thread::sleep(SAID);
        phone.hang_up();
        let hit = path(&hook, "/recorded");
        assert_eq!(hit.param("Digits"), "hangup");
        assert_eq!(hit.param("CallStatus"), "completed");
        assert!(tape(hit.param("RecordingUrl")).find(&sweep()).degree > 0.95);
        assert_eq!(path(&hook, "/tape").param("RecordingStatus"), "completed");
    });
}

#[test]
fn nothing_is_said() {
    punctually(|| {
        let (hook, _edge, phone) = called(
            recording(record(&[("timeout", "2")])),
            &Sound::silence(8000, 1.0),
        );
        let heard = phone.is_over();
        assert!(heard.seconds_of(1500) > 0.4, "{heard:?}");
        assert!(hook.hits().iter().all(|hit| hit.path() != "/recorded"));
    });
}

#[test]
fn silence_at_both_ends_is_cut_off_unless_it_is_to_stay() {
    punctually(|| {
        let mut lengths = Vec::new();
        for trim in ["trim-silence", "do-not-trim"] {
            let app = recording(record(&[("timeout", "6"), ("trim", trim)]));
            let (hook, _edge, _phone) =
                called(app, &Sound::silence(8000, 1.5).then(&later(&sweep())));
            let sound = tape(path(&hook, "/recorded").param("RecordingUrl"));
            assert!(sound.find(&sweep()).degree > 0.9, "{trim} {sound:?}");
            lengths.push(sound.seconds());
        }
        assert!(lengths[0] < lengths[1] - 1.5, "{lengths:?}");
    });
}

/// What the transcription of a recording says of itself, beside its text.
fn is_transcription(text: &Hit, recorded: &Hit) {
    assert_eq!(text.method(), "POST");
    assert!(text.is_valid(), "the validator refuses {text:?}");
    let sid = text.param("TranscriptionSid");
    assert!(sid.starts_with("TR") && sid.len() == 34, "{sid}");
    for name in [
        "RecordingSid",
        "RecordingUrl",
        "CallSid",
        "AccountSid",
        "From",
        "To",
    ] {
        assert_eq!(text.param(name), recorded.param(name), "{name}");
    }
    for (name, value) in [("ApiVersion", "2010-04-01"), ("Direction", "inbound")] {
        assert_eq!(text.param(name), value, "{name}");
    }
}

#[test]
fn what_is_said_is_told_as_text() {
    punctually(|| {
        let said = "i want to order a large house and i want to order a large car";
        let attributes = [("timeout", "4"), ("transcribe_callback", "/text")];
        let speech = once(&Sound::spoken(said));
        let (hook, _edge, phone) = called(recording(record(&attributes)), &speech);
        let recorded = path(&hook, "/recorded");
        let text = path(&hook, "/text");
        is_transcription(&text, &recorded);
        assert_eq!(text.param("TranscriptionStatus"), "completed");
        let words = text.param("TranscriptionText");
        // A dictation by telephone: not all of the words, but more than chance would give.
        let is_said = |heard: &&str| said.split(' ').any(|word| word == *heard);
        assert!(words.split(' ').filter(is_said).count() >= 5, "{words}");
        assert!(
            words.contains("order") || words.contains("large"),
            "{words}"
        );
        phone.is_over();
        hook.all_signed();
    });
}

#[test]
fn a_word_is_too_short_to_be_told_as_text() {
    punctually(|| {
        let attributes = [("timeout", "4"), ("transcribe_callback", "/text")];
        let short = once(&Sound::sweep(8000, 400.0, 2800.0, 0.8));
        let (hook, _edge, phone) = called(recording(record(&attributes)), &short);
        let recorded = path(&hook, "/recorded");
        assert!(seconds(&recorded) < 2.0, "{recorded:?}");
        let text = path(&hook, "/text");
        is_transcription(&text, &recorded);
        assert_eq!(text.param("TranscriptionStatus"), "failed");
        assert_eq!(text.param("TranscriptionText"), "");
        phone.is_over();
    });
}

#[test]
fn a_recognizer_that_is_not_there_is_told_as_a_failure() {
    punctually(|| {
        let attributes = [("timeout", "4"), ("transcribe_callback", "/text")];
        let (hook, edge) = serving_with(recording(record(&attributes)), |config, _| {
            config.executor_keys("stt = \"/nonexistent/recognizer\"")
        });
        let phone = Setup::new("alice")
            .saying(&once(&Sound::sweep(8000, 400.0, 2800.0, 3.0)))
            .through(edge.public())
            .start();
        phone.calls(DEMO);
        let recorded = path(&hook, "/recorded");
        let text = path(&hook, "/text");
        is_transcription(&text, &recorded);
        assert_eq!(text.param("TranscriptionStatus"), "failed");
        assert!(edge.logs("90112"), "{}", edge.log());
        let log = edge.log();
        assert!(log.contains("`stt` of [executor]"), "{log}");
        // The call has gone on without it.
        assert!(phone.is_over().seconds_of(900) > 0.4);
        hook.all_signed();
    });
}

#[test]
fn the_official_library_lists_them() {
    punctually(|| {
        let short = [("max_length", "2"), ("trim", "do-not-trim")];
        let app = App::new()
            .page("/answer", [record(&short).set("action", "/second")])
            .page("/second", [record(&short).set("action", "/third")])
            .page("/third", [record(&short)])
            .page("/recorded", []);
        let (hook, _edge, phone) = called(app, &Sound::tone(8000, 700, 60.0));
        let hit = path(&hook, "/recorded");
        phone.is_over();
        let url = hit.param("RecordingUrl");
        let (base, _) = url.split_once("/2010-04-01").expect("a URL");
        let (account, call) = (hit.param("AccountSid"), hit.param("CallSid"));
        let listed = |call: &str| script("recordings.py", &[base, account, AUTH_TOKEN, call]);
        let told = listed(call);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        let newest = format!(
            "{} {call} completed 2 1 RecordVerb",
            hit.param("RecordingSid")
        );
        assert_eq!(lines[0], newest, "{told}");
        let all = script("recordings.py", &[base, account, AUTH_TOKEN]);
        assert_eq!(all, told);
        assert_eq!(listed(&format!("CA{}", "0".repeat(32))), "");
    });
}
