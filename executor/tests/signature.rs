//! The vectors of `X-Twilio-Signature` that the official libraries are tested with.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use executor::Secret;
use executor::webhook::{sign, sign_body_hash};

const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

fn form() -> Vec<(String, String)> {
    pairs(&[
        ("CallSid", "CA1234567890ABCDE"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
        ("Caller", "+14158675309"),
    ])
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn token() -> Secret {
    Secret::new("12345")
}

#[test]
fn acceptance_13_forms() {
    for (url, signature) in [
        (URL.to_owned(), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (
            URL.replace(".com/", ".com:443/"),
            "kvajT1Ptam85bY51eRf/AJRuM3w=",
        ),
        (URL.replace("https", "http"), "OyGYPqTF6ztdbRNCvuQO/oPvqQ4="),
        (
            URL.replace("https", "http").replace(".com/", ".com:80/"),
            "0ZXoZLH/DfblKGATFgpif+LLRf4=",
        ),
        (
            URL.replace("https", "http").replace(".com/", ".com:1234/"),
            "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
        ),
    ] {
        assert_eq!(sign(&token(), &url, &form()), signature, "{url}");
    }
}

#[test]
fn acceptance_13_get_signs_the_url_only() {
    assert_eq!(sign(&token(), URL, &[]), "zYQTYrRWXE7LtzbG4PfP7/bkkGo=");
}

#[test]
fn acceptance_13_repeated_names_count_each_value_once() {
    let form = pairs(&[
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ]);
    assert_eq!(sign(&token(), URL, &form), "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
}

#[test]
fn acceptance_13_a_body_that_is_no_form_is_signed_by_its_hash() {
    let url = sign_body_hash(URL, b"{\"property\": \"value\", \"boolean\": true}");
    assert!(
        url.ends_with(
            "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
        )
    );
    assert_eq!(sign(&token(), &url, &[]), "a9nBmqA0ju/hNViExpshrM61xv4=");
}

#[test]
fn a_secret_is_not_shown() {
    assert!(!format!("{:?}", token()).contains("12345"));
}
