//! The service: does it run, and what does it say itself?

use super::super::Finding;
use crate::control::{ClientError, Status};

const CHECK: &str = "service";

/// What the service says, or why it says nothing.
pub fn service(status: Result<&Status, &ClientError>) -> Vec<Finding> {
    match status {
        Ok(status) => {
            let version = env!("CARGO_PKG_VERSION");
            let mut findings = vec![Finding::good(CHECK, format!("runs: {}", status.play.summary()))];
            if status.program_version != version {
                findings.push(Finding::warning(
                    CHECK,
                    format!("it is version {}, and this program {version}", status.program_version),
                    "systemctl restart jaudiosync",
                ));
            }
            findings
        }
        Err(error @ ClientError::NotAllowed(_)) => vec![Finding::warning(
            CHECK,
            error.to_string(),
            "log in again after that, or run this as root; the buttons and the sound card cannot be seen now",
        )],
        Err(error) => {
            vec![Finding::warning(CHECK, error.to_string(), "systemctl enable --now jaudiosync, on a box")]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Level;
    use super::*;

    #[test]
    fn a_service_of_another_version_is_told() {
        let current = Status { program_version: env!("CARGO_PKG_VERSION").to_owned(), ..Status::default() };
        assert_eq!(service(Ok(&current)).len(), 1);
        let old = Status { program_version: "0.0.1".to_owned(), ..current };
        assert!(service(Ok(&old))[1].text.contains("0.0.1"));
        let none = ClientError::NoService("/run/x".into());
        assert_eq!(service(Err(&none))[0].level, Level::Warning);
    }
}
