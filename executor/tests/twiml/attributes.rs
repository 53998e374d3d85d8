//! Attributes: their defaults, limits and numbers.

use std::time::Duration;

use executor::twiml::{LOOP_MAX, MediaFork, Noun, Prompt, SpeechTimeout, Verb, Wait};

use crate::{codes, in_response, parse};

#[test]
fn a_document_of_all_verbs_is_clean() {
    let (document, warnings) = parse(
        r##"<?xml version="1.0" encoding="UTF-8"?>
        <!-- a comment -->
        <Response>
          <Say voice="woman" language="en-GB" loop="2">Hello <emphasis>you</emphasis>, there</Say>
          <Play loop="0" digits="1w">http://x.test/a.mp3</Play>
          <Pause length="3"/>
          <Gather action="/g" method="GET" timeout="7" finishOnKey="*" numDigits="4"
                  actionOnEmptyResult="true" input="dtmf"><Say>a</Say><Pause/><Play>b</Play></Gather>
          <Record action="/r" timeout="0" finishOnKey="#" maxLength="30" playBeep="false"
                  trim="do-not-trim" transcribe="false"/>
          <Dial action="/d" timeout="10" timeLimit="100" hangupOnStar="true" callerId="client:bob"
                answerOnBridge="true" ringTone="de" sequential="true"><Number sendDigits="1">+1555</Number>
            <Sip username="u" password="p">sip:a@b.test</Sip><Client>carol</Client></Dial>
          <Refer action="/f"><Sip>sip:x@y.test</Sip></Refer>
          <Redirect method="GET">/next</Redirect>
          <Reject reason="busy"/>
          <Hangup/>
        </Response>"##,
    );
    assert_eq!(warnings, Vec::<String>::new());
    let names: Vec<_> = document.steps.iter().map(|step| step.verb.name()).collect();
    assert_eq!(
        names,
        [
            "Say", "Play", "Pause", "Gather", "Record", "Dial", "Refer", "Redirect", "Reject",
            "Hangup"
        ]
    );
    let Verb::Say(say) = &document.steps[0].verb else {
        panic!()
    };
    assert_eq!((say.text.as_str(), say.times), ("Hello you, there", 2));
    assert_eq!(
        say.ssml.as_deref(),
        Some("Hello <emphasis>you</emphasis>, there")
    );
    let Verb::Gather(gather) = &document.steps[3].verb else {
        panic!()
    };
    assert!(matches!(
        gather.prompts[..],
        [Prompt::Say(_), Prompt::Pause(_), Prompt::Play(_)]
    ));
    assert_eq!(
        (gather.finish_on_key, gather.digits_max),
        (Some('*'), Some(4))
    );
    let Verb::Dial(dial) = &document.steps[5].verb else {
        panic!()
    };
    assert!(matches!(
        dial.nouns[..],
        [Noun::Number(_), Noun::Sip(_), Noun::Client(_)]
    ));
    assert_eq!(document.steps[0].location.to_string(), "4:11");
}

#[test]
fn defaults_are_the_documented_ones() {
    let (document, _) = parse("<Response><Gather/><Record/><Dial>100</Dial><Pause/></Response>");
    let Verb::Gather(gather) = &document.steps[0].verb else {
        panic!()
    };
    assert_eq!(
        (
            gather.timeout.as_secs(),
            gather.finish_on_key,
            gather.digits_max
        ),
        (5, Some('#'), None)
    );
    let Verb::Record(record) = &document.steps[1].verb else {
        panic!()
    };
    assert_eq!(
        (record.timeout.as_secs(), record.length_max.as_secs()),
        (5, 3600)
    );
    assert_eq!(record.finish_on_key, "1234567890*#");
    assert!(record.play_beep && record.trim_silence && record.transcription.is_none());
    let Verb::Dial(dial) = &document.steps[2].verb else {
        panic!()
    };
    assert_eq!(
        (dial.timeout.as_secs(), dial.time_limit.as_secs()),
        (30, 14_400)
    );
    assert!(!dial.answer_on_bridge && dial.action.is_none());
    let Verb::Pause(pause) = &document.steps[3].verb else {
        panic!()
    };
    assert_eq!(pause.length.as_secs(), 1);
}

#[test]
fn a_transcription_is_wanted_by_a_word_or_by_its_callback() {
    for (attributes, wanted, callback, seconds) in [
        ("transcribe='true'", true, None, 120),
        ("transcribe='TRUE' maxLength='120'", true, None, 120),
        ("transcribeCallback='/t' maxLength='2'", true, Some("/t"), 2),
        (
            "transcribe='true' transcribeCallback=' /t '",
            true,
            Some("/t"),
            120,
        ),
        ("transcribe='true' transcribeCallback=' '", true, None, 120),
        ("transcribeCallback=''", false, None, 3600),
        (
            "transcribe='false' transcribeCallback='/t'",
            false,
            None,
            3600,
        ),
        ("transcribe='false' maxLength='121'", false, None, 121),
    ] {
        let (document, warnings) = parse(&in_response(&format!("<Record {attributes}/>")));
        assert_eq!(warnings, Vec::<String>::new(), "{attributes}");
        let Verb::Record(record) = &document.steps[0].verb else {
            panic!()
        };
        let found = record.transcription.as_ref();
        assert_eq!(found.is_some(), wanted, "{attributes}");
        let link = found.and_then(|found| found.callback.as_ref());
        assert_eq!(link.map(|link| link.url.as_str()), callback, "{attributes}");
        assert_eq!(record.length_max.as_secs(), seconds, "{attributes}");
    }
}

#[test]
fn attributes_have_their_own_codes() {
    for (verb, code) in [
        (r#"<Say loop="-1">x</Say>"#, 13510),
        ("<Say> </Say>", 13520),
        (r#"<Play loop="x">a</Play>"#, 13410),
        (r#"<Play digits="z">a</Play>"#, 13430),
        ("<Play/>", 13420),
        (r#"<Pause length="0"/>"#, 13910),
        (r#"<Pause length="one"/>"#, 13910),
        (r#"<Gather finishOnKey="12"/>"#, 13310),
        (r#"<Gather method="PUT"/>"#, 13312),
        (r#"<Gather timeout="-1"/>"#, 13313),
        (r#"<Gather numDigits="0"/>"#, 13314),
        ("<Gather><Dial/></Gather>", 13320),
        (r#"<Record method="x"/>"#, 13610),
        (r#"<Record timeout="x"/>"#, 13611),
        (r#"<Record maxLength="1"/>"#, 13612),
        (r#"<Record finishOnKey="x"/>"#, 13613),
        (r#"<Record playBeep="x"/>"#, 13616),
        (r#"<Record trim="x"/>"#, 13699),
        (r#"<Record recordingStatusCallbackEvent="x"/>"#, 13621),
        (r#"<Record transcribe="x"/>"#, 13614),
        (r#"<Record transcribe="true" maxLength="121"/>"#, 13615),
        (
            r#"<Record transcribeCallback="/t" maxLength="3600"/>"#,
            13615,
        ),
        (r#"<Say voice="x">x</Say>"#, 13511),
        (r#"<Say language="x">x</Say>"#, 13512),
        (r#"<Gather input="x"/>"#, 13326),
        (r#"<Gather speechTimeout="0"/>"#, 13327),
        (r#"<Gather maxSpeechTime="61"/>"#, 13328),
        (r#"<Gather partialResultCallbackMethod="x"/>"#, 13329),
        (r#"<Gather language="x"/>"#, 13331),
        (r#"<Gather bargeIn="x"/>"#, 13332),
        (r#"<Gather profanityFilter="x"/>"#, 13333),
        (r#"<Gather speechModel="a b"/>"#, 13334),
        (r#"<Gather speechModel="a" speechTimeout="auto"/>"#, 13335),
        (r#"<Gather actionOnEmptyResult="x"/>"#, 13338),
        (r#"<Dial method="x">100</Dial>"#, 13210),
        (r#"<Dial timeout="4">100</Dial>"#, 13212),
        (r#"<Dial hangupOnStar="x">100</Dial>"#, 13213),
        (r#"<Dial callerId="a b">100</Dial>"#, 13214),
        (r#"<Dial callerId="a b"><Sip>a@b.test</Sip></Dial>"#, 13247),
        ("<Dial><Say>x</Say></Dial>", 13215),
        (r#"<Dial timeLimit="0">100</Dial>"#, 13216),
        (r#"<Dial record="x">100</Dial>"#, 13217),
        (r#"<Dial sequential="x">100</Dial>"#, 13218),
        (r#"<Dial answerOnBridge="x">100</Dial>"#, 13219),
        (r#"<Dial ringTone="x">100</Dial>"#, 13220),
        (r#"<Dial><Number method="x">100</Number></Dial>"#, 13221),
        (r#"<Dial><Number sendDigits="x">100</Number></Dial>"#, 13222),
        ("<Dial>not a number</Dial>", 13223),
        (r#"<Dial><Sip method="x">a@b.test</Sip></Dial>"#, 13241),
        ("<Dial><Sip>http://b.test</Sip></Dial>", 13243),
        ("<Refer><Sip>a b</Sip></Refer>", 13243),
        (r#"<Redirect method="x"/>"#, 13710),
        (r#"<Reject reason="x"/>"#, 13810),
        (
            r#"<Dial><Number machineDetection="Enable">100</Number></Dial>"#,
            12200,
        ),
        (r#"<Dial recordingTrack="x">100</Dial>"#, 13622),
        (r#"<Dial trim="x">100</Dial>"#, 13699),
        (
            r#"<Dial><Conference muted="x">c</Conference></Dial>"#,
            13230,
        ),
        (
            r#"<Dial><Conference endConferenceOnExit="x">c</Conference></Dial>"#,
            13231,
        ),
        (
            r#"<Dial><Conference startConferenceOnEnter="x">c</Conference></Dial>"#,
            13232,
        ),
        (
            r#"<Dial><Conference waitMethod="x">c</Conference></Dial>"#,
            13234,
        ),
        (r#"<Dial><Conference beep="x">c</Conference></Dial>"#, 13235),
        ("<Dial><Conference/></Dial>", 13237),
        (r#"<Dial><Conference trim="x">c</Conference></Dial>"#, 13239),
        (
            r#"<Dial><Conference coach="x">c</Conference></Dial>"#,
            13240,
        ),
        (
            r#"<Dial><Conference participantLabel="a/b">c</Conference></Dial>"#,
            16024,
        ),
        (
            r#"<Dial><Conference maxParticipants="1">c</Conference></Dial>"#,
            12200,
        ),
        (
            r#"<Dial><Conference statusCallbackEvent="x">c</Conference></Dial>"#,
            12200,
        ),
        (r#"<Dial><Queue method="x">q</Queue></Dial>"#, 14210),
        ("<Dial><Queue/></Dial>", 14212),
        (r#"<Dial><Queue reservationSid="W">q</Queue></Dial>"#, 90110),
        (r#"<Enqueue method="x">q</Enqueue>"#, 14201),
        ("<Enqueue/>", 14204),
        (r#"<Enqueue waitUrlMethod="x">q</Enqueue>"#, 14206),
        (r#"<Enqueue maxQueueSize="1001">q</Enqueue>"#, 12200),
        (r#"<Enqueue workflowSid="W">q</Enqueue>"#, 90110),
        (r#"<Start><Stream url="wss://a" track="x"/></Start>"#, 31941),
        ("<Start><Stream/></Start>", 31922),
        ("<Start><Thing/></Start>", 14300),
        (r#"<Start><Siprec track="x"/></Start>"#, 90131),
        ("<Start><Siprec><Parameter/></Siprec></Start>", 90133),
        ("<Stop><Siprec/></Stop>", 12200),
        ("<Start><Transcription/></Start>", 90110),
        ("<Connect><Room/></Connect>", 90110),
        ("<Connect><Say>x</Say></Connect>", 12200),
        ("<Stop><Stream/></Stop>", 12200),
        ("<Leave><Say>x</Say></Leave>", 12200),
        ("<Pay/>", 90110),
    ] {
        assert_eq!(codes(&in_response(verb)).first(), Some(&code), "{verb}");
    }
}

/// What is implemented is not warned about.
#[test]
fn nothing_that_works_is_called_unsupported() {
    let (document, warnings) = parse(
        r#"<Response>
          <Gather input="dtmf speech" speechTimeout="auto" hints="a, b" language="en-GB" bargeIn="false"
                  partialResultCallback="/p" partialResultCallbackMethod="GET" maxSpeechTime="9"
                  profanityFilter="false" enhanced="true" debug="true"/>
          <Record recordingStatusCallback="/r" recordingStatusCallbackMethod="GET"
                  recordingStatusCallbackEvent="in-progress completed absent"
                  transcribe="true" transcribeCallback="/t" maxLength="120"/>
          <Dial record="record-from-ringing-dual" recordingTrack="inbound" trim="trim-silence"
                recordingStatusCallback="/r" referUrl="/refer" referMethod="GET" callReason="x">100</Dial>
          <Dial><Conference>room</Conference></Dial>
          <Dial><Queue url="/w">q</Queue></Dial>
          <Enqueue waitUrl="/wait" action="/q">q</Enqueue>
          <Leave/>
          <Start><Stream url="wss://s.test/" statusCallback="/s"><Parameter name="a" value="b"/></Stream>
                 <Siprec name="r" connectorName="vault" track="both_tracks" statusCallback="/s"
                  statusCallbackMethod="GET"><Parameter name="a" value="b"/></Siprec></Start>
          <Stop><Stream name="x"/><Siprec name="r"/></Stop>
          <Connect action="/c"><Stream url="wss://s.test/"/></Connect>
        </Response>"#,
    );
    assert_eq!(warnings, Vec::<String>::new());
    let names: Vec<_> = document.steps.iter().map(|step| step.verb.name()).collect();
    assert_eq!(
        names,
        [
            "Gather", "Record", "Dial", "Dial", "Dial", "Enqueue", "Leave", "Start", "Stop",
            "Connect"
        ]
    );
}

#[test]
fn say_is_cut_off_at_the_limit_of_its_voice() {
    for (voice, longest) in [("man", 4096), ("Polly.Joanna", 3000), ("woman", 4096)] {
        let say = |length: usize| {
            let text = "a".repeat(length);
            let (document, warnings) =
                parse(&in_response(&format!("<Say voice='{voice}'>{text}</Say>")));
            let Verb::Say(say) = &document.steps[0].verb else {
                panic!()
            };
            (say.text.len(), warnings.len())
        };
        assert_eq!(say(longest), (longest, 0), "{voice}");
        assert_eq!(say(longest + 1), (longest, 1), "{voice}");
    }
    // Google's voices take more, but not more than 4,500 when they are encoded.
    let long = in_response(&format!("<Say voice='Google.x'>{}</Say>", "a".repeat(4501)));
    assert_eq!(codes(&long), [13521]);
    let encoded = in_response(&format!("<Say>{}</Say>", "ä".repeat(751)));
    assert_eq!(codes(&encoded), [13521]);
    let (document, _) = parse(&encoded);
    let Verb::Say(say) = &document.steps[0].verb else {
        panic!()
    };
    assert_eq!(say.text.chars().count(), 750);
}

#[test]
fn loops_are_bounded() {
    let (document, warnings) = parse(
        "<Response><Say loop='0'>x</Say><Play loop='0'>y</Play><Say loop='1001'>x</Say></Response>",
    );
    assert_eq!(warnings.len(), 1);
    let times: Vec<_> = document
        .steps
        .iter()
        .map(|step| match &step.verb {
            Verb::Say(say) => say.times,
            Verb::Play(play) => play.times,
            _ => panic!(),
        })
        .collect();
    assert_eq!(times, [LOOP_MAX, LOOP_MAX, 1]);
}

#[test]
fn speech_timeouts_default_to_the_timeout() {
    let timeout = |attributes: &str| {
        let body = in_response(&format!("<Gather input='speech' {attributes}/>"));
        let Verb::Gather(gather) = parse(&body).0.steps[0].verb.clone() else {
            panic!()
        };
        gather.speech.unwrap().timeout
    };
    let after = |seconds| SpeechTimeout::After(Duration::from_secs(seconds));
    assert_eq!(timeout(""), after(5));
    assert_eq!(timeout("timeout='8'"), after(8));
    assert_eq!(timeout("timeout='0'"), after(1));
    assert_eq!(timeout("timeout='8' speechTimeout='3'"), after(3));
    assert_eq!(timeout("speechTimeout='auto'"), SpeechTimeout::Auto);
    assert_eq!(timeout("speechTimeout='-3'"), after(5));
}

#[test]
fn hints_are_bounded() {
    let hints = |text: &str| {
        let body = in_response(&format!("<Gather input='speech' hints='{text}'/>"));
        let Verb::Gather(gather) = parse(&body).0.steps[0].verb.clone() else {
            panic!()
        };
        (gather.speech.unwrap().hints.len(), codes(&body))
    };
    assert_eq!(hints(" a, b ,,c"), (3, vec![]));
    assert_eq!(hints(&"a,".repeat(500)), (500, vec![]));
    assert_eq!(hints(&"a,".repeat(501)), (500, vec![13330]));
    assert_eq!(hints(&format!("a,{}", "b".repeat(101))), (1, vec![13330]));
}

#[test]
fn waiting_is_music_silence_or_a_document() {
    for (attribute, expected) in [
        ("", Wait::Music),
        ("waitUrl=''", Wait::Silence),
        (
            "waitUrl='/w'",
            Wait::Document(executor::twiml::Link {
                url: "/w".to_owned(),
                ..Default::default()
            }),
        ),
    ] {
        let body = in_response(&format!("<Enqueue {attribute}>q</Enqueue>"));
        let Verb::Enqueue(enqueue) = parse(&body).0.steps[0].verb.clone() else {
            panic!()
        };
        assert_eq!(enqueue.wait, expected, "{attribute}");
    }
}

#[test]
fn names_have_their_lengths() {
    let queue = |length: usize| in_response(&format!("<Enqueue>{}</Enqueue>", "q".repeat(length)));
    assert_eq!(codes(&queue(64)), [0; 0]);
    assert_eq!(codes(&queue(65)), [14205]);
    let dialled = |length: usize| {
        in_response(&format!(
            "<Dial><Queue>{}</Queue></Dial>",
            "q".repeat(length)
        ))
    };
    assert_eq!(codes(&dialled(64)), [0; 0]);
    assert_eq!(codes(&dialled(65)), [14213]);
    let caller = |length: usize| {
        let id = "1".repeat(length);
        in_response(&format!("<Dial callerId='{id}'>100</Dial>"))
    };
    assert_eq!(codes(&caller(254)), [0; 0]);
    assert_eq!(codes(&caller(255)), [13248]);
    let label = |length: usize| {
        let label = "l".repeat(length);
        in_response(&format!(
            "<Dial><Conference participantLabel='{label}'>c</Conference></Dial>"
        ))
    };
    assert_eq!(codes(&label(128)), [0; 0]);
    assert_eq!(codes(&label(129)), [16024]);
}

#[test]
fn parameters_of_a_stream_have_less_than_500_characters() {
    let stream = |value: usize| {
        let value = "v".repeat(value);
        in_response(&format!(
            "<Start><Stream url='wss://s'><Parameter name='n' value='{value}'/></Stream></Start>"
        ))
    };
    assert_eq!(codes(&stream(498)), [0; 0]);
    assert_eq!(codes(&stream(499)), [90105]);
    let Verb::Start(forks) = &parse(&stream(499)).0.steps[0].verb else {
        panic!()
    };
    let [MediaFork::Stream(stream)] = forks.as_slice() else {
        panic!()
    };
    assert_eq!(stream.parameters, []);
    let many = "<Parameter name='n' value='v'/>".repeat(65);
    let many = in_response(&format!(
        "<Start><Stream url='wss://s'>{many}</Stream></Start>"
    ));
    assert_eq!(codes(&many), [90105]);
}

#[test]
fn a_conference_or_a_queue_stands_alone() {
    for (body, fault) in [
        ("<Conference>c</Conference><Number>1</Number>", true),
        ("100<Conference>c</Conference>", true),
        ("<Conference>c</Conference>", false),
    ] {
        let body = in_response(&format!("<Dial>{body}</Dial>"));
        let Verb::Dial(dial) = parse(&body).0.steps[0].verb.clone() else {
            panic!()
        };
        assert_eq!(dial.fault.is_some(), fault, "{body}");
    }
    let body = in_response("<Dial>100<Queue>q</Queue><Number>1</Number></Dial>");
    assert_eq!(codes(&body), [13215]);
    let Verb::Dial(dial) = parse(&body).0.steps[0].verb.clone() else {
        panic!()
    };
    assert!(matches!(dial.nouns[..], [Noun::Queue(_)]));
}
