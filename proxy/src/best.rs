//! Which final response goes upstream (RFC 3261 §16.7 steps 6 and 7).

use sip::{HeaderName, Response};


/// What a branch came to.
#[derive(Debug)]
pub enum Answer {
    /// What the next hop answered; its top Via is already ours no more.
    Received(Box<Response>),
    /// Our own verdict: 408 for silence, 503 for a transport that failed (§16.8, §16.9).
    Local(u16),
}

impl Answer {
    /// The status code.
    pub fn status(&self) -> u16 {
        match self {
            Self::Received(response) => response.status(),
            Self::Local(status) => *status,
        }
    }

    fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }
}

/// The index of the best candidate: a 6xx, else the lowest class, and in 4xx those first that tell
/// the caller how to try again. A verdict of ours never outranks an answer.
pub fn best(answers: &[Answer]) -> Option<usize> {
    (0..answers.len()).min_by_key(|&index| {
        let answer = &answers[index];
        let status = answer.status();
        let class = match status / 100 {
            6 => 0,
            class => class,
        };
        let helpful = matches!(status, 401 | 407 | 415 | 420 | 484);
        (answer.is_local(), class, !helpful, status == 503, index)
    })
}

/// Adds the challenges of the other 401 and 407 answers to the chosen one (§16.7 step 7).
pub fn add_challenges(chosen: &mut Response, others: &[Answer]) {
    if !matches!(chosen.status(), 401 | 407) {
        return;
    }
    for answer in others {
        let Answer::Received(other) = answer else {
            continue;
        };
        if !matches!(other.status(), 401 | 407) {
            continue;
        }
        for header in other.headers.iter() {
            let challenge = matches!(
                header.id,
                HeaderName::WwwAuthenticate | HeaderName::ProxyAuthenticate
            );
            if challenge {
                // A challenge that does not fit any more is one that the caller cannot use.
                let _ = chosen.headers.append(header.name, &header.unfolded());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(statuses: &[u16]) -> Vec<Answer> {
        statuses.iter().map(|status| Answer::Local(*status)).collect()
    }

    #[test]
    fn order_of_preference() {
        assert_eq!(best(&local(&[404, 603, 302])), Some(1));
        assert_eq!(best(&local(&[500, 404, 486])), Some(1));
        assert_eq!(best(&local(&[404, 407])), Some(1));
        assert_eq!(best(&local(&[503, 500])), Some(1));
        assert_eq!(best(&[]), None);
    }
}
