//! How an air behaves: the figures of a link, of group traffic and of power saving, and presets.

use std::time::Duration;

/// The exponent of the distribution of delays. Of 2 to 20 ms, half the frames then take less than
/// 3.1 ms, nine in ten less than 7.9 ms, and one in a hundred more than 17 ms: bursts as OpenIPC's
/// devourer measured them beside other traffic (docs/timing-accuracy.md), with a finite end.
const TAIL: f64 = 1.5;

/// A random delay, by a Pareto distribution that is cut off at its longest value: most delays are
/// near the shortest, and a few are far longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// No delay is shorter. Less than 1 µs counts as 1 µs.
    pub shortest: Duration,
    /// No delay is longer. Less than `shortest` counts as `shortest`.
    pub longest: Duration,
}

impl Delay {
    /// Returns the delay from one length to another, in microseconds.
    #[must_use]
    pub const fn from_micros(shortest: u64, longest: u64) -> Self {
        Self { shortest: Duration::from_micros(shortest), longest: Duration::from_micros(longest) }
    }

    /// Returns the delay that is always the same.
    #[must_use]
    pub const fn constant(delay: Duration) -> Self {
        Self { shortest: delay, longest: delay }
    }

    /// Returns the delay below which `share` (0 to 1) of all delays are.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let shortest = self.shortest.as_secs_f64().max(1e-6);
        let longest = self.longest.as_secs_f64().max(shortest);
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let left = 1.0 - share * (1.0 - (shortest / longest).powf(TAIL));
        Duration::from_secs_f64((shortest * left.powf(-1.0 / TAIL)).clamp(shortest, longest))
    }
}

/// The way from one station to another, through the access point. The way back has its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// From sending to receiving a unicast frame, contention and repetitions included. Frames never
    /// overtake each other. Group frames take half the model's delay, whatever this link's is, to
    /// the access point, where they wait for a beacon.
    pub delay: Delay,
    /// Share of unicast frames that are lost in spite of all repetitions, 0 to 1.
    pub loss: f64,
    /// Share of broadcast and multicast frames that are lost, 0 to 1: nobody acknowledges them, so
    /// nobody repeats them (IEEE 802.11-2020, section 10.3.6).
    pub group_loss: f64,
}

impl Link {
    /// The way on which nothing arrives: the receiver does not hear the sender.
    pub const DEAF: Self = Self { delay: Delay::from_micros(1, 1), loss: 1.0, group_loss: 1.0 };
}

/// How an access point sends broadcast and multicast frames: after a beacon, one after another, at
/// the slowest rate, so that stations that save power hear them (IEEE 802.11-2020, section 11.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupDelivery {
    /// From one beacon after which group frames are sent (DTIM) to the next.
    pub interval: Duration,
    /// The rate at which they are sent, in bits a second.
    pub rate_bits_per_s: u32,
    /// From the end of the frame, which is the same instant for all receivers, to each receiver's
    /// kernel: its own interrupt, bus and driver.
    pub reception: Delay,
}

impl GroupDelivery {
    /// 102.4 ms is 100 units of 1024 µs, the beacon interval of practically all access points
    /// (`beacon_int=100` in hostapd.conf); some send group frames only after every second or third
    /// beacon. 1 Mbit/s is the lowest rate of 2.4 GHz. A Raspberry Pi's Wi-Fi is read by SDIO in a
    /// kernel worker, which takes 50 µs to wake up, and up to 1 ms in bursts: an estimate.
    pub const WIFI: Self = Self {
        interval: Duration::from_micros(102_400),
        rate_bits_per_s: 1_000_000,
        reception: Delay::from_micros(50, 1000),
    };

    /// Returns how long a frame of `length_bytes`, with its Ethernet header, occupies the air.
    #[must_use]
    pub fn airtime(&self, length_bytes: usize) -> Duration {
        /// Long preamble and PLCP header (IEEE 802.11-2020, section 16.2.2.2).
        const PREAMBLE: Duration = Duration::from_micros(192);
        /// MAC header 24, LLC/SNAP 8, CCMP 16, checksum 4, minus the Ethernet header's 14.
        const OVERHEAD_BYTES: usize = 38;
        let bits = 8.0 * (length_bytes + OVERHEAD_BYTES) as f64;
        PREAMBLE + Duration::from_secs_f64(bits / f64::from(self.rate_bits_per_s.max(1)))
    }
}

/// A station that sleeps: unicast frames for it wait at the access point until it listens. It hears
/// group frames, for which it wakes up, and sends whenever it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerSaving {
    /// From one beacon to which it listens to the next.
    pub listen_interval: Duration,
    /// How long it stays awake after it has sent or received something.
    pub awake_after: Duration,
}

impl PowerSaving {
    /// Every second beacon, and asleep 10 ms after every frame: frames wait up to 205 ms. Power
    /// saving cost machines at one access point tens of ms (devourer, docs/timing-accuracy.md).
    pub const DEEP: Self =
        Self { listen_interval: Duration::from_micros(204_800), awake_after: Duration::from_millis(10) };
}

/// How an air behaves, except for links and stations that are set by themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AirModel {
    /// Every link.
    pub link: Link,
    /// How group frames are sent. `None`: as unicast frames are, each receiver with its own delay.
    pub group: Option<GroupDelivery>,
    /// What stations do to save power.
    pub power_saving: Option<PowerSaving>,
    /// Whether the access point carries no frames between stations.
    pub isolated: bool,
    /// Whether the access point drops multicast and broadcast between stations, other than what
    /// finds addresses (ARP, IPv6 neighbour discovery), as some phones do.
    pub group_filtered: bool,
}

impl AirModel {
    /// A phone's hotspot among other traffic: 2 to 20 ms and 5 % loss are the project's own
    /// assumption; twice the loss where nothing is repeated, too.
    #[must_use]
    pub const fn hotspot() -> Self {
        Self {
            link: Link { delay: Delay::from_micros(2_000, 20_000), loss: 0.05, group_loss: 0.10 },
            group: Some(GroupDelivery::WIFI),
            power_saving: None,
            isolated: false,
            group_filtered: false,
        }
    }

    /// A Wi-Fi with nobody else on it: 1 to 3 ms and 1 % loss. Two machines at one access point
    /// agreed to 0.76 ms by NTP there (devourer, docs/timing-accuracy.md).
    #[must_use]
    pub const fn quiet() -> Self {
        Self { link: Link { delay: Delay::from_micros(1_000, 3_000), loss: 0.01, group_loss: 0.02 }, ..Self::hotspot() }
    }

    /// A switch and cables: 0.1 to 0.2 ms, as between two Pis by their USB or PCIe Ethernet.
    /// Nothing is lost, and broadcasts are sent at once.
    #[must_use]
    pub const fn wire() -> Self {
        Self {
            link: Link { delay: Delay::from_micros(100, 200), loss: 0.0, group_loss: 0.0 },
            group: None,
            ..Self::hotspot()
        }
    }

    /// A guest network: [`AirModel::hotspot`] whose access point carries nothing between stations.
    #[must_use]
    pub const fn isolating() -> Self {
        Self { isolated: true, ..Self::hotspot() }
    }

    /// A phone that passes unicast between stations, but neither multicast nor broadcast.
    #[must_use]
    pub const fn filtering() -> Self {
        Self { group_filtered: true, ..Self::hotspot() }
    }

    /// [`AirModel::hotspot`] whose stations all save power.
    #[must_use]
    pub const fn power_saving() -> Self {
        Self { power_saving: Some(PowerSaving::DEEP), ..Self::hotspot() }
    }

    /// Returns the preset of this name, which is that of its function with hyphens.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::presets().into_iter().find(|(preset, _)| *preset == name).map(|(_, model)| model)
    }

    /// Returns all presets with their names.
    #[must_use]
    pub const fn presets() -> [(&'static str, Self); 6] {
        [
            ("hotspot", Self::hotspot()),
            ("quiet", Self::quiet()),
            ("wire", Self::wire()),
            ("isolating", Self::isolating()),
            ("filtering", Self::filtering()),
            ("power-saving", Self::power_saving()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_delays_are_short_and_a_few_are_long() {
        let delay = AirModel::hotspot().link.delay;
        let ms = |share| delay.quantile(share).as_secs_f64() * 1000.0;
        assert!((ms(0.0) - 2.0).abs() < 1e-6 && (ms(1.0) - 20.0).abs() < 1e-6);
        assert!((ms(0.5) - 3.1).abs() < 0.05, "{}", ms(0.5));
        assert!((ms(0.9) - 7.9).abs() < 0.05, "{}", ms(0.9));
        assert!((ms(0.99) - 16.7).abs() < 0.1, "{}", ms(0.99));
    }

    #[test]
    fn odd_delays_are_still_delays() {
        assert_eq!(Delay::from_micros(0, 0).quantile(0.3), Duration::from_micros(1));
        assert_eq!(Delay::from_micros(500, 20).quantile(f64::NAN), Duration::from_micros(500));
        assert_eq!(Delay::constant(Duration::from_millis(7)).quantile(0.9), Duration::from_millis(7));
    }

    #[test]
    fn a_short_message_takes_milliseconds_at_the_basic_rate() {
        let airtime = GroupDelivery::WIFI.airtime(242);
        assert_eq!(airtime, Duration::from_micros(192 + 280 * 8));
    }
}
