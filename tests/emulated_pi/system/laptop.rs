//! A laptop that changes boxes over ssh: `scripts/deploy`, run on this machine.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::cards::{Desk, PROGRAM};

/// A `scripts/deploy` that runs. Dropping it ends it.
pub struct Deploy(Option<Child>);

impl Deploy {
    /// Starts it for the box whose ssh is at this port of this machine. The desk has the key `id`.
    pub fn start(desk: &Desk, ssh_port: u16, arguments: &[&str]) -> Self {
        let config = format!(
            "Host bike-1\n HostName 127.0.0.1\n Port {ssh_port}\n User pi\n IdentityFile \"{}\"\n IdentitiesOnly yes\n \
             UserKnownHostsFile \"{}\"\n StrictHostKeyChecking accept-new\n",
            desk.path("id").display(),
            desk.path("known").display()
        );
        desk.write("ssh config", &config);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deploy");
        let child = Command::new(script)
            .arg("--ssh-config")
            .arg(desk.path("ssh config"))
            .args(["--connect-timeout", "120", "--patience", "600", "--program", PROGRAM])
            .args(arguments)
            .arg("bike-1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(Some(child.expect("Python is installed")))
    }

    /// Returns whether it has not ended yet.
    pub fn runs(&mut self) -> bool {
        let child = self.0.as_mut().expect("it runs");
        matches!(child.try_wait(), Ok(None))
    }

    /// Waits for its end, and returns whether it has succeeded and what it has said.
    pub fn finish(mut self) -> (bool, String) {
        let output = self.0.take().expect("it runs").wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    }
}

impl Drop for Deploy {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
