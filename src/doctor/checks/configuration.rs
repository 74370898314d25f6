//! The configuration: whether every key is understood.

use super::super::Finding;
use crate::config::Layers;

const CHECK: &str = "configuration";

/// Checks the files, and reports every problem.
pub fn configuration(layers: &Layers) -> Vec<Finding> {
    let problem = |problem: &crate::config::Problem| {
        Finding::warning(CHECK, problem.to_string(), "correct the line; jaudiosync config shows what is in effect")
    };
    let mut findings: Vec<Finding> = layers.problems().iter().map(problem).collect();
    if findings.is_empty() {
        let files: Vec<String> = layers.files().iter().map(|file| file.display().to_string()).collect();
        let from = if files.is_empty() { "defaults, as there is no file".to_owned() } else { files.join(", ") };
        findings.push(Finding::good(CHECK, from));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::Level;
    use super::*;

    #[test]
    fn a_bad_line_is_named() {
        let mut layers = Layers::default();
        assert_eq!(configuration(&layers)[0].level, Level::Good);
        layers.lay(Path::new("a.toml"), b"[volume]\nloud = 3\n");
        let findings = configuration(&layers);
        assert!(findings[0].level == Level::Warning && findings[0].text.starts_with("a.toml:2:"), "{findings:?}");
    }
}
