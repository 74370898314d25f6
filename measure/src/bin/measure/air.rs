//! A command, or a shell, on a virtual air.

use std::ffi::OsString;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use clap::builder::PossibleValuesParser;
use jaudiosync_measure::air::{Air, AirModel, Station};

/// Run a command, or a shell, on the first of some stations of a virtual Wi-Fi
///
/// Each station is a network namespace with the device wlan0 and an address of 10.42.0.0/24; files
/// and sound are those of this machine. $ON_2 before a command runs it on the second station, and
/// so on. What still runs on a station when the command ends is killed.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs root, or: unshare --user --map-root-user measure air\n\nExamples:\n  measure air --stations 3 --model quiet\n  measure air -- ping -c 5 10.42.0.3\n  measure air -- sh -c '$ON_2 my-server & my-client 10.42.0.3'"
)]
pub(super) struct OnAir {
    /// How many stations there are
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=252))]
    stations: u8,

    /// How the air behaves
    #[arg(long, default_value = "hotspot", value_parser = PossibleValuesParser::new(AirModel::presets().map(|(name, _)| name)))]
    model: String,

    /// What decides all that is random; without it, another one each time
    #[arg(long)]
    seed: Option<u64>,

    /// The command and its arguments; without it, a shell
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

impl OnAir {
    /// Runs the command and exits with its exit code.
    pub(super) fn run(&self) -> Result<()> {
        let model = AirModel::by_name(&self.model).context("there is no such model")?;
        let air = Air::start(model, self.seed.unwrap_or_else(|| fastrand::u64(..)))?;
        let stations =
            (1..=self.stations).map(|number| air.station(&number.to_string())).collect::<Result<Vec<_>, _>>()?;
        let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        let (program, arguments) = self.command.split_first().unwrap_or((&shell, &[]));
        let first = stations.first().context("there are no stations")?;
        let mut command = first.command(program);
        command.args(arguments);
        for station in &stations {
            println!("station {}: {}", station.name(), station.address());
            command.env(format!("ON_{}", station.name()), prefix(station));
        }
        let status = command.status().map_err(|error| anyhow!("cannot run nsenter (package util-linux): {error}"))?;
        let counts = air.counts();
        eprintln!("virtual air: {} frames sent; {} delivered, {} lost", counts.sent, counts.delivered, counts.lost);
        drop(air);
        std::process::exit(status.code().unwrap_or(1));
    }
}

/// Returns what to write before a command so that it runs on this station.
fn prefix(station: &Station) -> String {
    format!("nsenter --net={} --", station.namespace().display())
}
