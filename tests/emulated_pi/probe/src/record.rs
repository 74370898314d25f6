//! Records what the loopback card plays, and when every frame was played.
//!
//! The card advances with the kernel's ticks, some milliseconds of frames at a time, and at every
//! step hands what was played to its capture side. So a reading of its position is late by up to a
//! tick, and never early; the one just after a tick, when a waiting program is woken, is exact.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use alsa::pcm::{Access, Format, HwParams, PCM, TstampType};
use alsa::{Direction, ValueOr};
use anyhow::{Context, Result, ensure};
use clap::Args;
use jaudiosync_time::{Instant, Raw, Span};

/// The capture side of the first playback device.
const DEVICE: &str = "hw:Loopback,1,0";
const CHANNELS: u32 = 2;
/// Both sides of the card have one format, which is the one that the player prefers.
const FULL_SCALE: f64 = 2_147_483_648.0;
/// How often the position is read: 50 times a second.
const PERIOD_FRAMES: i64 = 960;
/// As long as the card allows, so that a pause of this program loses nothing.
const BUFFER_FRAMES: i64 = 96_000;

/// Record what the loopback card plays
///
/// FILE gets the mean of both channels as 32-bit floats; FILE.clock gets a line for every reading
/// of the card's clock: the number of frames played by then, and the instant on CLOCK_MONOTONIC_RAW
/// in ns. Recording ends with a signal, and nothing is buffered until then.
#[derive(Debug, Args)]
pub(super) struct Record {
    file: PathBuf,
    #[arg(long, default_value_t = 48_000)]
    rate_hz: u32,
}

impl Record {
    pub(super) fn run(&self) -> Result<()> {
        let card = self.open().context("the loopback card cannot be opened")?;
        let mut clock_file = self.file.clone().into_os_string();
        clock_file.push(".clock");
        let mut clock = File::create(clock_file)?;
        let mut frames = File::create(&self.file)?;
        let input = card.io_i32()?;
        let mut buffer = vec![0_i32; (PERIOD_FRAMES * i64::from(CHANNELS)) as usize];
        let mut bytes = Vec::new();
        let mut recorded = 0;
        card.start()?;
        println!("recording");
        loop {
            card.wait(None)?;
            let status = card.status()?;
            let read_at = status.get_htstamp();
            let raw = Instant::<Raw>::from_second(read_at.tv_sec) + Span::from_ns(read_at.tv_nsec);
            writeln!(clock, "{} {}", recorded + status.get_avail(), raw.ns())?;
            let count = input.readi(&mut buffer).context("the recording was held up for too long")?;
            bytes.clear();
            for frame in buffer.chunks_exact(CHANNELS as usize).take(count) {
                let sum: f64 = frame.iter().copied().map(f64::from).sum();
                let mean = (sum / f64::from(CHANNELS) / FULL_SCALE) as f32;
                bytes.extend(mean.to_le_bytes());
            }
            frames.write_all(&bytes)?;
            recorded += count as i64;
        }
    }

    fn open(&self) -> Result<PCM> {
        let card = PCM::new(DEVICE, Direction::Capture, false)?;
        {
            let hardware = HwParams::any(&card)?;
            hardware.set_access(Access::RWInterleaved)?;
            hardware.set_format(Format::S32LE)?;
            hardware.set_channels(CHANNELS)?;
            hardware.set_rate(self.rate_hz, ValueOr::Nearest)?;
            hardware.set_period_size_near(PERIOD_FRAMES, ValueOr::Nearest)?;
            hardware.set_buffer_size_near(BUFFER_FRAMES)?;
            card.hw_params(&hardware)?;
            ensure!(hardware.get_rate()? == self.rate_hz, "it does not run at {} Hz", self.rate_hz);
        }
        let software = card.sw_params_current()?;
        software.set_avail_min(PERIOD_FRAMES)?;
        software.set_tstamp_mode(true)?;
        software.set_tstamp_type(TstampType::MonotonicRaw)?;
        card.sw_params(&software)?;
        drop(software);
        Ok(card)
    }
}
