//! Takes in what the player, the playlist's reader, the disk, the mixer and the control socket
//! report.

use std::sync::Arc;

use jaudiosync_hw::dac::DacError;
use jaudiosync_time::Span;

use super::{Conductor, CurrentPlaylist, Ending, Message};
use crate::appliance::{Command, Delivery, Input, PlayerEvent, PlaylistEvent};
use crate::player::feeder::{FeederEvent, Hearing};
use crate::player::task::Event;
use crate::recorder::UNDERRUN;
use crate::service::playlists::PlaylistReport;
use crate::service::volume::VolumeReport;
use crate::timetable::Start;

impl Conductor {
    /// Takes in a message.
    pub fn take(&mut self, message: Message) {
        match message {
            Message::Player(event) => self.player(event),
            Message::Playlist(news) => self.playlist(news),
            Message::State(trouble) => {
                match &trouble {
                    Some(trouble) => log::warn!("cannot save the state, so a power cut would lose it: {trouble}"),
                    None => log::info!("the state is saved again"),
                }
                self.state_trouble = trouble;
            }
            Message::Volume(news) => {
                match &news {
                    VolumeReport::Mixer { name, top_db: Some(_) } => log::info!("the volume is {name}"),
                    VolumeReport::Mixer { name, top_db: None } => {
                        log::info!("the volume is {name}, in percent of its range, as it reports no decibels");
                    }
                    VolumeReport::Software => log::info!("the volume is set in the player"),
                    // While the card is away, so is its mixer: that it is away has been logged.
                    VolumeReport::Trouble(reason) if !self.has_device => log::debug!("{reason}"),
                    VolumeReport::Instead(reason) | VolumeReport::Trouble(reason) => log::warn!("{reason}"),
                }
                self.volume = Some(news);
            }
            Message::Command(command, answer) => self.obey(command, answer),
            Message::Ride(effect) => self.take_effect(effect),
            Message::Reload => {
                self.reload_config();
                self.feed(Input::Command(Command::Reload));
            }
            Message::End => self.end(Ending::Asked, Span::ZERO),
        }
        self.publish_soon();
    }

    fn player(&mut self, event: Event) {
        match event {
            // Not of the playlist: a track of a sound check is a round of it.
            Event::Feeder(FeederEvent::Track { .. } | FeederEvent::Opening { .. }) if self.check.is_some() => {}
            Event::Hearing(_) if self.check.is_some() => self.hearing = Hearing::Nothing,
            Event::Feeder(event) => self.feeder(event),
            Event::Hearing(hearing) => {
                self.hearing = hearing;
                let delivery = match hearing {
                    Hearing::Nothing | Hearing::Music(_) => Delivery::AsPlanned,
                    Hearing::Opening(_) => Delivery::Opening,
                    Hearing::Silence(_) => Delivery::Silence,
                };
                self.feed(Input::Player(PlayerEvent::Delivery(delivery)));
            }
            Event::Stats { feeder, format, .. } => {
                self.stats = Some((feeder, self.ports.clocks.raw()));
                self.format = Some(format);
            }
            Event::DeviceLost(error) => {
                self.has_device = false;
                self.stats = None;
                self.format = None;
                let reason = error.to_string();
                self.feed(Input::Player(match error {
                    DacError::NotTakenYet { .. } => PlayerEvent::DeviceAwaited(reason),
                    _ => PlayerEvent::DeviceLost(reason),
                }));
            }
            Event::DeviceBack => {
                log::info!("the sound card is there: {}", (self.ports.dac_name)());
                self.has_device = true;
                self.feed(Input::Player(PlayerEvent::DeviceBack));
            }
            Event::Stopped(_) => {
                if let Some(soon) = &mut self.ending {
                    soon.is_silent = true;
                }
            }
        }
    }

    fn feeder(&mut self, event: FeederEvent) {
        match event {
            FeederEvent::Track { slot, offset_s } => {
                log::info!("playing track {}, {}, from {offset_s:.1} s", slot.track, self.title(slot.track));
            }
            FeederEvent::Silent { slot, reason } => {
                let reason = reason.unwrap_or_else(|| "it cannot be played".to_owned());
                log::warn!("track {}, {}, is silence: {reason}", slot.track, self.title(slot.track));
            }
            FeederEvent::Opening { slot } => {
                log::info!("opening track {}, {}", slot.track, self.title(slot.track));
            }
            // The timetable determines when it is over; the player reports that a moment before.
            FeederEvent::Finished => {}
            event => {
                let name = |slot: &Start| match self.check {
                    Some(_) => "a round of the sound check".to_owned(),
                    None => format!("track {}, {},", slot.track, self.title(slot.track)),
                };
                // The flight recorder counts these.
                let target = if event == FeederEvent::Interrupted { UNDERRUN } else { module_path!() };
                event.trouble(name).iter().for_each(|trouble| log::warn!(target: target, "{trouble}"));
            }
        }
    }

    fn playlist(&mut self, news: PlaylistReport) {
        let event = match news {
            PlaylistReport::Loaded(playlist, from) => {
                (self.ports.ride_list)(&playlist);
                let playlist = CurrentPlaylist::new(playlist, from);
                let info = Arc::clone(&playlist.info);
                self.shown_playlist.write(Arc::clone(&playlist.playlist));
                self.playlist = Some(playlist);
                PlaylistEvent::Loaded(info)
            }
            PlaylistReport::Failed(reason) => PlaylistEvent::Failed(reason),
            PlaylistReport::Changed(change) => PlaylistEvent::Changed(change),
            PlaylistReport::Unchanged => {
                log::info!("the playlist's files are again as they were read");
                PlaylistEvent::Unchanged
            }
            PlaylistReport::Sticks(sticks) => return self.follow_sticks(sticks),
        };
        let is_read = matches!(event, PlaylistEvent::Loaded(_) | PlaylistEvent::Failed(_));
        self.feed(Input::Playlist(event));
        if is_read {
            self.answer_waiting();
        }
    }
}
