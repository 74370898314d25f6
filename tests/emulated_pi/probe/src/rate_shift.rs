//! The speed of the loopback card: it can act as a sound card whose crystal is off.

use std::ffi::CStr;

use alsa::ctl::{ElemId, ElemIface, ElemType, ElemValue};
use alsa::hctl::HCtl;
use anyhow::{Context, Result};
use clap::Args;

/// Snd-aloop's control, in steps of 10 ppm.
const CONTROL: &CStr = c"PCM Rate Shift 100000";
const NO_SHIFT: i32 = 100_000;
/// The first playback device shares the control with the capture side on which it is heard, where
/// the control is found.
const CAPTURE_DEVICE: u32 = 1;

/// Make the loopback card run slow or fast
#[derive(Debug, Args)]
pub(super) struct RateShift {
    /// By how many steps of 10 ppm it runs slow
    #[arg(allow_hyphen_values = true)]
    slow_by_10_ppm: i32,
}

impl RateShift {
    pub(super) fn run(&self) -> Result<()> {
        let controls = HCtl::new("hw:Loopback", false)?;
        controls.load()?;
        let mut id = ElemId::new(ElemIface::PCM);
        id.set_name(CONTROL);
        id.set_device(CAPTURE_DEVICE);
        let control = controls.find_elem(&id).context("no such control")?;
        let mut value = ElemValue::new(ElemType::Integer)?;
        value.set_integer(0, NO_SHIFT + self.slow_by_10_ppm).context("no such value")?;
        control.write(&value)?;
        Ok(())
    }
}
