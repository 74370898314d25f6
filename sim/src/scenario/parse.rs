//! From text to a scenario, with errors that name the file, the line, and what is allowed.

use std::io;
use std::path::Path;

use super::{BUILT_IN, Event, Ntp, Scenario, built_in};

/// Scenarios are small; anything larger is another file.
const MAX_BYTES: u64 = 1_000_000;

const MILLISECONDS: &str = "from 0 to 10000";
const PART: &str = "from 0 to 1";

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// There is no such file and no such name.
    #[error("there is no scenario \"{name}\" and no such file; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The file cannot be read.
    #[error("{name} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        name: String,
        /// What the system says.
        reason: io::Error,
    },
    /// It is not TOML, or holds what no scenario has.
    #[error("{name}: {message}")]
    Syntax {
        /// The file.
        name: String,
        /// With line, column and what is allowed there.
        message: String,
    },
    /// A value makes no sense.
    #[error("{name}{place}: {field} is {value}; it must be {allowed}")]
    Value {
        /// The file.
        name: String,
        /// The line, where it is known.
        place: String,
        /// The field.
        field: String,
        /// What it is.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
}

/// The scenario in a file, or the built-in one of this name.
///
/// # Errors
/// When there is none, or it cannot be used.
pub fn load(name: &str) -> Result<Scenario, ScenarioError> {
    if let Some(scenario) = built_in(name) {
        return parse(scenario.text, name);
    }
    let unreadable = |reason| ScenarioError::Unreadable { name: name.to_owned(), reason };
    let path = Path::new(name);
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let known = BUILT_IN.map(|scenario| scenario.name).join(", ");
            return Err(ScenarioError::Unknown { name: name.to_owned(), known });
        }
        Err(error) => return Err(unreadable(error)),
        Ok(metadata) if !metadata.is_file() => return Err(unreadable(io::Error::other("it is not a file"))),
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            return Err(unreadable(io::Error::other("it is too large for a scenario")));
        }
        Ok(_) => {}
    }
    parse(&std::fs::read_to_string(path).map_err(unreadable)?, name)
}

/// A scenario from its text; `name` is for errors.
///
/// # Errors
/// When it cannot be used.
pub fn parse(text: &str, name: &str) -> Result<Scenario, ScenarioError> {
    let scenario: Scenario = toml::from_str(text)
        .map_err(|error| ScenarioError::Syntax { name: name.to_owned(), message: error.to_string() })?;
    match scenario.first_nonsense() {
        None => Ok(scenario),
        Some(Nonsense { field, value, allowed }) => {
            let place = line_of(text, &field).map_or(String::new(), |line| format!(", line {line}"));
            Err(ScenarioError::Value { name: name.to_owned(), place, field, value, allowed })
        }
    }
}

struct Nonsense {
    field: String,
    value: String,
    allowed: &'static str,
}

fn check<T: PartialOrd + ToString>(field: &str, value: T, range: (T, T), allowed: &'static str) -> Option<Nonsense> {
    // NaN is in no range.
    let is_fine = value >= range.0 && value <= range.1;
    (!is_fine).then(|| Nonsense { field: field.to_owned(), value: value.to_string(), allowed })
}

impl Scenario {
    fn first_nonsense(&self) -> Option<Nonsense> {
        const TEMPERATURE: &str = "from -40 to 85";
        let (calibration, weather, gps) = (&self.calibration, &self.temperature, &self.gps);
        let celsius = |field, value| check(field, value, (-40.0, 85.0), TEMPERATURE);
        let spread_c = |field, value| check(field, value, (0.0, 20.0), "from 0 to 20");
        let milliseconds = |field, value| check(field, value, (0.0, 10_000.0), MILLISECONDS);
        check("boxes", self.boxes, (1, 100), "from 1 to 100")
            .or_else(|| check("hours", self.hours, (1.0 / 60.0, 48.0), "from 0.0167 (a minute) to 48"))
            .or_else(|| check("calibration.days_before", calibration.days_before, (0.0, 60.0), "from 0 to 60"))
            .or_else(|| {
                let value = calibration.ntp_contacts_per_day;
                check("calibration.ntp_contacts_per_day", value, (0.0, 24.0), "from 0 to 24")
            })
            .or_else(|| check("calibration.on_minutes", calibration.on_minutes, (2.0, 1440.0), "from 2 to 1440"))
            .or_else(|| {
                let value = calibration.last_ends_minutes_before;
                check("calibration.last_ends_minutes_before", value, (2.0, 10_000.0), "from 2 to 10000")
            })
            .or_else(|| celsius("temperature.min_c", weather.min_c))
            .or_else(|| check("temperature.max_c", weather.max_c, (weather.min_c, 85.0), "from min_c to 85"))
            .or_else(|| celsius("temperature.indoor_c", weather.indoor_c))
            .or_else(|| spread_c("temperature.indoor_swing_c", weather.indoor_swing_c))
            .or_else(|| spread_c("temperature.box_sigma_c", weather.box_sigma_c))
            .or_else(|| spread_c("temperature.sun_c", weather.sun_c))
            .or_else(|| {
                let value = weather.box_time_constant_minutes;
                check("temperature.box_time_constant_minutes", value, (0.1, 600.0), "from 0.1 to 600")
            })
            .or_else(|| self.nonsense_of_crystals())
            .or_else(|| check("dac.rate_hz", self.dac.rate_hz, (8000, 192_000), "from 8000 to 192000"))
            .or_else(|| check("dac.period_frames", self.dac.period_frames, (64, 16_384), "from 64 to 16384"))
            .or_else(|| check("dac.burst_probability", self.dac.burst_probability, (0.0, 1.0), PART))
            .or_else(|| milliseconds("dac.burst_ms", self.dac.burst_ms))
            .or_else(|| nonsense_of_ntp("ntp", &self.ntp))
            .or_else(|| self.home.as_ref().and_then(|home| self.nonsense_of_home(home)))
            .or_else(|| check("gps.jitter_us", gps.jitter_us, (0.0, 1e6), "from 0 to 1000000"))
            .or_else(|| check("gps.interrupt_us", gps.interrupt_us, (0.0, 1e6), "from 0 to 1000000"))
            .or_else(|| check("gps.interval_s", gps.interval_s, (1.0, 3600.0), "from 1 to 3600"))
            .or_else(|| nonsense_of_windows("gps.available_minutes", &gps.available_minutes))
            .or_else(|| self.events.iter().enumerate().find_map(|(index, event)| self.nonsense_of_event(index, event)))
    }

    fn nonsense_of_home(&self, home: &Ntp) -> Option<Nonsense> {
        let servers = self.ntp.servers;
        nonsense_of_ntp("home", home)
            .or_else(|| check("home.servers", home.servers, (servers, servers), "as many as ntp.servers"))
            .or_else(|| {
                let windows = home.available_minutes.len();
                check("home.available_minutes", windows, (0, 0), "left out: the contacts are those of calibration")
            })
    }

    fn nonsense_of_crystals(&self) -> Option<Nonsense> {
        for (section, crystal) in [("pi_crystal", &self.pi_crystal), ("dac_crystal", &self.dac_crystal)] {
            let fields = [
                ("rate_sigma_ppm", crystal.rate_sigma_ppm, 0.0),
                ("rate_limit_ppm", crystal.rate_limit_ppm, 0.0),
                ("turnover_c", crystal.turnover_c, -100.0),
                ("parabola_ppm_per_c2", crystal.parabola_ppm_per_c2, -500.0),
                ("slope_sigma_ppm_per_c", crystal.slope_sigma_ppm_per_c, 0.0),
                ("white_fm_ppm", crystal.white_fm_ppm, 0.0),
                ("walk_fm_ppm", crystal.walk_fm_ppm, 0.0),
                ("aging_sigma_ppb_per_day", crystal.aging_sigma_ppb_per_day, 0.0),
            ];
            for (field, value, least) in fields {
                let allowed = "a number up to 500, and not negative where it is a spread";
                let found = check(&format!("{section}.{field}"), value, (least, 500.0), allowed);
                if found.is_some() {
                    return found;
                }
            }
        }
        let rtc = &self.rtc;
        let fields = [
            ("rtc.rate_sigma_ppm", rtc.rate_sigma_ppm, 100.0),
            ("rtc.rate_limit_ppm", rtc.rate_limit_ppm, 100.0),
            ("rtc.residual_ppm", rtc.residual_ppm, 100.0),
            ("rtc.aging_sigma_ppb_per_day", rtc.aging_sigma_ppb_per_day, 100.0),
            ("rtc.initial_offset_sigma_ms", rtc.initial_offset_sigma_ms, 1e9),
        ];
        fields
            .into_iter()
            .find_map(|(field, value, most)| check(field, value, (0.0, most), "from 0 to 100 (an offset: to 1e9)"))
    }

    fn nonsense_of_event(&self, index: usize, event: &Event) -> Option<Nonsense> {
        let name = |field: &str| format!("event.{field} of event {}", index + 1);
        let all = "from 1 to the number of boxes";
        let minutes = (-100_000.0, 100_000.0);
        let of_kind = match event {
            Event::ReferenceLies { by_ms, server, .. } => {
                let by = check(&name("by_ms"), *by_ms, (-1e13, 1e13), "from -1e13 to 1e13");
                let allowed = "from 1 to the number of servers";
                by.or_else(|| server.and_then(|server| check(&name("server"), server, (1, self.ntp.servers), allowed)))
            }
            Event::BootsLate { at_minutes, .. } => check(&name("at_minutes"), *at_minutes, (0.0, 1e5), "0 or more"),
            _ => None,
        };
        event
            .number()
            .and_then(|number| check(&name("box"), number, (1, self.boxes), all))
            .or_else(|| check(&name("at_minutes"), event.at_minutes(), minutes, "from -100000 to 100000"))
            .or_else(|| check(&name("its duration in minutes"), event.lasts_minutes(), (0.0, 1e5), "0 or more"))
            .or(of_kind)
    }
}

fn nonsense_of_ntp(section: &str, ntp: &Ntp) -> Option<Nonsense> {
    let name = |field: &str| format!("{section}.{field}");
    let milliseconds = |(field, value): (&str, f64)| check(&name(field), value, (0.0, 10_000.0), MILLISECONDS);
    let asymmetry = (-10_000.0, 10_000.0);
    check(&name("servers"), ntp.servers, (1, 10), "from 1 to 10")
        .or_else(|| check(&name("asymmetry_ms"), ntp.asymmetry_ms, asymmetry, "from -10000 to 10000"))
        .or_else(|| check(&name("loss"), ntp.loss, (0.0, 1.0), PART))
        .or_else(|| nonsense_of_windows(&name("available_minutes"), &ntp.available_minutes))
        .or_else(|| {
            let fields = [
                ("base_delay_ms", ntp.base_delay_ms),
                ("asymmetry_sigma_ms", ntp.asymmetry_sigma_ms),
                ("asymmetry_line_sigma_ms", ntp.asymmetry_line_sigma_ms),
                ("jitter_up_ms", ntp.jitter_up_ms),
                ("jitter_down_ms", ntp.jitter_down_ms),
                ("root_distance_ms", ntp.root_distance_ms),
            ];
            fields.into_iter().find_map(milliseconds)
        })
}

fn nonsense_of_windows(field: &str, windows: &[[f64; 2]]) -> Option<Nonsense> {
    let allowed = "pairs of minutes since the beginning of the ride, the smaller one first, such as [[0, 30]]";
    let bad = windows.iter().find(|[from, to]| !(from.abs() < 1e6 && to.abs() < 1e6 && from <= to))?;
    Some(Nonsense { field: field.to_owned(), value: format!("{bad:?}"), allowed })
}

/// The line of a field in the text: `section.key`, or `key` before the first section.
fn line_of(text: &str, field: &str) -> Option<usize> {
    let field = field.split_whitespace().next()?;
    let (section, key) = field.rsplit_once('.').unwrap_or(("", field));
    let mut current = "";
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            current = line.trim_matches(|letter| "[] \t".contains(letter));
        } else if current == section && line.split('=').next().is_some_and(|name| name.trim() == key) {
            return Some(index + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text, "fleet.toml").unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_field_is_reported_with_its_line_and_what_is_allowed() {
        let error = message("boxes = 3\n[ntp]\nserver = 2\n");
        assert!(error.starts_with("fleet.toml: ") && error.contains("line 3"), "{error}");
        assert!(error.contains("`server`") && error.contains("servers") && error.contains("jitter_up_ms"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_reported_with_its_line_and_its_range() {
        assert_eq!(message("hours = 2\nboxes = 0\n"), "fleet.toml, line 2: boxes is 0; it must be from 1 to 100");
        let error = message("[gps]\ninterval_s = 1\n[ntp]\n loss = 1.5\n");
        assert_eq!(error, "fleet.toml, line 4: ntp.loss is 1.5; it must be from 0 to 1");
        let error = message("[home]\nbase_delay_ms = -1\n");
        assert_eq!(error, "fleet.toml, line 2: home.base_delay_ms is -1; it must be from 0 to 10000");
        let error = message("[ntp]\nservers = 2\n[home]\navailable_minutes = []\n");
        assert_eq!(error, "fleet.toml: home.servers is 1; it must be as many as ntp.servers");
        let error = message("hours = nan");
        assert!(error.contains("hours is NaN"), "{error}");
    }

    #[test]
    fn an_unknown_event_is_reported() {
        let error = message("[[event]]\nkind = \"earthquake\"\nat_minutes = 3\n");
        assert!(error.contains("earthquake") && error.contains("power_cut"), "{error}");
        let error = message("boxes = 2\n[[event]]\nkind = \"boots_late\"\nbox = 3\nat_minutes = 3\n");
        assert_eq!(error, "fleet.toml, line 4: event.box of event 1 is 3; it must be from 1 to the number of boxes");
        let error = message("[[event]]\nkind = \"boots_late\"\nat_minutes = 3\ncolour = 1\n");
        assert!(error.contains("colour"), "{error}");
    }

    #[test]
    fn a_scenario_that_is_not_there_names_those_that_are() {
        let error = load("rid").unwrap_err().to_string();
        assert!(error.contains("\"rid\"") && error.contains("ride, ideal-rtc"), "{error}");
        assert!(matches!(load("."), Err(ScenarioError::Unreadable { .. })));
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        let mut scenario = Scenario::default();
        let text = "[[event]]\nkind = \"power_cut\"\nat_minutes = 30\nbox = 2\noff_s = 20\n";
        scenario.events = parse(text, "text").unwrap().events;
        let written = toml::to_string(&scenario).unwrap();
        assert_eq!(parse(&written, "written").unwrap(), scenario);
    }
}
