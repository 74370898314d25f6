//! Text as the help and roff write it.

/// Returns a page in which text between backticks is bold instead.
pub(crate) fn with_bold(page: &str) -> String {
    let parts = page.split('`').enumerate();
    parts.map(|(place, part)| if place % 2 == 0 { part.to_owned() } else { format!("\\fB{part}\\fR") }).collect()
}

/// Splits a line into its columns, which are two or more spaces apart.
pub(crate) fn columns(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_between_backticks_is_bold() {
        assert_eq!(with_bold("see `list`, or"), "see \\fBlist\\fR, or");
        assert_eq!(with_bold("plain"), "plain");
    }

    #[test]
    fn columns_are_two_spaces_apart() {
        assert_eq!(columns("  play -t 18:30     at half past six"), ["play -t 18:30", "at half past six"]);
        assert_eq!(columns("  play"), ["play"]);
    }
}
