use std::collections::BTreeMap;

/// What a count may grow or shrink by before somebody has to look: 3 %.
const PERMILLE_MAX: u64 = 30;

/// One id, before and now; `None` where it was not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    id: String,
    before: Option<u64>,
    now: Option<u64>,
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// Within the limit.
    Same,
    /// Fewer, beyond the limit.
    Faster,
    /// Counted for the first time.
    New,
    /// No longer counted.
    Gone,
    /// More, beyond the limit.
    Slower,
}

impl Row {
    fn finding(&self) -> Finding {
        match (self.before, self.now) {
            (None, _) => Finding::New,
            (Some(_), None) => Finding::Gone,
            (Some(before), Some(now)) if now.abs_diff(before) * 1000 <= before * PERMILLE_MAX => {
                Finding::Same
            }
            (Some(before), Some(now)) if now < before => Finding::Faster,
            _ => Finding::Slower,
        }
    }
}

/// Every id of either side.
pub(crate) fn compare(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Vec<Row> {
    let mut ids: Vec<&String> = before.keys().chain(now.keys()).collect();
    ids.sort();
    ids.dedup();
    ids.into_iter()
        .map(|id| Row {
            id: id.clone(),
            before: before.get(id).copied(),
            now: now.get(id).copied(),
        })
        .collect()
}

/// For people.
pub(crate) fn table(rows: &[Row]) -> String {
    let number = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let mut text = format!("{:<28} {:>12} {:>12}\n", "instructions", "committed", "now");
    for row in rows {
        let change = match (row.before, row.now) {
            (Some(before), Some(now)) => {
                format!("{:+.2} %", (now as f64 / before as f64 - 1.0) * 100.0)
            }
            _ => String::new(),
        };
        let note = match row.finding() {
            Finding::Same => "",
            Finding::Faster => "faster",
            Finding::New => "NEW",
            Finding::Gone => "GONE",
            Finding::Slower => "SLOWER",
        };
        let (before, now) = (number(row.before), number(row.now));
        let line = format!("{:<28} {before:>12} {now:>12} {change:>10} {note}", row.id);
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Fails where a count has grown beyond the limit, or has no counterpart; tells of gains.
pub(crate) fn verdict(rows: &[Row]) -> Result<(), String> {
    let ids = |wanted: &[Finding]| -> Vec<&str> {
        rows.iter()
            .filter(|row| wanted.contains(&row.finding()))
            .map(|row| row.id.as_str())
            .collect()
    };
    let faster = ids(&[Finding::Faster]);
    if !faster.is_empty() {
        println!(
            "\nFaster by more than 3 %: {}. Hold on to it: make accept-instructions",
            faster.join(", ")
        );
    }
    let wrong = ids(&[Finding::Gone, Finding::New, Finding::Slower]);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "not as committed: {}. Where that is meant: make accept-instructions, and say why in the commit",
        wrong.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(before: u64, now: u64) -> Finding {
        let side = |count| BTreeMap::from([("parse/a".to_owned(), count)]);
        compare(&side(before), &side(now))[0].finding()
    }

    #[test]
    fn three_percent_is_the_limit_both_ways() {
        assert_eq!(finding(1000, 1000), Finding::Same);
        assert_eq!(finding(1000, 1030), Finding::Same);
        assert_eq!(finding(1000, 1031), Finding::Slower);
        assert_eq!(finding(1000, 970), Finding::Same);
        assert_eq!(finding(1000, 969), Finding::Faster);
    }

    #[test]
    fn growth_fails_and_gain_does_not() {
        let side = |count| BTreeMap::from([("parse/a".to_owned(), count)]);
        assert_eq!(verdict(&compare(&side(1000), &side(900))), Ok(()));
        assert_eq!(verdict(&compare(&side(1000), &side(1010))), Ok(()));
        let failed = verdict(&compare(&side(1000), &side(1100)));
        assert!(failed.is_err_and(|error| error.contains("parse/a")));
    }

    #[test]
    fn ids_without_a_counterpart_fail() {
        let one = BTreeMap::from([("parse/a".to_owned(), 5)]);
        assert!(verdict(&compare(&one, &BTreeMap::new())).is_err());
        assert!(verdict(&compare(&BTreeMap::new(), &one)).is_err());
    }
}
