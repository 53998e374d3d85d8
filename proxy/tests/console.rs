//! The console through its public API: what the log holds, what HTTP answers, over real sockets too.
#![allow(clippy::unwrap_used)] // What fails in a helper of a test fails the test.

#[path = "console/answers.rs"]
mod answers;
#[path = "console/bounds.rs"]
mod bounds;
#[path = "console/secrets.rs"]
mod secrets;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hookswitch::console::{
    About, Access, CallEvent, CallLog, CallLogLimits, Change, ChangeKind, Console, ConsoleApp,
    Example, ExecutorObserver, FilterHook, FilterStep, Info, Level, Peer, Registered,
    Registrations,
};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

const WIDE: CallLogLimits = CallLogLimits {
    calls: 1000,
    events: 64,
    event_bytes: 16 << 10,
    memory_bytes: 32 << 20,
    opened_per_second: u32::MAX,
};

fn peer(port: u16) -> Peer {
    Peer::new(
        sip::Transport::Udp,
        SocketAddr::from(([127, 0, 0, 1], port)),
    )
}

fn invite(extra: &str) -> CallEvent {
    let message = format!(
        "INVITE sip:bob@demo.example SIP/2.0\r\nFrom: <sip:alice@a.example>;tag=1\r\n\
         To: <sip:bob@demo.example>\r\nCSeq: 1 INVITE\r\n{extra}\r\n"
    );
    CallEvent::Received {
        from: peer(5062),
        message: message.into(),
    }
}

fn note(bytes: usize) -> CallEvent {
    CallEvent::Note {
        text: "n".repeat(bytes),
    }
}

fn console(log: &Arc<CallLog>) -> Console {
    let access = Access::new("127.0.0.1:80".parse().unwrap(), None).unwrap();
    Console::new(log.clone(), access)
}

fn get(console: &Console, path: &str) -> (StatusCode, Value) {
    let request = Request::get(path)
        .header("host", "localhost")
        .body(())
        .unwrap();
    let response = console.answer(&request.into_parts().0);
    let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    (response.status(), body)
}

fn ids(list: &Value) -> Vec<u64> {
    list["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["id"].as_u64().unwrap())
        .collect()
}
