//! What a rider, a client and the world do to a box.

use jaudiosync::control::Command;
use jaudiosync::control::protocol::{FirstTrack, PlayState};
use jaudiosync::service::conductor::Message;
use jaudiosync_hw::buttons::{BoardError, Button};
use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::mixer::MixerError;

use super::hour::{Hour, Recovery};
use super::{MS, S};

impl Hour<'_> {
    /// Does what a rider, a client or the world may do to a box at any moment.
    pub fn inject_fault(&mut self) {
        match self.random.u8(..100) {
            0..40 => self.press_a_button(),
            40..44 => {
                let fitted = self.random.bool();
                self.around.board.set_jumper(fitted);
            }
            44..49 if self.is_plugged => {
                self.around.dac.unplug();
                self.is_plugged = false;
                self.note_disturbance();
                let after = self.random_span(S / 10, S * 20);
                self.recover_after(after, Recovery::CardPluggedIn);
            }
            49..53 if self.is_plugged => {
                let pause = self.random_span(MS * 30, S * 3);
                self.around.dac.interrupt(pause);
                // The whole process stood still with it.
                self.around.clocks.advance(pause);
                self.note_disturbance();
            }
            53..62 => {
                let kind = self.random.usize(..6);
                self.edit_playlist(kind);
            }
            62..82 => self.send_a_request(),
            82..85 => {
                self.around.board.fail_inputs(Some(BoardError::Failed("a wire is off".into())));
                let after = self.random_span(S / 10, S * 10);
                self.recover_after(after, Recovery::InputsReadable);
            }
            85..87 => {
                let lost = MixerError::Lost { card: "simulated".into(), reason: "unplugged".into() };
                self.around.board.fail_mixer(Some(lost));
                let after = self.random_span(S / 10, S * 10);
                self.recover_after(after, Recovery::MixerBack);
            }
            87..88 => {
                self.around.board.fail_led(Some(BoardError::Failed("the LED's pin".into())));
                let after = self.random_span(S / 10, S * 10);
                self.recover_after(after, Recovery::LedBack);
            }
            88..90 => {
                self.block_state();
                let after = self.random_span(S, S * 100);
                self.recover_after(after, Recovery::StateWritable);
            }
            90..93 => {
                self.around.time.lose();
                let after = self.random_span(S, S * 100);
                self.recover_after(after, Recovery::TimeKnown);
            }
            93..95 => self.change_the_configuration(),
            95..96 => self.appliance().send(Message::End),
            _ => {
                let after = self.random_span(S / 2, S * 30);
                self.power_cycle(after);
            }
        }
    }

    fn press_a_button(&mut self) {
        let button = Button::ALL[self.random.usize(..4)];
        let held = match self.random.u8(..20) {
            0 => self.random_span(S * 10, S * 14),
            1..4 => self.random_span(S * 2, S * 7),
            4..6 => self.random_span(MS, MS * 30),
            _ => self.random_span(MS * 60, MS * 400),
        };
        let is_free = self.recoveries.iter().all(|(_, recovery)| !matches!(recovery, Recovery::ReleaseButton(_)));
        // If the buttons can be read at all, and none was held before.
        let is_readable = self.recoveries.iter().all(|(_, recovery)| !matches!(recovery, Recovery::InputsReadable))
            && self.now() >= self.readable_from;
        let before = self.appliance().status();
        self.around.board.press(button);
        self.recover_after(held, Recovery::ReleaseButton(button));
        if !(is_free && is_readable && (MS * 60..S * 2).contains(&held)) {
            return;
        }
        let power_cuts = self.tally.power_cuts;
        self.run(MS * 50);
        let after = self.appliance().status();
        if power_cuts != self.tally.power_cuts || before.play.state == PlayState::ShuttingDown {
            return;
        }
        let (was, is) = (before.volume.percent, after.volume.percent);
        let state = after.play.state;
        match button {
            Button::Stop => assert!(matches!(state, PlayState::Stopped | PlayState::ShuttingDown), "{state:?}"),
            Button::VolumeUp => assert!(is > was || is == after.volume.maximum_percent, "{was} {is}"),
            Button::VolumeDown => assert!(is < was || is == 0, "{was} {is}"),
            // It acts when it is released.
            Button::Start => return,
        }
        self.tally.obeyed += 1;
    }

    fn send_a_request(&mut self) {
        let named_utc_s = self.around.clocks.system_utc().second() + 60 * self.random.i64(-60..60);
        let named = chrono::DateTime::from_timestamp(named_utc_s, 0).unwrap().with_timezone(&chrono::Local);
        let named = named.format("%Y-%m-%dT%H:%M:%S").to_string();
        let request = match self.random.u8(..12) {
            0..3 => Command::Start { time: None, first_track: None, fresh: self.random.bool() },
            3 => Command::Start { time: named.parse().ok(), first_track: None, fresh: false },
            4 => {
                Command::Start { time: None, first_track: Some(FirstTrack::Number(self.random.u32(..6))), fresh: false }
            }
            5 => Command::Start { time: None, first_track: Some(FirstTrack::Resume), fresh: false },
            6 => Command::Stop {},
            7 => Command::Resume {},
            8 => Command::Volume { percent: Some(self.random.u8(..=100)), by: None },
            9 => Command::Volume { percent: None, by: Some(self.random.i8(-100..=100)) },
            _ => Command::Reload {},
        };
        let answered = self.appliance().ask(request.clone());
        let power_cuts = self.tally.power_cuts;
        // At once, unless it waits for the playlist to be read.
        self.run(MS * 50);
        let answer = answered.try_recv();
        assert!(answer.is_ok() || power_cuts != self.tally.power_cuts, "no answer to {request:?}");
    }

    fn change_the_configuration(&mut self) {
        let maximum = self.random.u8(..=100);
        let start = if self.random.bool() { "fresh" } else { "common" };
        let text = match self.random.u8(..4) {
            0 => String::new(),
            1 => format!("[volume]\nmaximum_percent = {maximum}\n[start]\nbutton = \"{start}\"\n"),
            2 => format!("[start]\nrepeats = {}\nuntrusted_wait_s = {maximum}\n", self.random.bool()),
            _ => "[nonsense\nx = = 3\n".to_owned(),
        };
        *self.around.config.lock().unwrap() = text;
        self.appliance().send(Message::Reload);
    }
}
