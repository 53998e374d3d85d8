//! Sums of frames.

/// Adds a frame to a sum.
pub(crate) fn add(sum: &mut [i32], frame: &[i16]) {
    for (sum, sample) in sum.iter_mut().zip(frame) {
        *sum += i32::from(*sample);
    }
}

/// Takes a frame out of a sum.
pub(crate) fn subtract(sum: &mut [i32], frame: &[i16]) {
    for (sum, sample) in sum.iter_mut().zip(frame) {
        *sum -= i32::from(*sample);
    }
}

/// A sum as a frame; what is too loud is cut.
pub(crate) fn clamp(sum: &[i32], out: &mut Vec<i16>) {
    out.clear();
    let cut = |sample: &i32| (*sample).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
    out.extend(sum.iter().map(cut));
}

/// Two frames as one; a missing one is silence.
pub(crate) fn both(one: &[i16], other: &[i16], out: &mut Vec<i16>) {
    out.clear();
    for at in 0..one.len().max(other.len()) {
        let sample = |frame: &[i16]| frame.get(at).copied().unwrap_or(0);
        out.push(sample(one).saturating_add(sample(other)));
    }
}

/// How loud a frame is: its mean square.
pub(crate) fn loudness(frame: &[i16]) -> u32 {
    let sum: u64 = frame
        .iter()
        .map(|sample| u64::from(sample.unsigned_abs()).pow(2))
        .sum();
    let mean = sum.checked_div(frame.len() as u64).unwrap_or(0);
    u32::try_from(mean).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hears_the_others() {
        let frames = [[100, -5, 0], [20, 7, 30_000], [3, 1, 30_000]];
        let mut sum = [0; 3];
        for frame in &frames {
            add(&mut sum, frame);
        }
        let mut out = Vec::new();
        clamp(&sum, &mut out);
        assert_eq!(out, [123, 3, i16::MAX]);
        let mut others = sum;
        subtract(&mut others, &frames[1]);
        clamp(&others, &mut out);
        assert_eq!(out, [103, -4, 30_000], "cut last, not first");
        clamp(&[-100_000], &mut out);
        assert_eq!(out, [i16::MIN]);
    }

    #[test]
    fn two_of_which_one_is_missing() {
        let mut out = Vec::new();
        both(&[1, 2], &[], &mut out);
        assert_eq!(out, [1, 2]);
        both(&[30_000], &[30_000], &mut out);
        assert_eq!(out, [i16::MAX]);
        both(&[], &[], &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn loud() {
        assert_eq!(loudness(&[]), 0);
        assert_eq!(loudness(&[3, -3]), 9);
        assert_eq!(loudness(&[i16::MIN; 8]), 1 << 30);
    }
}
