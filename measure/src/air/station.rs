//! The handle of one station.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use super::carrier::Shared;
use super::medium::StationId;
use super::model::PowerSaving;
use super::namespace::Namespace;
use crate::error::{Error, Result};

/// A machine on the air, with a network of its own and all else (files, sound, users) as here. A
/// handle is cheap to clone. Once its [`super::Air`] is dropped, it can do nothing any more.
#[derive(Debug, Clone)]
pub struct Station {
    pub(super) shared: Arc<Shared>,
    pub(super) namespace: std::sync::Weak<Namespace>,
    pub(super) id: StationId,
    pub(super) name: Arc<str>,
    pub(super) address: Ipv4Addr,
}

impl Station {
    /// Returns the name under which it was added.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its address, in 10.42.0.0/24.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Returns the path of its network namespace, for `nsenter --net=PATH`. It is valid while the
    /// air is.
    #[must_use]
    pub fn namespace(&self) -> PathBuf {
        self.namespace.upgrade().map_or_else(|| "/nonexistent/dropped-air".into(), |namespace| namespace.path())
    }

    /// Returns a command that runs `program` there, by `nsenter`. The process that is spawned is
    /// the program itself, but if there is no such program, spawning succeeds and nsenter ends with
    /// 127. Anything that still runs when the air is dropped is killed.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut net = std::ffi::OsString::from("--net=");
        net.push(self.namespace());
        let mut command = Command::new("nsenter");
        command.arg(net).arg("--").arg(program);
        command
    }

    /// Runs a call on a thread there. A socket that it makes and returns stays a socket of this
    /// station, on any thread, and must be closed for the station to vanish with the air.
    ///
    /// # Errors
    /// [`Error::Air`] if the air is dropped.
    pub fn inside<T: Send>(&self, call: impl FnOnce() -> T + Send) -> Result<T> {
        self.held()?.inside(call)
    }

    /// Leaves the network: the device loses its connection and its address, as under a network
    /// manager. To be out of reach without the station's notice, see [`Station::set_in_reach`].
    ///
    /// # Errors
    /// [`Error::Air`] if the device cannot be changed.
    pub fn leave(&self) -> Result<()> {
        self.set_in_reach(false);
        self.held()?.connect(false)
    }

    /// Joins it again, with the same address.
    ///
    /// # Errors
    /// [`Error::Air`] if the device cannot be changed.
    pub fn join(&self) -> Result<()> {
        self.held()?.connect(true)?;
        self.set_in_reach(true);
        Ok(())
    }

    /// Sets whether frames from and to it are carried. Its device notices nothing.
    pub fn set_in_reach(&self, in_reach: bool) {
        self.shared.change(|medium, _| medium.set_joined(self.id, in_reach));
    }

    /// Sets how it saves power; `None`: it is always awake.
    pub fn set_power_saving(&self, saving: Option<PowerSaving>) {
        self.shared.change(|medium, now| medium.set_power_saving(now, self.id, saving));
    }

    fn held(&self) -> Result<Arc<Namespace>> {
        self.namespace.upgrade().ok_or_else(|| Error::Air("it has been dropped".into()))
    }
}
