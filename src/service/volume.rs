//! Sets the volume: on the card's own mixer, or in the player if the card has none or its mixer is
//! not responding. What a mixer cannot do, because its range ends above the volume or its steps are
//! coarse, the player adds, so that equal percentages are equally loud on all boxes. This is done on
//! a thread of its own, as a USB card that is being pulled out may block a caller.
//!
//! A mixer is set repeatedly for a minute: at boot, and whenever a card is plugged in,
//! `alsactl restore` puts back what was stored at some shutdown (alsa-utils' alsa-restore.service and
//! 90-alsa-restore.rules), and that may happen later.

use std::time::Duration;

use jaudiosync_hw::mixer::{Mixer, MixerError, db_from_percent, gain_from_percent};

use crate::worker::Task;

/// The pause before a card that does not answer is tried again, and before one that does is set
/// again.
const AGAIN: Duration = Duration::from_secs(2);
/// How many times a card that answers is set again.
const REPEATS: u32 = 30;

/// The pause while the volume is set and there is nothing to do.
const NOTHING: Duration = Duration::from_secs(3600);

/// What sets the volume.
#[derive(Debug, Clone, PartialEq)]
pub enum VolumeReport {
    /// A mixer.
    Mixer {
        /// Its control and card.
        name: String,
        /// The level of 100 % in dB; `None` if the control reports no decibels.
        top_db: Option<f64>,
    },
    /// The player itself, because there is no mixer.
    Software,
    /// The player itself, because there is no such control as the owner has named: the reason.
    Instead(String),
    /// Not what should set it, for this reason.
    Trouble(String),
}

impl VolumeReport {
    /// Returns the name of the mixer; `None` if the player sets the volume.
    pub fn mixer(&self) -> Option<&str> {
        match self {
            Self::Mixer { name, .. } => Some(name),
            Self::Software | Self::Instead(_) | Self::Trouble(_) => None,
        }
    }

    /// Returns what is wrong, if anything is.
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::Instead(reason) | Self::Trouble(reason) => Some(reason),
            Self::Mixer { .. } | Self::Software => None,
        }
    }

    /// Returns how loud a percentage is, in dB below full scale; `None` if that is silence, or
    /// cannot be known.
    pub fn db(&self, percent: u8) -> Option<f64> {
        let top_db = match self {
            Self::Mixer { top_db, .. } => *top_db,
            Self::Software | Self::Instead(_) => Some(0.0),
            Self::Trouble(_) => None,
        };
        top_db.map(|top_db| top_db + db_from_percent(percent)).filter(|db| db.is_finite())
    }
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
    /// The mixer that was last found muted and reported as such.
    was_muted: Option<String>,
    wanted_percent: Option<u8>,
    repeats_left: u32,
}

impl VolumeTask {
    /// Makes a task that opens the mixer when the volume is first set.
    pub fn new(open: OpenMixer, set_gain: SetGain, report: Box<dyn Fn(VolumeReport) + Send>) -> Self {
        Self {
            open,
            set_gain,
            report,
            reported: None,
            mixer: None,
            was_muted: None,
            wanted_percent: None,
            repeats_left: 0,
        }
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
                let set = mixer.set_volume(percent)?;
                (self.set_gain)(set.player_gain);
                let name = mixer.name();
                self.mixer = Some(mixer);
                if set.was_muted {
                    self.report_muted(&name);
                }
                Ok(VolumeReport::Mixer { name, top_db: set.top_db })
            }
            Ok(None) => {
                (self.set_gain)(gain_from_percent(percent));
                Ok(VolumeReport::Software)
            }
            // The owner has named a control that does not exist: a volume that can be set is better
            // than none.
            Err(error @ MixerError::NoControl { .. }) => {
                (self.set_gain)(gain_from_percent(percent));
                Ok(VolumeReport::Instead(format!("{error}; the player sets the volume instead")))
            }
            Err(error) => Err(error),
        }
    }

    /// Logs that a mixer was muted: once, as another program may mute it again and again in the
    /// first minute.
    fn report_muted(&mut self, name: &str) {
        if self.was_muted.as_deref() != Some(name) {
            log::info!("{name} was muted; it is switched on");
            self.was_muted = Some(name.to_owned());
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
        let is_mixer = matches!(done, Ok(VolumeReport::Mixer { .. }));
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
            (self.set_gain)(gain_from_percent(percent));
            VolumeReport::Trouble(error.to_string())
        });
        if self.reported.as_ref() != Some(&news) {
            self.reported = Some(news.clone());
            (self.report)(news);
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use jaudiosync_hw::mixer::{MixerVolume, VolumeSet};
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
            stage.board.clone().set_volume(90).unwrap();
        }
        assert_eq!(stage.task.step(), NOTHING);
        assert_eq!(stage.board.volume_percent(), 30);
        stage.board.clone().set_volume(90).unwrap();
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

    /// A control of -37 to 0 dB that is muted until it is set.
    struct ShortRange {
        is_muted: bool,
    }

    impl Mixer for ShortRange {
        fn name(&self) -> String {
            "Speaker of hw:1".to_owned()
        }

        fn volume(&mut self) -> Result<MixerVolume, MixerError> {
            Ok(MixerVolume { percent: 0, db: Some(-37.0), is_muted: self.is_muted })
        }

        fn set_volume(&mut self, percent: u8) -> Result<VolumeSet, MixerError> {
            let was_muted = std::mem::replace(&mut self.is_muted, false);
            Ok(VolumeSet { player_gain: if percent < 24 { 0.25 } else { 1.0 }, top_db: Some(0.0), was_muted })
        }
    }

    #[test]
    fn what_a_mixer_leaves_to_the_player_the_player_does() {
        let (gains, reported) = (Arc::<Mutex<Vec<f32>>>::default(), Arc::<Mutex<Vec<VolumeReport>>>::default());
        let (heard, sent) = (Arc::clone(&gains), Arc::clone(&reported));
        let mut task = VolumeTask::new(
            Box::new(|| Ok(Some(Box::new(ShortRange { is_muted: true })))),
            Box::new(move |gain| heard.lock().unwrap().push(gain)),
            Box::new(move |news| sent.lock().unwrap().push(news)),
        );
        for percent in [20, 50] {
            task.command(percent);
            task.step();
        }
        assert_eq!(*gains.lock().unwrap(), [0.25, 1.0]);
        assert_eq!(task.was_muted.as_deref(), Some("Speaker of hw:1"));
        let name = "Speaker of hw:1".to_owned();
        assert_eq!(*reported.lock().unwrap(), [VolumeReport::Mixer { name, top_db: Some(0.0) }]);
    }

    #[test]
    fn decibels_are_known_where_the_law_applies() {
        let mixer = |top_db| VolumeReport::Mixer { name: "Digital of hw:0".into(), top_db };
        let db = |report: &VolumeReport, percent| report.db(percent).map(|db| (db * 10.0).round() / 10.0);
        assert_eq!(db(&VolumeReport::Software, 50), Some(-18.1));
        assert_eq!(db(&VolumeReport::Instead("no such control".into()), 100), Some(0.0));
        assert_eq!(db(&mixer(Some(-2.0)), 50), Some(-20.1));
        assert_eq!(db(&mixer(Some(-2.0)), 0), None);
        assert_eq!(db(&mixer(None), 50), None);
        assert_eq!(db(&VolumeReport::Trouble("unplugged".into()), 50), None);
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
        assert_eq!(stage.gains.lock().unwrap().last(), Some(&gain_from_percent(45)), "meanwhile the player sets it");
        stage.board.fail_mixer(None);
        stage.task.step();
        assert_eq!((stage.board.volume_percent(), stage.gains.lock().unwrap().last()), (45, Some(&1.0)));
        assert_eq!(stage.reported.lock().unwrap().len(), 3, "mixer, trouble, mixer");
    }
}
