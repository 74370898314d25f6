//! Sets the volume: on the card's own mixer, or in the player if the card has none or its mixer is
//! not responding. It does so on a thread of its own, as a USB card that is being pulled out may
//! block a caller.
//!
//! A mixer is set repeatedly for a minute: at boot, and whenever a card is plugged in,
//! `alsactl restore` puts back what was stored at some shutdown (alsa-utils' alsa-restore.service and
//! 90-alsa-restore.rules), and that may happen later.

use std::time::Duration;

use jaudiosync_hw::mixer::{Mixer, MixerError};

use crate::worker::Task;

/// The pause before a card that does not answer is tried again, and before one that does is set
/// again.
const AGAIN: Duration = Duration::from_secs(2);
/// How many times a card that answers is set again.
const REPEATS: u32 = 30;

/// The pause while the volume is set and there is nothing to do.
const NOTHING: Duration = Duration::from_secs(3600);

/// What sets the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeReport {
    /// This mixer.
    Mixer(String),
    /// The player itself, because there is no mixer.
    Software,
    /// Not what should set it, for this reason.
    Trouble(String),
}

/// Opens the card's mixer; `None` if it has no control for the volume.
pub type OpenMixer = Box<dyn FnMut() -> Result<Option<Box<dyn Mixer>>, MixerError> + Send>;

/// Sets the volume within the player, as a factor.
pub type SetGain = Box<dyn Fn(f32) + Send>;

/// Sets the volume to the last value it was given.
pub struct VolumeTask {
    open: OpenMixer,
    set_gain: SetGain,
    report: Box<dyn Fn(VolumeReport) + Send>,
    reported: Option<VolumeReport>,
    mixer: Option<Box<dyn Mixer>>,
    wanted_percent: Option<u8>,
    repeats_left: u32,
}

impl VolumeTask {
    /// Makes a task that opens the mixer when the volume is first set.
    pub fn new(open: OpenMixer, set_gain: SetGain, report: Box<dyn Fn(VolumeReport) + Send>) -> Self {
        Self { open, set_gain, report, reported: None, mixer: None, wanted_percent: None, repeats_left: 0 }
    }

    /// Sets it on the mixer that is open, or otherwise on one that can be opened now: the card may
    /// be a different one than before.
    fn set(&mut self, percent: u8) -> Result<VolumeReport, MixerError> {
        let mixer = match self.mixer.take() {
            Some(mixer) => Ok(Some(mixer)),
            None => (self.open)(),
        };
        match mixer {
            Ok(Some(mut mixer)) => {
                mixer.set_volume_percent(percent)?;
                (self.set_gain)(1.0);
                let news = VolumeReport::Mixer(mixer.name());
                self.mixer = Some(mixer);
                Ok(news)
            }
            Ok(None) => {
                (self.set_gain)(gain(percent));
                Ok(VolumeReport::Software)
            }
            // The owner has named a control that does not exist: a volume that can be set is better
            // than none.
            Err(error @ MixerError::NoControl { .. }) => {
                (self.set_gain)(gain(percent));
                Ok(VolumeReport::Trouble(format!("{error}; the player sets the volume instead")))
            }
            Err(error) => Err(error),
        }
    }
}

impl Task for VolumeTask {
    /// The volume, in percent.
    type Command = u8;

    fn command(&mut self, percent: u8) {
        self.wanted_percent = Some(percent);
        self.repeats_left = REPEATS;
    }

    fn step(&mut self) -> Duration {
        let Some(percent) = self.wanted_percent else { return NOTHING };
        // A card that was pulled out and is back has another mixer, which a second try finds.
        let was_open = self.mixer.is_some();
        let done = match self.set(percent) {
            Err(_) if was_open => self.set(percent),
            done => done,
        };
        let is_mixer = matches!(done, Ok(VolumeReport::Mixer(_)));
        let wait = match done {
            Ok(_) if is_mixer && self.repeats_left > 0 => {
                self.repeats_left -= 1;
                AGAIN
            }
            Ok(_) => {
                self.wanted_percent = None;
                NOTHING
            }
            Err(_) => AGAIN,
        };
        let news = done.unwrap_or_else(|error| {
            // The card may play although its mixer does not answer, and must never be louder than
            // wanted.
            (self.set_gain)(gain(percent));
            VolumeReport::Trouble(error.to_string())
        });
        if self.reported.as_ref() != Some(&news) {
            self.reported = Some(news.clone());
            (self.report)(news);
        }
        wait
    }
}

/// Returns the factor for a percentage: its cube, as PulseAudio and PipeWire do it
/// (`pa_sw_volume_to_linear` in src/pulse/volume.c), so that every step sounds about equally large.
/// 50 % are -18 dB.
fn gain(percent: u8) -> f32 {
    (f32::from(percent.min(100)) / 100.0).powi(3)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use jaudiosync_hw::simulated_board::SimulatedBoard;

    use super::*;

    struct Stage {
        board: SimulatedBoard,
        gains: Arc<Mutex<Vec<f32>>>,
        reported: Arc<Mutex<Vec<VolumeReport>>>,
        task: VolumeTask,
    }

    fn stage(has_mixer: bool) -> Stage {
        let board = SimulatedBoard::new();
        let (gains, reported) = (Arc::<Mutex<Vec<f32>>>::default(), Arc::<Mutex<Vec<VolumeReport>>>::default());
        let task = VolumeTask::new(
            Box::new({
                let board = board.clone();
                move || Ok(has_mixer.then(|| Box::new(board.clone()) as Box<dyn Mixer>))
            }),
            Box::new({
                let gains = Arc::clone(&gains);
                move |gain| gains.lock().unwrap().push(gain)
            }),
            Box::new({
                let reported = Arc::clone(&reported);
                move |news| reported.lock().unwrap().push(news)
            }),
        );
        Stage { board, gains, reported, task }
    }

    #[test]
    fn a_mixer_is_set_and_the_player_then_plays_at_full_volume() {
        let mut stage = stage(true);
        stage.task.command(30);
        assert_eq!(stage.task.step(), AGAIN);
        assert_eq!(stage.board.volume_percent(), 30);
        assert_eq!(*stage.gains.lock().unwrap(), [1.0]);
    }

    #[test]
    fn what_others_set_in_the_first_minute_is_set_back_and_later_is_left() {
        let mut stage = stage(true);
        stage.task.command(30);
        for _ in 0..REPEATS {
            assert_eq!(stage.task.step(), AGAIN);
            stage.board.clone().set_volume_percent(90).unwrap();
        }
        assert_eq!(stage.task.step(), NOTHING);
        assert_eq!(stage.board.volume_percent(), 30);
        stage.board.clone().set_volume_percent(90).unwrap();
        stage.task.step();
        assert_eq!(stage.board.volume_percent(), 90);
    }

    #[test]
    fn a_card_that_comes_with_a_mixer_in_the_place_of_one_without_has_it_set() {
        let (board, gains) = (SimulatedBoard::new(), Arc::<Mutex<Vec<f32>>>::default());
        let mut mixers = vec![Some(Box::new(board.clone()) as Box<dyn Mixer>), None];
        let heard = Arc::clone(&gains);
        let set_gain = Box::new(move |gain| heard.lock().unwrap().push(gain));
        let mut task = VolumeTask::new(Box::new(move || Ok(mixers.pop().unwrap())), set_gain, Box::new(|_| {}));
        task.command(50);
        assert_eq!(task.step(), NOTHING);
        task.command(50);
        assert_eq!(task.step(), AGAIN);
        assert_eq!((board.volume_percent(), gains.lock().unwrap().clone()), (50, vec![0.125, 1.0]));
    }

    #[test]
    fn without_a_mixer_the_player_does_it() {
        let mut stage = stage(false);
        for percent in [50, 0, 100, 255] {
            stage.task.command(percent);
            stage.task.step();
        }
        assert_eq!(*stage.gains.lock().unwrap(), [0.125, 0.0, 1.0, 1.0]);
        assert_eq!(*stage.reported.lock().unwrap(), [VolumeReport::Software]);
    }

    #[test]
    fn a_card_that_is_gone_is_tried_until_it_takes_the_last_volume() {
        let mut stage = stage(true);
        stage.task.command(30);
        stage.task.step();
        let gone = MixerError::Lost { card: "simulated".into(), reason: "unplugged".into() };
        stage.board.fail_mixer(Some(gone));
        stage.task.command(40);
        assert_eq!(stage.task.step(), AGAIN);
        stage.task.command(45);
        assert_eq!(stage.task.step(), AGAIN);
        assert_eq!(stage.gains.lock().unwrap().last(), Some(&gain(45)), "meanwhile the player sets it");
        stage.board.fail_mixer(None);
        stage.task.step();
        assert_eq!((stage.board.volume_percent(), stage.gains.lock().unwrap().last()), (45, Some(&1.0)));
        assert_eq!(stage.reported.lock().unwrap().len(), 3, "mixer, trouble, mixer");
    }
}
