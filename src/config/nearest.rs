//! Guesses which name was meant by one that does not exist.

/// Names less similar than this are not worth a guess: 0 is nothing in common, 1 is equal.
const ALIKE: f64 = 0.75;

/// Returns the most similar of the names, if any is similar enough.
pub(super) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let scored = names.into_iter().map(|name| (strsim::jaro_winkler(&wrong, name), name));
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(score, _)| *score >= ALIKE).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_name_and_nonsense_finds_none() {
        let names = ["startup_percent", "maximum_percent", "step_percent", "remember"];
        assert_eq!(nearest("start_percent", names), Some("startup_percent"));
        assert_eq!(nearest("Remeber", names), Some("remember"));
        assert_eq!(nearest("max_percent", names), Some("maximum_percent"));
        assert_eq!(nearest("xyz", names), None);
    }
}
