//! Sets the volume: on the card's own mixer, or in the player where the card has none. On a thread of its own, as a USB
//! card that is being pulled out may keep a caller waiting.

use std::time::Duration;

use jaudiosync_hw::mixer::{Mixer, MixerError};

use crate::worker::Task;

/// A card that does not answer is tried again so often.
const RETRY: Duration = Duration::from_secs(2);

/// With the volume set there is nothing to do.
const NOTHING: Duration = Duration::from_secs(3600);

/// What does the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoudnessNews {
    /// This mixer.
    Mixer(String),
    /// The player itself, as there is no mixer.
    Software,
    /// Not what should, for this reason.
    Trouble(String),
}

/// Opens the card's mixer; none where it has no control for the volume.
pub type OpenMixer = Box<dyn FnMut() -> Result<Option<Box<dyn Mixer>>, MixerError> + Send>;

/// Sets the volume within the player, as a factor.
pub type SetGain = Box<dyn Fn(f32) + Send>;

/// Sets the volume to what was ordered last.
pub struct LoudnessTask {
    open: OpenMixer,
    set_gain: SetGain,
    tell: Box<dyn Fn(LoudnessNews) + Send>,
    told: Option<LoudnessNews>,
    output: Option<Output>,
    wanted_percent: Option<u8>,
}

enum Output {
    Mixer(Box<dyn Mixer>),
    /// The player, and what is told of that.
    Software(LoudnessNews),
}

impl LoudnessTask {
    /// Opens the mixer when the volume is first set.
    pub fn new(open: OpenMixer, set_gain: SetGain, tell: Box<dyn Fn(LoudnessNews) + Send>) -> Self {
        Self { open, set_gain, tell, told: None, output: None, wanted_percent: None }
    }

    fn set(&mut self, percent: u8) -> Result<LoudnessNews, MixerError> {
        let output = match self.output.take() {
            Some(output) => output,
            None => match (self.open)() {
                Ok(Some(mixer)) => Output::Mixer(mixer),
                Ok(None) => Output::Software(LoudnessNews::Software),
                // The owner has named a control that is not there: better a volume that can be set than none.
                Err(error @ MixerError::NoControl { .. }) => {
                    Output::Software(LoudnessNews::Trouble(format!("{error}; the player sets the volume instead")))
                }
                Err(error) => return Err(error),
            },
        };
        match self.output.insert(output) {
            Output::Mixer(mixer) => {
                mixer.set_volume_percent(percent)?;
                (self.set_gain)(1.0);
                Ok(LoudnessNews::Mixer(mixer.name()))
            }
            Output::Software(news) => {
                (self.set_gain)(gain(percent));
                Ok(news.clone())
            }
        }
    }
}

impl Task for LoudnessTask {
    /// In percent.
    type Order = u8;

    fn order(&mut self, percent: u8) {
        self.wanted_percent = Some(percent);
    }

    fn step(&mut self) -> Duration {
        let Some(percent) = self.wanted_percent else { return NOTHING };
        // A card that was pulled out and is back has another mixer, which a second try finds.
        let is_opened = self.output.is_some();
        let mut done = self.set(percent);
        if done.is_err() && is_opened {
            self.output = None;
            done = self.set(percent);
        }
        let (news, wait) = match done {
            Ok(news) => {
                self.wanted_percent = None;
                (news, NOTHING)
            }
            Err(error) => {
                self.output = None;
                (LoudnessNews::Trouble(error.to_string()), RETRY)
            }
        };
        if self.told.as_ref() != Some(&news) {
            self.told = Some(news.clone());
            (self.tell)(news);
        }
        wait
    }
}

/// The factor for a percentage: its cube, as PulseAudio and PipeWire do it (`pa_sw_volume_to_linear` in
/// src/pulse/volume.c), so that each step sounds about as large as the next. 50 % are -18 dB.
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
        told: Arc<Mutex<Vec<LoudnessNews>>>,
        task: LoudnessTask,
    }

    fn stage(has_mixer: bool) -> Stage {
        let board = SimulatedBoard::new();
        let (gains, told) = (Arc::<Mutex<Vec<f32>>>::default(), Arc::<Mutex<Vec<LoudnessNews>>>::default());
        let task = LoudnessTask::new(
            Box::new({
                let board = board.clone();
                move || Ok(has_mixer.then(|| Box::new(board.clone()) as Box<dyn Mixer>))
            }),
            Box::new({
                let gains = Arc::clone(&gains);
                move |gain| gains.lock().unwrap().push(gain)
            }),
            Box::new({
                let told = Arc::clone(&told);
                move |news| told.lock().unwrap().push(news)
            }),
        );
        Stage { board, gains, told, task }
    }

    #[test]
    fn a_mixer_is_set_and_the_player_then_plays_at_full_volume() {
        let mut stage = stage(true);
        stage.task.order(30);
        assert_eq!(stage.task.step(), NOTHING);
        assert_eq!(stage.board.volume_percent(), 30);
        assert_eq!(*stage.gains.lock().unwrap(), [1.0]);
    }

    #[test]
    fn without_a_mixer_the_player_does_it() {
        let mut stage = stage(false);
        for percent in [50, 0, 100, 255] {
            stage.task.order(percent);
            stage.task.step();
        }
        assert_eq!(*stage.gains.lock().unwrap(), [0.125, 0.0, 1.0, 1.0]);
        assert_eq!(*stage.told.lock().unwrap(), [LoudnessNews::Software]);
    }

    #[test]
    fn a_card_that_is_gone_is_tried_until_it_takes_what_was_wanted_last() {
        let mut stage = stage(true);
        stage.task.order(30);
        stage.task.step();
        let gone = MixerError::Lost { card: "simulated".into(), reason: "unplugged".into() };
        stage.board.fail_mixer(Some(gone));
        stage.task.order(40);
        assert_eq!(stage.task.step(), RETRY);
        stage.task.order(45);
        assert_eq!(stage.task.step(), RETRY);
        stage.board.fail_mixer(None);
        assert_eq!(stage.task.step(), NOTHING);
        assert_eq!(stage.board.volume_percent(), 45);
        assert_eq!(stage.told.lock().unwrap().len(), 3, "mixer, trouble, mixer");
    }
}
