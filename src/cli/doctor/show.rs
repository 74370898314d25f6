//! Findings on the terminal.

use anstream::println;
use anstyle::{AnsiColor, Style};

use crate::doctor::{Finding, Level};

/// Prints a line for each finding, and one for the advice. Only a terminal gets colours.
pub(super) fn show(findings: &[Finding]) {
    for finding in findings {
        let (mark, color) = match finding.level {
            Level::Good => ("ok", AnsiColor::Green),
            Level::Warning => ("!!", AnsiColor::Yellow),
            Level::Problem => ("NO", AnsiColor::Red),
        };
        let style: Style = color.on_default();
        println!("{style}{mark}{style:#}  {:<14} {}", finding.check, finding.text);
        if let Some(advice) = &finding.advice {
            println!("    {:<14} -> {advice}", "");
        }
    }
}
