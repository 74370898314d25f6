//! Time servers over Wi-Fi: packets that are late, the one way more than the other, or lost.
//!
//! What the service's client makes of the answers is its own code: when it asks, how often in a
//! burst, and what a burst says of the time.

use fastrand::Rng;
use jaudiosync::timekeeping::references::ntp::burst::{BurstPlan, Exchange, estimate};
use jaudiosync::timekeeping::references::poll_interval::{Outcome, PollInterval};
use jaudiosync::timekeeping::references::{Sample, Source, SourceKind};
use jaudiosync::timekeeping::rtc::trust::EARLIEST;
use jaudiosync_time::{Instant, Span, True};

use super::randomness::{Purpose, exponential, normal, stream};
use super::scenario::{Ntp, ReferenceKind, Scenario};
use super::schedule::{BoxSchedule, ON_BEFORE_RIDE};
use super::virtual_box::BoxWorld;
use crate::true_time::{RIDE_START, utc_at};

const NS_PER_MS: f64 = 1e6;

/// Wi-Fi needs so long after boot, or when it comes into reach.
const CONNECTING: Span = Span::from_seconds(5);

/// What the server takes to answer.
const SERVER_DELAY: Span = Span::from_us(30);

struct Server {
    source: Source,
    /// The error that the way's asymmetry makes now, in ns.
    asymmetry_ns_f64: f64,
    next_poll: Instant<True>,
    interval: PollInterval,
    was_in_reach: bool,
}

/// A way from a box to its servers.
struct Path {
    ntp: Ntp,
    /// The error that the asymmetry of the box's own line makes, in ns.
    line_ns_f64: f64,
}

/// The ways from a box to its servers.
struct Paths {
    ride: Path,
    /// The way at the contacts before the ride, where it is another one.
    home: Option<Path>,
}

impl Paths {
    fn at(&self, time: Instant<True>) -> &Path {
        self.home.as_ref().filter(|_| time < RIDE_START - ON_BEFORE_RIDE).unwrap_or(&self.ride)
    }
}

/// The NTP clients of one box.
pub struct NtpClients {
    paths: Paths,
    servers: Vec<Server>,
    random: Rng,
}

impl Path {
    fn new(ntp: &Ntp, random: &mut Rng) -> Self {
        Self { ntp: ntp.clone(), line_ns_f64: ntp.asymmetry_line_sigma_ms * normal(random) * NS_PER_MS }
    }

    fn plan(&self) -> BurstPlan {
        if self.ntp.nearby { BurstPlan::NEARBY } else { BurstPlan::PUBLIC }
    }

    /// How long a burst takes, with what the last answer may take.
    fn burst_length(&self) -> Span {
        let plan = self.plan();
        Span::from_duration(plan.spacing) * plan.exchanges as i64
    }
}

impl NtpClients {
    /// The clients of a box, counted from 0.
    pub fn new(scenario: &Scenario, seed: u64, index: usize) -> Self {
        let servers = (0..scenario.ntp.servers)
            .map(|number| Server {
                source: Source { kind: SourceKind::Ntp, name: format!("server {}", number + 1).into() },
                asymmetry_ns_f64: 0.0,
                next_poll: Instant::ZERO,
                interval: PollInterval::default(),
                was_in_reach: false,
            })
            .collect();
        let mut lines = stream(seed, Some(index), Purpose::Line);
        Self {
            paths: Paths {
                ride: Path::new(&scenario.ntp, &mut lines),
                home: scenario.home.as_ref().map(|home| Path::new(home, &mut lines)),
            },
            servers,
            random: stream(seed, Some(index), Purpose::Network),
        }
    }

    /// The box was switched on.
    pub fn boot(&mut self, now: Instant<True>) {
        for server in &mut self.servers {
            server.next_poll = now + CONNECTING;
            server.was_in_reach = false;
        }
    }

    /// The samples of all bursts that are over by an instant.
    pub fn samples_until(&mut self, now: Instant<True>, world: &BoxWorld, schedule: &BoxSchedule) -> Vec<Sample> {
        let mut samples = Vec::new();
        for number in 0..self.servers.len() {
            while let Some(begin) = self.next_burst(number, schedule)
                && begin + self.paths.at(begin).burst_length() <= now
            {
                samples.extend(self.burst(number, begin, world, schedule));
            }
        }
        samples.sort_by_key(|sample: &Sample| sample.raw);
        samples
    }

    /// When a server's next burst begins; `None` if it is never in reach again.
    fn next_burst(&mut self, number: usize, schedule: &BoxSchedule) -> Option<Instant<True>> {
        let server = self.servers.get_mut(number)?;
        let reach = schedule.next_reach(ReferenceKind::Ntp, server.next_poll)?;
        if reach > server.next_poll {
            server.was_in_reach = false;
            server.next_poll = reach + CONNECTING;
            return self.next_burst(number, schedule);
        }
        Some(server.next_poll)
    }

    fn burst(
        &mut self,
        number: usize,
        begin: Instant<True>,
        world: &BoxWorld,
        schedule: &BoxSchedule,
    ) -> Option<Sample> {
        let Self { paths, servers, random } = self;
        let path = paths.at(begin);
        let (ntp, plan, length) = (&path.ntp, path.plan(), path.burst_length());
        let server = servers.get_mut(number)?;
        if !server.was_in_reach {
            // A new contact: another access point, another way. Out of reach the client has failed,
            // and so begins again.
            server.was_in_reach = true;
            server.interval = PollInterval::default();
            let of_contact_ms = ntp.asymmetry_ms + ntp.asymmetry_sigma_ms * normal(random);
            server.asymmetry_ns_f64 = of_contact_ms * NS_PER_MS + path.line_ns_f64;
        }
        let exchanges: Vec<Exchange> = (0..plan.exchanges)
            .filter_map(|step| {
                let sent = begin + Span::from_duration(plan.spacing) * step as i64;
                let lie = |time| schedule.lie(ReferenceKind::Ntp, number, time);
                exchange(ntp, server.asymmetry_ns_f64, random, sent, world, lie)
            })
            .collect();
        let estimate = estimate(&exchanges, EARLIEST);
        let pause = server.interval.after(if estimate.is_ok() { Outcome::Sample } else { Outcome::Failure });
        server.next_poll = begin + length + Span::from_duration(pause);
        estimate.ok().map(|estimate| estimate.into_sample(server.source.clone()))
    }
}

/// Makes one exchange that begins at an instant of true time; `None` if a packet is lost.
fn exchange(
    ntp: &Ntp,
    asymmetry_ns_f64: f64,
    random: &mut Rng,
    sent: Instant<True>,
    world: &BoxWorld,
    lie: impl Fn(Instant<True>) -> Span,
) -> Option<Exchange> {
    if random.f64() < ntp.loss || random.f64() < ntp.loss {
        return None;
    }
    let half_ns_f64 = 0.5 * ntp.base_delay_ms * NS_PER_MS;
    // The error is half the difference of the two ways.
    let up_ns_f64 = (half_ns_f64 + asymmetry_ns_f64).max(0.0) + exponential(random, ntp.jitter_up_ms * NS_PER_MS);
    let down_ns_f64 = (half_ns_f64 - asymmetry_ns_f64).max(0.0) + exponential(random, ntp.jitter_down_ms * NS_PER_MS);
    let received = sent + Span::from_ns(up_ns_f64 as i64);
    let answered = received + SERVER_DELAY;
    let raw = world.raw_at(answered + Span::from_ns(down_ns_f64 as i64));
    let delay = raw - world.raw_at(sent) - SERVER_DELAY;
    Some(Exchange {
        raw,
        // The server's stamp of its answer, and half the way.
        utc: utc_at(answered) + lie(received) + delay / 2,
        delay,
        root_distance: Span::from_ms_f64(ntp.root_distance_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::super::scenario::parse;
    use super::super::weather::weather;
    use super::*;
    use crate::true_time::{RIDE_START, utc_error};

    const REACH: &str = "[calibration]\ndays_before = 0\n[ntp]\navailable_minutes = [[-1, 240]]\n";

    /// The error of a sample, its sigma and its bound, in ms.
    type Error = (f64, f64, f64);

    /// The errors of all samples of a ride.
    fn errors_ms(text: &str, index: usize) -> Vec<Error> {
        let scenario = parse(text, "test").unwrap();
        let schedule = BoxSchedule::new(&scenario, index);
        let begin = schedule.whole.from;
        let world = BoxWorld::new(&scenario, 9, index, weather(&scenario, 9, index), begin);
        world.power_on(begin);
        let mut clients = NtpClients::new(&scenario, 9, index);
        clients.boot(begin);
        let samples = clients.samples_until(RIDE_START + Span::HOUR * 4, &world, &schedule);
        samples
            .iter()
            .map(|sample| {
                let error = utc_error(sample.utc, world.time_at_raw(sample.raw));
                (error.ms(), sample.sigma_ns * 1e-6, sample.bound_ns * 1e-6)
            })
            .collect()
    }

    #[test]
    fn a_sample_is_off_by_the_asymmetry_and_a_little_and_within_its_bound() {
        let errors = errors_ms(REACH, 0);
        assert!(errors.len() > 15, "{} samples", errors.len());
        let mean_ms = errors.iter().map(|error| error.0).sum::<f64>() / errors.len() as f64;
        assert!((mean_ms - 0.85).abs() < 0.4, "1 ms of asymmetry, less what is late on the way back: {mean_ms}");
        assert!(errors.iter().all(|(error, _, bound)| error.abs() < *bound && *bound < 20.0), "{errors:?}");
        let within = errors.iter().filter(|(error, sigma, _)| (error - mean_ms).abs() < 2.0 * sigma).count();
        assert!(within * 10 >= errors.len() * 8, "{errors:?}");
    }

    #[test]
    fn a_line_of_its_own_is_the_same_at_every_contact_of_its_box_and_the_way_of_the_ride_is_another() {
        let text = "boxes = 2\n[home]\nasymmetry_ms = 0\nasymmetry_sigma_ms = 0\nasymmetry_line_sigma_ms = 2\n\
            jitter_up_ms = 0\njitter_down_ms = 0\n[ntp]\nbase_delay_ms = 45\nasymmetry_ms = 10\n\
            asymmetry_sigma_ms = 0\navailable_minutes = [[30, 90]]\n";
        let mut lines = Vec::new();
        for index in 0..2 {
            let errors = errors_ms(text, index);
            let (ride, home): (Vec<Error>, Vec<Error>) = errors.iter().partition(|(_, _, bound)| *bound > 20.0);
            assert!(home.len() > 20 && ride.len() > 5, "{errors:?}");
            assert!(home.iter().all(|(error, ..)| (error - home[0].0).abs() < 0.1), "{errors:?}");
            assert!(ride.iter().all(|(error, ..)| (error - 9.0).abs() < 4.0), "{errors:?}");
            lines.push(home[0].0);
        }
        assert!((lines[0] - lines[1]).abs() > 0.1, "{lines:?}");
    }

    #[test]
    fn a_server_that_lies_is_off_by_its_lie_for_as_long_as_it_lies() {
        let lie = "[[event]]\nkind = \"reference_lies\"\nsource = \"ntp\"\nat_minutes = 60\nby_ms = 3000\n\
            for_minutes = 60\n";
        let errors = errors_ms(&format!("{REACH}{lie}"), 0);
        let lies = errors.iter().filter(|error| (error.0 - 3000.0).abs() < 10.0).count();
        let honest = errors.iter().filter(|error| error.0.abs() < 10.0).count();
        assert!(lies >= 3 && honest >= 12 && lies + honest == errors.len(), "{errors:?}");
    }

    #[test]
    fn out_of_reach_there_is_nothing_and_a_lossy_way_gives_less() {
        assert!(errors_ms("[calibration]\ndays_before = 0\n", 0).is_empty());
        assert!(errors_ms(&format!("{REACH}loss = 1.0\n"), 0).is_empty());
    }
}
