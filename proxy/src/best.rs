//! Which final response goes upstream (RFC 3261 §16.7 steps 6 and 7).

use sip::{HeaderName, Response};

/// What an aim came to.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The branch; none where no branch could be made for the aim.
    pub(crate) branch: Option<usize>,
    /// What it came to.
    pub(crate) given: Given,
}

/// A final response below 200s, or the lack of one.
#[derive(Debug)]
pub(crate) enum Given {
    /// Our own verdict: 408 for silence, 503 for a transport that failed (§16.8, §16.9).
    Local(u16),
    /// What the next hop answered; its top Via is already ours no more.
    Received(Box<Response>),
}

impl Given {
    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Local(status) => *status,
            Self::Received(response) => response.status(),
        }
    }

    /// Whether it is a verdict of ours.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }
}

/// Takes the best candidate out: a 6xx, else the lowest class, and in 4xx those first that tell the
/// caller how to try again. A verdict of ours never outranks an answer.
pub(crate) fn take_best(answers: &mut Vec<Answer>) -> Option<Answer> {
    let best = (0..answers.len()).min_by_key(|&index| {
        let given = &answers[index].given;
        let status = given.status();
        let class = match status / 100 {
            6 => 0,
            class => class,
        };
        let helpful = matches!(status, 401 | 407 | 415 | 420 | 484);
        (given.is_local(), class, !helpful, status == 503, index)
    })?;
    Some(answers.remove(best))
}

/// Whether a 503 says when there will be room again. Without that it is as good as a 500 (§21.5.4).
pub(crate) fn asks_to_wait(response: &Response) -> bool {
    let mut headers = response.headers.iter();
    headers.any(|header| header.id == HeaderName::RetryAfter)
}

/// Adds the challenges of the other 401 and 407 answers to the chosen one (§16.7 step 7).
pub(crate) fn add_challenges(chosen: &mut Response, others: &[Answer]) {
    if !is_challenge(chosen.status()) {
        return;
    }
    let received = others.iter().filter_map(|answer| match &answer.given {
        Given::Received(other) if is_challenge(other.status()) => Some(other),
        _ => None,
    });
    for header in received.flat_map(|other| other.headers.iter()) {
        let id = header.id;
        if matches!(
            id,
            HeaderName::WwwAuthenticate | HeaderName::ProxyAuthenticate
        ) {
            // A challenge that does not fit any more is one that the caller cannot use.
            chosen
                .headers
                .append(header.name, &header.unfolded())
                .unwrap_or_default();
        }
    }
}

fn is_challenge(status: u16) -> bool {
    matches!(status, 401 | 407)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best_of(statuses: &[u16]) -> Option<u16> {
        let answer = |(branch, status): (usize, &u16)| Answer {
            branch: Some(branch),
            given: Given::Local(*status),
        };
        let mut answers: Vec<_> = statuses.iter().enumerate().map(answer).collect();
        take_best(&mut answers).map(|answer| answer.given.status())
    }

    #[test]
    fn order_of_preference() {
        assert_eq!(best_of(&[404, 603, 302]), Some(603));
        assert_eq!(best_of(&[500, 404, 486]), Some(404));
        assert_eq!(best_of(&[404, 407]), Some(407));
        assert_eq!(best_of(&[503, 500]), Some(500));
        assert_eq!(best_of(&[404, 302]), Some(302));
        assert_eq!(best_of(&[]), None);
    }
}
