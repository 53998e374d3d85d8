//! The nouns of a `<Dial>` as targets.

use crate::ErrorCode;
use crate::twiml::{ClientNoun, Common, Noun};
use crate::webhook::Hook;

use super::{Credentials, Detection, DialTarget, DialTo, LegCallback, Run};

/// The carrier of `<Parameter>`s towards a SIP client: percent-encoded pairs, joined by `&`.
const CLIENT_PARAMETERS: &str = "X-Custom-Parameters";

impl Run {
    /// `None`: the noun stands for nobody who can be called.
    pub(super) fn target(&mut self, noun: &Noun) -> Option<DialTarget> {
        let (to, headers, credentials, send_digits, common) = match noun {
            Noun::Client(client) => {
                let to = DialTo::Client(client.identity.clone());
                (to, client_headers(client), None, None, &client.common)
            }
            Noun::Number(number) => {
                let to = DialTo::Number(number.number.clone());
                (
                    to,
                    Vec::new(),
                    None,
                    number.send_digits.clone(),
                    &number.common,
                )
            }
            Noun::Sip(sip) => {
                let credentials = sip.username.clone().map(|username| Credentials {
                    username,
                    password: sip.password.clone().unwrap_or_default(),
                });
                let to = DialTo::Sip(sip.uri.address.clone());
                (to, sip.uri.headers.clone(), credentials, None, &sip.common)
            }
            Noun::Conference(_) | Noun::Queue(_) => return None,
        };
        let (screening, status_callback) = self.links(common)?;
        let detection = common.machine_detection.as_ref().and_then(|asked| {
            let hook = self.resolve_or_warn(&asked.callback, "amdStatusCallback")?;
            let asked = asked.clone();
            Some(Detection { hook, asked })
        });
        Some(DialTarget {
            to,
            headers,
            credentials,
            send_digits,
            screening,
            status_callback,
            detection,
        })
    }

    /// A target whose screening document has no URL is not called: nobody may be connected
    /// without it.
    fn links(&mut self, common: &Common) -> Option<(Option<Hook>, Option<LegCallback>)> {
        let screening = match &common.screening {
            None => None,
            Some(link) => {
                let hook = self.resolve(link);
                if hook.is_none() {
                    let message = "the url of a noun of <Dial> is no URL: it is not called";
                    self.warn(ErrorCode::INVALID_URL, message);
                }
                Some(hook?)
            }
        };
        let callback = common.status_callback.as_ref();
        let status_callback = callback.and_then(|callback| {
            let hook = self.resolve_or_warn(&callback.link, "statusCallback")?;
            Some(LegCallback {
                hook,
                events: callback.events,
            })
        });
        Some((screening, status_callback))
    }
}

fn client_headers(client: &ClientNoun) -> Vec<(String, String)> {
    if client.parameters.is_empty() {
        return Vec::new();
    }
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs: Vec<_> = client
        .parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    vec![(CLIENT_PARAMETERS.to_owned(), pairs.join("&"))]
}
