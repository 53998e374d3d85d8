//! The list of an account's recordings, over HTTP.

use std::collections::HashSet;

use executor::sound::recordings::{NewRecording, Recordings, RecordingsConfig};
use executor::{Sid, SidKind};
use serde_json::Value;

use crate::recording::{Folder, Serving, basic, begin, new, owner, record};

fn list() -> String {
    format!("/2010-04-01/Accounts/{}/Recordings.json", new().account)
}

/// What the account itself gets.
async fn listed(serving: &Serving, target: &str) -> Value {
    let owner = owner();
    let answer = serving
        .ask("GET", target, &[("Authorization", &owner)])
        .await;
    assert_eq!(answer.status, 200, "{target}");
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_slice(&answer.body).unwrap()
}

fn sids(page: &Value) -> Vec<String> {
    let recordings = page["recordings"].as_array().unwrap();
    let sid = |recording: &Value| recording["sid"].as_str().unwrap().to_owned();
    recordings.iter().map(sid).collect()
}

#[tokio::test]
async fn an_account_gets_its_recordings_in_pages() {
    let folder = Folder::new("list");
    let recordings = Recordings::open(folder.config()).unwrap();
    let serving = Serving::start(&recordings);
    assert_eq!(sids(&listed(&serving, &list()).await), Vec::<String>::new());
    let mut made: Vec<String> = (0..6).map(|_| record(&recordings).to_string()).collect();
    made.push(begin(&recordings).sid.to_string());
    made.reverse();
    let whole = listed(&serving, &list()).await;
    assert_eq!(sids(&whole), made);
    assert_eq!(whole["next_page_uri"], Value::Null);
    assert_eq!(whole["recordings"][0]["status"], "in-progress");
    // Each of them says of itself what its own description says.
    let one = whole["recordings"][1]["uri"].as_str().unwrap();
    assert_eq!(listed(&serving, one).await, whole["recordings"][1]);

    let mut next = Some(format!("{}?PageSize=3", list()));
    let mut pages = Vec::new();
    while let Some(target) = next {
        let page = listed(&serving, &target).await;
        pages.push(sids(&page));
        if pages.len() == 1 {
            // What comes and goes meanwhile moves nothing.
            record(&recordings);
            let gone: Sid = made[2].parse().unwrap();
            assert!(recordings.discard(gone));
        }
        next = page["next_page_uri"].as_str().map(str::to_owned);
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(pages.concat(), made);
    // Seven are left, one of them without a sound.
    while folder.files() > 13 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_recordings_of_a_call() {
    let folder = Folder::new("list-call");
    let recordings = Recordings::open(folder.config()).unwrap();
    let serving = Serving::start(&recordings);
    let call = Sid::new(SidKind::Call, [9; 16]);
    let of_call = NewRecording { call, ..new() };
    // More of others than are looked at at once.
    let mut of_it = HashSet::new();
    for number in 0..600 {
        let new = if number % 200 == 0 { of_call } else { new() };
        let begun = recordings.begin(new).unwrap();
        if number % 200 == 0 {
            of_it.insert(begun.sid.to_string());
        }
    }
    let target = format!("{}?CallSid={call}&PageSize=2", list());
    let first = listed(&serving, &target).await;
    let second = listed(&serving, first["next_page_uri"].as_str().unwrap()).await;
    assert_eq!(second["next_page_uri"], Value::Null);
    let both = [sids(&first), sids(&second)];
    assert_eq!(both.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(both.concat().into_iter().collect::<HashSet<_>>(), of_it);
    let largest = listed(&serving, &format!("{}?PageSize=1000000", list())).await;
    assert_eq!(largest["page_size"], 1000);
    assert_eq!(sids(&largest).len(), 600);
}

#[tokio::test]
async fn a_list_always_wants_the_token() {
    for authenticate in [false, true] {
        let folder = Folder::new("list-token");
        let recordings = Recordings::open(RecordingsConfig {
            authenticate,
            ..folder.config()
        })
        .unwrap();
        let serving = Serving::start(&recordings);
        record(&recordings);
        let account = new().account.to_string();
        let other = Sid::derive(SidKind::Account, "other.example");
        let open = Sid::derive(SidKind::Account, "open.example");
        let wrong = [
            None,
            Some(basic(&account, "54321")),
            Some(basic(&account, "")),
            Some(basic(&other.to_string(), "54321")),
            Some("Basic ???".to_owned()),
        ];
        for credentials in wrong {
            let headers: Vec<_> = credentials
                .iter()
                .map(|it| ("Authorization", it.as_str()))
                .collect();
            for method in ["GET", "HEAD"] {
                let refused = serving.ask(method, &list(), &headers).await;
                assert_eq!(refused.status, 401, "{method} {headers:?}");
                assert!(refused.header("www-authenticate").starts_with("Basic "));
                assert!(!String::from_utf8_lossy(&refused.body).contains("RE"));
            }
        }
        // Another account's list is its own, and empty; one without a token has nobody who knows it.
        let theirs = format!("/2010-04-01/Accounts/{other}/Recordings.json");
        let known = basic(&other.to_string(), "54321");
        let empty = serving
            .ask("GET", &theirs, &[("Authorization", &known)])
            .await;
        let empty: Value = serde_json::from_slice(&empty.body).unwrap();
        assert_eq!(sids(&empty), Vec::<String>::new());
        let nobodys = format!("/2010-04-01/Accounts/{open}/Recordings.json");
        let nothing = basic(&open.to_string(), "");
        let refused = serving
            .ask("GET", &nobodys, &[("Authorization", &nothing)])
            .await;
        assert_eq!(refused.status, 401);
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let folder = Folder::new("list-odd");
    let recordings = Recordings::open(folder.config()).unwrap();
    let serving = Serving::start(&recordings);
    record(&recordings);
    let owner = owner();
    let headers = [("Authorization", owner.as_str())];
    for query in [
        "PageSize=0",
        "PageToken=%00",
        "DateCreated%3E=2026-01-01",
        "a",
    ] {
        let target = format!("{}?{query}", list());
        let refused = serving.ask("GET", &target, &headers).await;
        assert_eq!(refused.status, 400, "{query}");
    }
    for method in ["DELETE", "POST", "PUT"] {
        let refused = serving.ask(method, &list(), &headers).await;
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.header("allow"), "GET, HEAD");
    }
    assert_eq!(recordings.count(), 1);
    let head = serving.ask("HEAD", &list(), &headers).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_ne!(head.header("content-length"), "0");
}
