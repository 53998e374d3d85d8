use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// The instructions of every id, from gungraun's JSON: a line an id.
pub(crate) fn read(file: &Path) -> Result<BTreeMap<String, u64>, String> {
    let told = |error: String| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| told(error.to_string()))?;
    parse(&text).map_err(told)
}

fn parse(text: &str) -> Result<BTreeMap<String, u64>, String> {
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let summary: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let (id, count) = one(&summary).ok_or_else(|| format!("no instructions in {line}"))?;
        if counts.insert(id.clone(), count).is_some() {
            return Err(format!("{id} stands twice"));
        }
    }
    if counts.is_empty() {
        return Err("nothing was counted".to_owned());
    }
    Ok(counts)
}

/// Group and id, and what callgrind counted.
fn one(summary: &Value) -> Option<(String, u64)> {
    let group = summary["group"].as_str()?;
    let id = summary["id"].as_str()?;
    let profiles = summary["profiles"].as_array()?;
    let callgrind = profiles
        .iter()
        .find(|profile| profile["tool"] == "Callgrind")?;
    let count = callgrind
        .pointer("/data/total/metrics/Ir/values/new")?
        .as_u64()?;
    Some((format!("{group}/{id}"), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str) -> String {
        format!(
            r#"{{"group":"parse","id":"{id}","profiles":[{{"tool":"Callgrind","data":{{"total":{{"metrics":{{"Ir":{{"values":{{"new":4711,"old":5000}}}}}}}}}}}}]}}"#
        )
    }

    #[test]
    fn a_line_is_an_id() {
        let text = format!("{}\n{}\n", line("bye"), line("invite_1059"));
        let counts = parse(&text).unwrap();
        assert_eq!(counts["parse/bye"], 4711);
        assert_eq!(counts.len(), 2);
    }

    #[test]
    fn what_is_no_count_is_an_error() {
        assert!(parse("").is_err());
        assert!(parse("{}").is_err());
        assert!(parse("not JSON").is_err());
        assert!(parse(&format!("{}\n{}", line("bye"), line("bye"))).is_err());
    }
}
