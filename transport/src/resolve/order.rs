//! The order in which to try targets (RFC 2782).

/// The indices of `targets`, each a priority and a weight, in the order to try them: lower
/// priorities first, and among equals at random in proportion to their weights. `rng(n)` gives a
/// number below `n`.
///
/// The time is quadratic in the number of targets with one priority: bound it.
#[must_use]
pub fn weighted_order(targets: &[(u16, u16)], rng: &mut dyn FnMut(u32) -> u32) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..targets.len()).collect();
    // Weight 0 first: the running sum then gives it "a very small chance" and no more.
    rest.sort_by_key(|&index| targets[index]);
    let mut order = Vec::with_capacity(rest.len());
    while let Some(&first) = rest.first() {
        let priority = targets[first].0;
        let equals = rest
            .iter()
            .take_while(|&&index| targets[index].0 == priority)
            .count();
        let chosen = if equals == 1 {
            0
        } else {
            choose(targets, &rest[..equals], rng)
        };
        order.push(rest.remove(chosen));
    }
    order
}

/// RFC 2782: a uniform number between 0 and the sum of the weights, inclusive, and the first whose
/// running sum reaches it.
fn choose(targets: &[(u16, u16)], equals: &[usize], rng: &mut dyn FnMut(u32) -> u32) -> usize {
    let weight = |index: usize| u32::from(targets[index].1);
    let sum = equals
        .iter()
        .fold(0_u32, |sum, &index| sum.saturating_add(weight(index)));
    // Without weights there is nothing to be fair about but the number of targets.
    if sum == 0 {
        return (rng(equals.len() as u32) as usize).min(equals.len() - 1);
    }
    let mark = rng(sum.saturating_add(1));
    let mut running = 0_u32;
    equals
        .iter()
        .position(|&index| {
            running = running.saturating_add(weight(index));
            running >= mark
        })
        .unwrap_or(equals.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed, evenly spread sequence.
    fn sequence() -> impl FnMut(u32) -> u32 {
        let mut state = 1_u64;
        move |below| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % u64::from(below)) as u32
        }
    }

    #[test]
    fn priorities_come_in_order_and_everyone_comes_once() {
        let targets = [(20, 1), (10, 0), (10, 5), (30, 9), (20, 9), (10, 5)];
        let mut rng = sequence();
        for _ in 0..100 {
            let order = weighted_order(&targets, &mut rng);
            let priorities: Vec<u16> = order.iter().map(|&index| targets[index].0).collect();
            assert_eq!(priorities, [10, 10, 10, 20, 20, 30]);
            let mut sorted = order;
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn weights_are_shares() {
        let targets = [(1, 10), (1, 30), (1, 60), (1, 0)];
        let mut rng = sequence();
        let mut first = [0_u32; 4];
        for _ in 0..10_000 {
            first[weighted_order(&targets, &mut rng)[0]] += 1;
        }
        for (count, share) in first.into_iter().zip([1_000_u32, 3_000, 6_000, 100]) {
            assert!(count.abs_diff(share) < 300, "{first:?}");
        }
    }

    #[test]
    fn equals_without_weights_share_evenly() {
        let mut rng = sequence();
        let mut first = [0_u32; 3];
        for _ in 0..9_000 {
            first[weighted_order(&[(1, 0), (1, 0), (1, 0)], &mut rng)[0]] += 1;
        }
        assert!(
            first.iter().all(|count| count.abs_diff(3_000) < 300),
            "{first:?}"
        );
    }

    #[test]
    fn nothing_and_extremes_are_fine() {
        assert!(weighted_order(&[], &mut |_| 0).is_empty());
        assert_eq!(
            weighted_order(&[(u16::MAX, u16::MAX); 3], &mut |below| below - 1).len(),
            3
        );
        // Even a generator that breaks its promise cannot do harm.
        assert_eq!(
            weighted_order(&[(0, 1), (0, 1)], &mut |_| u32::MAX).len(),
            2
        );
    }
}
