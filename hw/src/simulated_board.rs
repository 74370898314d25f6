//! A board without hardware: the buttons, the jumper, the LED and the mixer of a simulated box,
//! under control of a test.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::buttons::{BoardError, Button, Inputs, Levels};
use crate::led::Led;
use crate::mixer::{Mixer, MixerError, MixerVolume, VolumeSet};

/// A handle to a simulated board; clones are handles to the same one. One handle presses and
/// observes, another is given to the service as [`Inputs`], [`Led`] and [`Mixer`].
#[derive(Debug, Clone, Default)]
pub struct SimulatedBoard {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    levels: Levels,
    readings: u64,
    lit: bool,
    volume_percent: u8,
    inputs_fault: Option<BoardError>,
    led_fault: Option<BoardError>,
    mixer_fault: Option<MixerError>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            levels: Levels::default(),
            readings: 0,
            lit: false,
            // The volume that a card starts with is arbitrary.
            volume_percent: 77,
            inputs_fault: None,
            led_fault: None,
            mixer_fault: None,
        }
    }
}

impl SimulatedBoard {
    /// Makes a board with nothing pressed and no jumper.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain values: those that a thread left when it panicked are as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Presses a button, until it is released.
    pub fn press(&self, button: Button) {
        self.set_pressed(button, true);
    }

    /// Releases a button.
    pub fn release(&self, button: Button) {
        self.set_pressed(button, false);
    }

    /// Presses or releases a button.
    pub fn set_pressed(&self, button: Button, pressed: bool) {
        let mut state = self.state();
        state.levels = state.levels.with(button, pressed);
    }

    /// Fits or removes the jumper.
    pub fn set_jumper(&self, fitted: bool) {
        self.state().levels.jumper_fitted = fitted;
    }

    /// Returns what is pressed and fitted.
    pub fn levels(&self) -> Levels {
        self.state().levels
    }

    /// Returns how many times the levels were read as [`Inputs`].
    pub fn readings(&self) -> u64 {
        self.state().readings
    }

    /// Returns whether the LED is lit.
    pub fn is_lit(&self) -> bool {
        self.state().lit
    }

    /// Returns what the mixer is set to, in percent.
    pub fn volume_percent(&self) -> u8 {
        self.state().volume_percent
    }

    /// Makes every reading of the inputs fail with this error, until it is `None` again.
    pub fn fail_inputs(&self, fault: Option<BoardError>) {
        self.state().inputs_fault = fault;
    }

    /// Makes every setting of the LED fail with this error, until it is `None` again.
    pub fn fail_led(&self, fault: Option<BoardError>) {
        self.state().led_fault = fault;
    }

    /// Makes every use of the mixer fail with this error, until it is `None` again.
    pub fn fail_mixer(&self, fault: Option<MixerError>) {
        self.state().mixer_fault = fault;
    }
}

impl Inputs for SimulatedBoard {
    fn read(&mut self) -> Result<Levels, BoardError> {
        let mut state = self.state();
        state.readings += 1;
        state.inputs_fault.clone().map_or(Ok(state.levels), Err)
    }
}

impl Led for SimulatedBoard {
    fn set(&mut self, lit: bool) -> Result<(), BoardError> {
        let mut state = self.state();
        if let Some(fault) = state.led_fault.clone() {
            return Err(fault);
        }
        state.lit = lit;
        Ok(())
    }
}

impl Mixer for SimulatedBoard {
    fn name(&self) -> String {
        "simulated".to_owned()
    }

    fn volume(&mut self) -> Result<MixerVolume, MixerError> {
        let state = self.state();
        let volume = MixerVolume { percent: state.volume_percent, db: None, is_muted: false };
        state.mixer_fault.clone().map_or(Ok(volume), Err)
    }

    fn set_volume(&mut self, percent: u8) -> Result<VolumeSet, MixerError> {
        let mut state = self.state();
        if let Some(fault) = state.mixer_fault.clone() {
            return Err(fault);
        }
        state.volume_percent = percent.min(100);
        Ok(VolumeSet { player_gain: 1.0, top_db: None, was_muted: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_handle_sees_what_another_does() {
        let board = SimulatedBoard::new();
        let (mut inputs, mut led, mut mixer) = (board.clone(), board.clone(), board.clone());
        board.press(Button::Stop);
        board.set_jumper(true);
        let levels = inputs.read().unwrap();
        assert!(levels.is_pressed(Button::Stop) && levels.jumper_fitted && !levels.is_pressed(Button::Start));
        board.release(Button::Stop);
        assert!(!inputs.read().unwrap().is_pressed(Button::Stop));
        led.set(true).unwrap();
        mixer.set_volume(35).unwrap();
        assert!(board.is_lit());
        assert_eq!(board.volume_percent(), 35);
        assert_eq!(mixer.volume().map(|volume| volume.percent), Ok(35));
    }

    #[test]
    fn faults_last_until_they_are_cleared_and_change_nothing() {
        let mut board = SimulatedBoard::new();
        board.fail_inputs(Some(BoardError::Failed("broken".into())));
        board.fail_led(Some(BoardError::Failed("broken".into())));
        board.fail_mixer(Some(MixerError::Lost { card: "simulated".into(), reason: "unplugged".into() }));
        assert!(board.read().is_err() && board.read().is_err());
        assert!(board.set(true).is_err() && board.set_volume(1).is_err());
        board.fail_inputs(None);
        assert_eq!(board.read(), Ok(Levels::default()));
        assert_eq!((board.is_lit(), board.volume_percent()), (false, 77));
    }
}
