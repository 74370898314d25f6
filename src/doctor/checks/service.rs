//! The service: whether it runs, what it reports, and its version.

use super::super::Finding;
use crate::control::{ClientError, Status};

const CHECK: &str = "service";

/// Checks the service's status, or reports why there is none.
pub fn service(status: Result<&Status, &ClientError>) -> Vec<Finding> {
    match status {
        Ok(status) => {
            let version = env!("CARGO_PKG_VERSION");
            let mut findings = vec![Finding::good(CHECK, format!("running: {}", status.play.summary()))];
            if status.program_version != version {
                findings.push(Finding::warning(
                    CHECK,
                    format!("it is version {}, but this program is {version}", status.program_version),
                    "restart it: systemctl restart jaudiosync",
                ));
            }
            findings
        }
        Err(error @ ClientError::NotAllowed(_)) => vec![Finding::warning(
            CHECK,
            error.to_string(),
            "log in again after that, or run this as root; until then the buttons and the sound card cannot be checked",
        )],
        Err(error) => {
            vec![Finding::warning(CHECK, error.to_string(), "on a box: systemctl enable --now jaudiosync")]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Level;
    use super::*;

    #[test]
    fn a_service_of_another_version_is_reported() {
        let current = Status { program_version: env!("CARGO_PKG_VERSION").to_owned(), ..Status::default() };
        assert_eq!(service(Ok(&current)).len(), 1);
        let old = Status { program_version: "0.0.1".to_owned(), ..current };
        assert!(service(Ok(&old))[1].text.contains("0.0.1"));
        let none = ClientError::NoService("/run/x".into());
        assert_eq!(service(Err(&none))[0].level, Level::Warning);
    }
}
