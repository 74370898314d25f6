//! `jaudiosync-sim simulate`: a fleet in virtual time.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::fleet::{FleetError, make_policy, run_fleet};
use crate::plot;
use crate::report::{self, Report};
use crate::sample::BoxSample;
use crate::scenario::{BUILT_IN, Scenario, ScenarioError, built_in, load, parse};
use jaudiosync::cli::{Failure, output};

/// Steps of the progress bar.
const STEPS: u64 = 1000;

/// Simulate a fleet of boxes, and report how far apart they are heard
///
/// Boxes with imperfect crystals, clocks, networks and sound cards run this program's own
/// timekeeping and phase lock in virtual time. The figures are errors at the DAC against true time,
/// which only a simulation knows. The same scenario and seed always give the same figures.
#[derive(Debug, Args)]
#[command(after_help = "Examples, each after `cargo run --release -p jaudiosync-sim --`:
  simulate                                       8 boxes, 4 hours, calibrated at home
  simulate --scenario gps --plot fleet.svg       another scenario, and a picture of it
  simulate --scenario python --seeds 5           the Python program, five times
  simulate --print-scenario ride > mine.toml     a scenario of your own to begin with
  simulate --scenario mine.toml --json")]
pub(super) struct Simulate {
    /// The scenario: a file, or the name of a built-in one
    #[arg(long, value_name = "FILE|NAME", default_value = BUILT_IN[0].name)]
    scenario: String,

    /// Boxes, instead of the scenario's number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    boxes: Option<u32>,

    /// Length of the ride in hours, instead of the scenario's
    #[arg(long, value_name = "HOURS", value_parser = hours)]
    hours: Option<f64>,

    /// What all chance depends on
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// Run this many seeds, from --seed on, and print a line for every one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,

    /// Draw the ride as SVG; with --seeds the first one
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Print JSON; with --seeds a line for each
    #[arg(long)]
    json: bool,

    /// List the built-in scenarios
    #[arg(long, exclusive = true)]
    list_scenarios: bool,

    /// Print a built-in scenario
    #[arg(long, value_name = "NAME", exclusive = true)]
    print_scenario: Option<String>,
}

fn hours(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(hours) if (1.0 / 60.0..=48.0).contains(&hours) => Ok(hours),
        _ => Err("from 0.0167 (a minute) to 48 hours".to_owned()),
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        Self::Other(error.to_string())
    }
}

impl Simulate {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if self.list_scenarios {
            return list_scenarios();
        }
        if let Some(name) = &self.print_scenario {
            let known = BUILT_IN.map(|scenario| scenario.name).join(", ");
            let scenario = built_in(name).ok_or_else(|| {
                Failure::Usage(format!("there is no built-in scenario \"{name}\"; there are: {known}"))
            })?;
            output::say(scenario.text.trim_end());
            return Ok(());
        }
        let scenario = self.load()?;
        for seed in (0..self.seeds).map(|step| self.seed.wrapping_add(step)) {
            let fleet = self.simulate(&scenario, seed)?;
            if seed == self.seed {
                self.draw(&scenario, &fleet)?;
            }
            let report = Report::new(&scenario, &self.scenario, seed, &fleet);
            match (self.json, self.seeds) {
                (true, 1) => output::say_pretty_json(&report)?,
                (true, _) => output::say_json(&report)?,
                (false, 1) => output::say(report::table(&report)),
                (false, _) => output::say(report::line(&report)),
            }
        }
        Ok(())
    }

    fn load(&self) -> Result<Scenario, Failure> {
        let mut scenario = load(&self.scenario)?;
        if let Some(hours) = self.hours {
            scenario.hours = hours;
        }
        if let Some(boxes) = self.boxes {
            scenario.boxes = boxes as usize;
            if let Some(number) = scenario.events.iter().filter_map(|event| event.number()).max()
                && number > scenario.boxes
            {
                let name = &self.scenario;
                return Err(Failure::Usage(format!(
                    "{name} has an event of box {number}; use --boxes {number} or more"
                )));
            }
        }
        Ok(scenario)
    }

    fn simulate(&self, scenario: &Scenario, seed: u64) -> Result<Vec<Vec<BoxSample>>, Failure> {
        // On anything but a terminal indicatif draws nothing.
        let bar = ProgressBar::new(STEPS);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {percent} %, {eta} left") {
            bar.set_style(style);
        }
        bar.set_prefix(format!("seed {seed}"));
        let fleet = run_fleet(scenario, seed, &make_policy, &|part| bar.set_position((part * STEPS as f64) as u64));
        bar.finish_and_clear();
        Ok(fleet?)
    }

    fn draw(&self, scenario: &Scenario, fleet: &[Vec<BoxSample>]) -> Result<(), Failure> {
        let Some(path) = &self.plot else { return Ok(()) };
        let name = PathBuf::from(&self.scenario);
        let name = name.file_stem().map_or(self.scenario.clone().into(), |stem| stem.to_string_lossy());
        let svg = plot::draw(scenario, &name, self.seed, fleet).map_err(|error| Failure::Other(error.to_string()))?;
        jaudiosync::storage::write_atomically(path, svg.as_bytes())
            .map_err(|error| Failure::Other(format!("{} cannot be written: {error}", path.display())))
    }
}

fn list_scenarios() -> Result<(), Failure> {
    let width = BUILT_IN.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    for scenario in BUILT_IN {
        let description = parse(scenario.text, scenario.name)?.description;
        output::say(format_args!("{:width$}  {description}", scenario.name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        simulate: Simulate,
    }

    fn line(arguments: &[&str]) -> Result<Simulate, clap::Error> {
        Line::try_parse_from([&["simulate"], arguments].concat()).map(|line| line.simulate)
    }

    #[test]
    fn arguments_outrank_the_scenario() {
        let scenario = line(&["--boxes", "3", "--hours", "0.5"]).unwrap().load().unwrap();
        assert_eq!((scenario.boxes, scenario.hours), (3, 0.5));
        let scenario = line(&["--scenario", "gps"]).unwrap().load().unwrap();
        assert_eq!((scenario.boxes, scenario.hours), (8, 4.0));
    }

    #[test]
    fn what_makes_no_sense_is_an_error_of_usage() {
        for wrong in [["--boxes", "0"], ["--hours", "nan"], ["--hours", "-1"], ["--seeds", "0"]] {
            assert!(line(&wrong).is_err(), "{wrong:?}");
        }
        let failure = line(&["--scenario", "no-such-ride"]).unwrap().run().unwrap_err();
        assert!(matches!(&failure, Failure::Usage(message) if message.contains("ride, ideal-rtc")), "{failure}");
        let failure = line(&["--scenario", "faults", "--boxes", "2"]).unwrap().run().unwrap_err();
        assert!(failure.to_string().contains("box 7"), "{failure}");
        assert!(line(&["--print-scenario", "nothing"]).unwrap().run().is_err());
    }
}
