//! A virtual air: stations in network namespaces, between which frames are carried as Wi-Fi does.
//!
//! Each station is a network namespace with a TAP device, `wlan0`. One thread reads the Ethernet
//! frames that it sends, and writes them to the others when, and if, they arrive. What happens to a
//! frame is decided in `medium.rs`, which is pure and can be had in virtual time; figures and
//! presets are in `model.rs`. Only `namespace.rs`, `carrier.rs` and `guard.rs` touch the system.
//! Nothing here knows what the frames carry.
//!
//! The access point only switches: it has no address and answers nothing. Not modelled are the
//! capacity of the air for unicast frames, losses in bursts, and hidden stations. The kernels on the
//! stations do as always: they look up addresses by ARP, which is delayed and lost like any
//! broadcast, and repeat that once a second.
//!
//! It needs network namespaces and `/dev/net/tun`: root, or a user who may open that and runs the
//! whole program under `unshare --user --map-root-user`. Nothing remains when the [`Air`] is
//! dropped, nor when the program is killed: the namespaces have no names, and a guard kills the
//! processes in them. All else is shared with this machine, also what `/sys/class/net` shows.
//!
//! ```no_run
//! use jaudiosync_measure::air::{Air, AirModel, Link};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let air = Air::start(AirModel::hotspot(), 7)?;
//! let (left, right) = (air.station("left")?, air.station("right")?);
//! let _left_box = left.command("jaudiosync").arg("run").spawn()?;
//! let _right_box = right.command("jaudiosync").arg("run").spawn()?;
//! air.set_link(&left, &right, Link::DEAF); // right no longer hears left
//! right.leave()?;
//! right.join()?;
//! air.outage(true);
//! # Ok(())
//! # }
//! ```

mod carrier;
mod ethernet;
mod guard;
mod medium;
mod model;
mod namespace;
mod station;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use carrier::Carrier;
pub use carrier::Timing;
use guard::Guard;
pub use medium::{Counts, Delivery, Destination, Medium, StationId};
pub use model::{AirModel, Delay, GroupDelivery, Link, PowerSaving};
use namespace::Namespace;
pub use station::Station;

use crate::error::{Error, Result};

/// NetworkManager's network of a hotspot; 10.42.0.1 would be the access point.
const NETWORK: [u8; 3] = [10, 42, 0];
const FIRST_HOST: u8 = 2;

/// A running air. Dropping it kills what still runs on its stations, and removes them.
#[derive(Debug)]
pub struct Air {
    // In the order in which they go: the guard first, so that no process outlives its network.
    inhabitants: Mutex<Inhabitants>,
    carrier: Carrier,
    seed: u64,
}

#[derive(Debug)]
struct Inhabitants {
    guard: Guard,
    namespaces: Vec<Arc<Namespace>>,
}

impl Air {
    /// Starts an air without stations. The seed decides everything that is random; it is printed to
    /// standard error.
    ///
    /// # Errors
    /// [`Error::NoAir`] where namespaces or TAP devices are missing or not allowed, which is where
    /// tests should be skipped; [`Error::Missing`] names a package to install.
    pub fn start(model: AirModel, seed: u64) -> Result<Self> {
        // A station that nobody uses, so that anything missing is found now.
        drop(Namespace::make(Ipv4Addr::new(10, 42, 0, 254))?);
        eprintln!("virtual air: seed {seed}");
        Ok(Self {
            inhabitants: Mutex::new(Inhabitants { guard: Guard::start()?, namespaces: Vec::new() }),
            carrier: Carrier::start(Medium::new(model, seed))?,
            seed,
        })
    }

    /// Adds a station, whose address is the next one of 10.42.0.2 to 10.42.0.253.
    ///
    /// # Errors
    /// [`Error::Air`] if there are too many, or the system allows no more.
    pub fn station(&self, name: &str) -> Result<Station> {
        let mut inhabitants = self.inhabitants.lock().unwrap_or_else(PoisonError::into_inner);
        let host = u8::try_from(inhabitants.namespaces.len()).ok().and_then(|number| number.checked_add(FIRST_HOST));
        let Some(host @ ..=253) = host else { return Err(Error::Air("it has room for 252 stations".into())) };
        let [a, b, c] = NETWORK;
        let address = Ipv4Addr::new(a, b, c, host);
        let (namespace, tap) = Namespace::make(address)?;
        inhabitants.guard.hold(&namespace.path())?;
        let namespace = Arc::new(namespace);
        let held = Arc::downgrade(&namespace);
        inhabitants.namespaces.push(namespace);
        let shared = Arc::clone(&self.carrier.shared);
        let id = shared.add(ethernet::mac_of(address), tap);
        Ok(Station { shared, namespace: held, id, name: name.into(), address })
    }

    /// Returns the seed, to have the same air again.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Changes the whole model: all links that were not set by themselves, how all stations save
    /// power, isolation and filter.
    pub fn set_model(&self, model: AirModel) {
        self.carrier.shared.change(|medium, now| medium.set_model(now, model));
    }

    /// Sets the way from one station to another; the way back stays as it is.
    pub fn set_link(&self, from: &Station, to: &Station, link: Link) {
        self.carrier.shared.change(|medium, _| medium.set_link(from.id, to.id, Some(link)));
    }

    /// Gives the way from one station to another back to the model.
    pub fn reset_link(&self, from: &Station, to: &Station) {
        self.carrier.shared.change(|medium, _| medium.set_link(from.id, to.id, None));
    }

    /// Sets whether the access point isolates: no frame goes from station to station.
    pub fn isolate(&self, isolated: bool) {
        self.carrier.shared.change(|medium, _| medium.set_isolated(isolated));
    }

    /// Sets whether the access point drops multicast and broadcast between stations, except what
    /// finds addresses.
    pub fn filter_group_traffic(&self, filtered: bool) {
        self.carrier.shared.change(|medium, _| medium.set_group_filtered(filtered));
    }

    /// Sets whether nothing at all is carried; devices notice nothing.
    pub fn outage(&self, outage: bool) {
        self.carrier.shared.change(|medium, _| medium.set_outage(outage));
    }

    /// Returns what has become of the frames so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.carrier.shared.counts()
    }

    /// Returns how exactly frames were carried so far: whether the machine was too busy.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.carrier.shared.timing()
    }
}
