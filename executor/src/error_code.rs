//! The public numbers of what can go wrong, as customers know them from their provider's logs.
//!
//! Numbers from 90100 up are this product's own, for what has no public number.

use std::fmt;

/// A numbered error or warning.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ErrorCode(u32);

/// How much of what a document wants is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// It is not done: there is no document to run, and the fallback URL is asked, or somebody is
    /// not called.
    Error,
    /// The call goes on with less: a default holds, something is skipped, or what failed was
    /// beside the call.
    Warning,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal $level:ident $summary:literal;)*) => {
        impl ErrorCode {
            $(#[doc = $summary] pub const $name: Self = Self($number);)*

            /// Every code that this version can report.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What the code means, in a few words.
            pub fn summary(self) -> &'static str {
                match self.0 { $($number => $summary,)* _ => "unknown code" }
            }

            /// How much is lost with it.
            pub fn level(self) -> Level {
                match self.0 { $($number => Level::$level,)* _ => Level::Error }
            }
        }
    };
}

codes! {
    INVALID_URL = 11100 Error "Invalid URL.";
    HTTP_RETRIEVAL = 11200 Error "HTTP retrieval failure.";
    CONNECT_TIMEOUT = 11201 Error "TCP connection timed out.";
    CONNECT_REFUSED = 11202 Error "TCP connection refused.";
    TOTAL_TIMEOUT = 11203 Error "HTTP request timed out.";
    CONNECTION_FAILURE = 11205 Error "HTTP connection failure.";
    PROTOCOL_VIOLATION = 11206 Error "HTTP protocol violation.";
    BAD_HOST = 11210 Error "HTTP bad host name.";
    TOO_MANY_REDIRECTS = 11215 Error "HTTP too many redirects.";
    INVALID_REDIRECT = 11216 Error "HTTP invalid redirect.";
    TLS_HANDSHAKE = 11220 Error "TLS handshake error.";
    CERTIFICATE_NAME = 11235 Error "Certificate is for another host name.";
    CERTIFICATE_EXPIRED = 11236 Error "Certificate is outside its validity.";
    CERTIFICATE_UNTRUSTED = 11237 Error "Certificate is not trusted.";
    OVERRIDE_KEY = 11240 Warning "Unknown connection override or edge.";
    OVERRIDE_VALUE = 11241 Warning "Invalid value of a connection override.";
    OVERRIDE_RANGE = 11242 Warning "Value of a connection override is out of range, or not to be had.";
    OVERRIDE_RETRY_POLICY = 11243 Warning "Invalid retry policy in a connection override.";
    BODY_TOO_LARGE = 11750 Error "Response body is too large.";
    BODY_EMPTY = 11770 Error "Response body is empty.";
    XML_PARSE = 12100 Error "Document parse failure.";
    ROOT_NOT_RESPONSE = 12102 Error "Root element is not <Response>.";
    SCHEMA = 12200 Warning "Schema validation warning.";
    CONTENT_TYPE = 12300 Error "Invalid Content-Type.";
    INTERNAL = 12400 Error "Internal failure.";
    DIAL_CONFERENCE_MIXED = 13000 Error "<Conference> mixed with other nouns of <Dial>.";
    DIAL_WHILE_SCREENING = 13201 Error "<Dial> inside a screening document.";
    DIAL_METHOD = 13210 Warning "<Dial> invalid method.";
    DIAL_TIMEOUT = 13212 Warning "<Dial> invalid timeout.";
    DIAL_HANGUP_ON_STAR = 13213 Warning "<Dial> invalid hangupOnStar.";
    DIAL_CALLER_ID = 13214 Warning "<Dial> invalid callerId.";
    DIAL_NESTED = 13215 Warning "<Dial> invalid nested element.";
    DIAL_TIME_LIMIT = 13216 Warning "<Dial> invalid timeLimit.";
    DIAL_RECORD = 13217 Warning "<Dial> invalid record.";
    DIAL_SEQUENTIAL = 13218 Warning "<Dial> invalid sequential.";
    DIAL_ANSWER_ON_BRIDGE = 13219 Warning "<Dial> invalid answerOnBridge.";
    DIAL_RING_TONE = 13220 Warning "<Dial> invalid ringTone.";
    NUMBER_METHOD = 13221 Warning "<Number> invalid method.";
    NUMBER_SEND_DIGITS = 13222 Warning "<Number> invalid sendDigits.";
    NUMBER_FORMAT = 13223 Error "<Dial> invalid phone number format.";
    CONFERENCE_MUTED = 13230 Warning "<Conference> invalid muted.";
    CONFERENCE_END = 13231 Warning "<Conference> invalid endConferenceOnExit.";
    CONFERENCE_START = 13232 Warning "<Conference> invalid startConferenceOnEnter.";
    CONFERENCE_WAIT_URL = 13233 Warning "<Conference> invalid waitUrl.";
    CONFERENCE_WAIT_METHOD = 13234 Warning "<Conference> invalid waitMethod.";
    CONFERENCE_BEEP = 13235 Warning "<Conference> invalid beep.";
    CONFERENCE_NAME = 13237 Warning "<Conference> invalid name.";
    CONFERENCE_WAIT_VERB = 13238 Warning "Verb that is not allowed in a document to wait with.";
    CONFERENCE_TRIM = 13239 Warning "<Conference> invalid trim.";
    CONFERENCE_COACH = 13240 Warning "<Conference> invalid coach.";
    SIP_METHOD = 13241 Warning "<Sip> invalid method.";
    SIP_URI = 13243 Error "<Sip> invalid URI.";
    SIP_CALLER_ID = 13247 Warning "<Sip> invalid callerId.";
    SIP_CALLER_ID_LONG = 13248 Warning "<Sip> callerId is too long.";
    SIP_CREDENTIALS = 13249 Warning "<Sip> invalid username or password.";
    SIP_URIS_MANY = 13250 Warning "<Dial> has too many nouns.";
    SIP_HEADER_NAME = 13252 Warning "<Sip> invalid header name.";
    SIP_HEADER_LONG = 13253 Warning "<Sip> header is too long or has an illegal value.";
    CALLBACK_URL = 13256 Warning "Invalid URL of a status callback.";
    TRANSCRIBE_CALLBACK = 13257 Warning "<Record> invalid transcribeCallback.";
    GATHER_FINISH_ON_KEY = 13310 Warning "<Gather> invalid finishOnKey.";
    GATHER_METHOD = 13312 Warning "<Gather> invalid method.";
    GATHER_TIMEOUT = 13313 Warning "<Gather> invalid timeout.";
    GATHER_NUM_DIGITS = 13314 Warning "<Gather> invalid numDigits.";
    GATHER_NESTED = 13320 Warning "<Gather> invalid nested verb.";
    GATHER_INPUT = 13326 Warning "<Gather> invalid input.";
    GATHER_SPEECH_TIMEOUT = 13327 Warning "<Gather> invalid speechTimeout.";
    GATHER_MAX_SPEECH_TIME = 13328 Warning "<Gather> invalid maxSpeechTime.";
    GATHER_PARTIAL_METHOD = 13329 Warning "<Gather> invalid partialResultCallbackMethod.";
    GATHER_HINTS = 13330 Warning "<Gather> invalid hints.";
    GATHER_LANGUAGE = 13331 Warning "<Gather> invalid language.";
    GATHER_BARGE_IN = 13332 Warning "<Gather> invalid bargeIn.";
    GATHER_PROFANITY_FILTER = 13333 Warning "<Gather> invalid profanityFilter.";
    GATHER_SPEECH_MODEL = 13334 Warning "<Gather> invalid speechModel.";
    GATHER_SPEECH_TIMEOUT_AUTO = 13335 Warning "<Gather> speechTimeout auto with a speechModel.";
    GATHER_ACTION_ON_EMPTY_RESULT = 13338 Warning "<Gather> invalid actionOnEmptyResult.";
    PLAY_LOOP = 13410 Warning "<Play> invalid loop.";
    PLAY_CONTENT_TYPE = 13420 Warning "<Play> invalid content.";
    PLAY_DIGITS = 13430 Warning "<Play> invalid digits.";
    SAY_LOOP = 13510 Warning "<Say> invalid loop.";
    SAY_VOICE = 13511 Warning "<Say> invalid voice.";
    SAY_LANGUAGE = 13512 Warning "<Say> invalid language.";
    SAY_TEXT = 13520 Warning "<Say> invalid text.";
    SAY_TEXT_LONG = 13521 Warning "<Say> text is too long.";
    RECORD_METHOD = 13610 Warning "<Record> invalid method.";
    RECORD_TIMEOUT = 13611 Warning "<Record> invalid timeout.";
    RECORD_MAX_LENGTH = 13612 Warning "<Record> invalid maxLength.";
    RECORD_FINISH_ON_KEY = 13613 Warning "<Record> invalid finishOnKey.";
    RECORD_TRANSCRIBE = 13614 Warning "<Record> invalid transcribe.";
    RECORD_TRANSCRIBE_LENGTH = 13615 Warning "<Record> maxLength is too long for a transcription.";
    RECORD_PLAY_BEEP = 13616 Warning "<Record> invalid playBeep.";
    TRANSCRIPTION_LENGTH = 13617 Warning "A recording is too short or too long for a transcription.";
    RECORDING_EVENT = 13621 Warning "Invalid recordingStatusCallbackEvent.";
    RECORDING_TRACK = 13622 Warning "Invalid recordingTrack.";
    RECORD_TRIM = 13699 Warning "Invalid trim.";
    REDIRECT_METHOD = 13710 Warning "<Redirect> invalid method.";
    REFER_NOT_SIP = 13801 Error "<Refer> on a leg that is not SIP.";
    INBOUND_REFER = 13802 Error "REFER from the other side without referUrl.";
    REJECT_REASON = 13810 Warning "<Reject> invalid reason.";
    PAUSE_LENGTH = 13910 Warning "<Pause> invalid length.";
    ENQUEUE_METHOD = 14201 Warning "<Enqueue> invalid method.";
    ENQUEUE_WAIT_URL = 14202 Warning "<Enqueue> invalid waitUrl.";
    ENQUEUE_ACTION = 14203 Warning "<Enqueue> invalid action.";
    ENQUEUE_NAME_SHORT = 14204 Warning "<Enqueue> has no name of a queue.";
    ENQUEUE_NAME_LONG = 14205 Warning "<Enqueue> name of the queue is too long.";
    ENQUEUE_WAIT_METHOD = 14206 Warning "<Enqueue> invalid waitUrlMethod.";
    ENQUEUE_FULL = 14207 Warning "<Enqueue> the queue is full.";
    QUEUE_METHOD = 14210 Warning "<Queue> invalid method.";
    QUEUE_URL = 14211 Warning "<Queue> invalid url.";
    QUEUE_NAME_SHORT = 14212 Warning "<Queue> has no name.";
    QUEUE_NAME_LONG = 14213 Warning "<Queue> name is too long.";
    START_NESTED = 14300 Warning "<Start> or <Stop> invalid nested noun.";
    STATUS_CALLBACK = 15003 Warning "Bad answer to a status callback.";
    CONFERENCE_FULL = 16020 Warning "Conference is full.";
    CONFERENCE_LABEL = 16024 Warning "<Conference> invalid participantLabel.";
    CONFERENCE_LABEL_TAKEN = 16025 Warning "<Conference> participantLabel is in use.";
    SIP_HEADERS_LENGTH = 21227 Error "SIP URI headers have 1024 characters or more.";
    STREAM_ERROR = 31900 Warning "Stream error.";
    STREAM_TIMEOUT = 31901 Warning "Stream connection timed out.";
    STREAM_REFUSED = 31902 Warning "Stream connection refused.";
    STREAM_BROKEN = 31903 Warning "Stream connection broke.";
    STREAM_TLS = 31910 Warning "Stream TLS error.";
    STREAM_HANDSHAKE = 31920 Warning "Stream handshake failed.";
    STREAM_CLOSE = 31921 Warning "Stream was closed improperly.";
    STREAM_URL = 31922 Warning "<Stream> invalid url.";
    STREAM_PROTOCOL = 31924 Warning "Stream WebSocket protocol error.";
    STREAM_TRACK = 31941 Warning "<Stream> invalid track.";
    STREAM_MALFORMED = 31950 Warning "Stream message is malformed.";
    STREAM_MESSAGE = 31951 Warning "Stream message is invalid.";
    CLIENT_PARAMETER_NAME = 90101 Error "<Parameter> name is longer than 32 bytes.";
    CLIENT_PARAMETER_VALUE = 90102 Error "<Parameter> value is longer than 128 bytes.";
    CLIENT_PARAMETERS_MANY = 90103 Error "<Dial> has more than 8 parameters.";
    CLIENT_IDENTITY = 90104 Error "<Client> identity is missing or longer than 256 characters.";
    NOT_SUPPORTED = 90110 Warning "Not supported by this version.";
    STREAM_PARAMETER = 90105 Warning "<Parameter> of <Stream> is not sent.";
    STREAM_NAME = 90106 Warning "<Stream> name is in use.";
    STREAMS_MANY = 90107 Warning "More than 4 tracks of a call are streamed.";
    SOUND = 90111 Warning "Sound could not be recorded.";
    SPEECH = 90112 Warning "Speech could not be recognised.";
    SIPREC_CONNECTOR = 90130 Warning "<Siprec> connectorName is not configured.";
    SIPREC_TRACK = 90131 Warning "<Siprec> invalid track.";
    SIPREC_NAME = 90132 Warning "<Siprec> name is in use.";
    SIPREC_PARAMETER = 90133 Warning "<Parameter> of <Siprec> is not sent.";
    SIPREC_FAILED = 90134 Warning "SIPREC session failed.";
    DOCUMENTS_MANY = 90120 Error "Too many documents in a row without anything to do.";
}

impl ErrorCode {
    /// The number, as in `ErrorCode=11200`.
    pub fn number(self) -> u32 {
        self.0
    }

    /// Whether the code ends the document.
    pub fn is_error(self) -> bool {
        self.level() == Level::Error
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
