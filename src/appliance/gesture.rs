//! From presses and releases to what is meant: a press, a long one, a repeated one, or nothing.
//!
//! **One button at a time.** While a button is held, another that is pressed later is ignored until
//! it is released. Stop is the exception: it always acts, and any other button that is held is
//! ignored from then on. Stop always wins; a hand or a bag resting on the buttons must not trigger
//! two actions.
//!
//! Start and Stop together, and no other button, are a gesture of their own once both have been held
//! for [`BOTH_HELD`]. Whichever came first has acted by then, and means nothing more.

use jaudiosync_hw::buttons::Button;
use jaudiosync_time::Span;

/// Volume up and down begin to repeat once held for this long.
pub const VOLUME_FIRST_REPEAT: Span = Span::from_ms(500);
/// After that the volume changes by one step at this interval: from silence to full in 3.4 s with
/// steps of 5 %.
pub const VOLUME_REPEAT: Span = Span::from_ms(150);
/// Start begins the playlist from its first track once held for this long.
pub const START_HELD: Span = Span::from_ms(2_000);
/// Stop shuts the Pi down once held for this long.
pub const STOP_HELD: Span = Span::from_ms(5_000);
/// Start and Stop begin a sound check once they are held together for this long.
pub const BOTH_HELD: Span = Span::from_ms(3_000);
/// A button that is held for this long is stuck: none of them needs to be held that long on
/// purpose.
pub const STUCK: Span = Span::from_ms(10_000);

/// What a press means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gesture {
    /// One step louder: when it is pressed, and repeatedly while it is held.
    VolumeUp,
    /// One step quieter, likewise.
    VolumeDown,
    /// Start, released before it was held for [`START_HELD`].
    Start,
    /// Start, held for [`START_HELD`]; its release then means nothing.
    StartHeld,
    /// Stop, as soon as it is pressed.
    Stop,
    /// Stop, held for [`STOP_HELD`].
    StopHeld,
    /// Start and Stop, held together for [`BOTH_HELD`].
    BothHeld,
}

/// Why a button that is pressed is ignored until it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IgnoredBecause {
    /// It was pressed already when reading began.
    HeldAtPowerOn,
    /// It has been held for longer than [`STUCK`].
    Stuck,
}

impl std::fmt::Display for IgnoredBecause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::HeldAtPowerOn => "it was pressed already when the box was switched on",
            Self::Stuck => "it seems to be stuck",
        })
    }
}

/// What happens to a button that is pressed, held or released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ButtonEvent {
    /// A gesture.
    Gesture(Gesture),
    /// The button is ignored from now on.
    Ignored(IgnoredBecause),
    /// A button that was reported as ignored has been released.
    Released,
}

/// One button: how long it has been held, and whether that still means something.
#[derive(Debug, Clone, Copy)]
pub(super) struct ButtonState {
    button: Button,
    hold: Hold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Up,
    Active { held: Span, repeat_at: Span },
    Ignored { held: Span, reported: bool },
}

impl ButtonState {
    pub(super) fn new(button: Button) -> Self {
        Self { button, hold: Hold::Up }
    }

    /// Returns whether it is held and still counts.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.hold, Hold::Active { .. })
    }

    /// Returns whether it is held and is not one that is reported as ignored, because it is stuck or
    /// was held at power-on.
    pub(super) fn is_held_on_purpose(&self) -> bool {
        matches!(self.hold, Hold::Active { .. } | Hold::Ignored { reported: false, .. })
    }

    /// Takes in a press.
    pub(super) fn press(&mut self) -> Option<ButtonEvent> {
        self.hold = Hold::Active { held: Span::ZERO, repeat_at: VOLUME_FIRST_REPEAT };
        match self.button {
            Button::VolumeUp => Some(ButtonEvent::Gesture(Gesture::VolumeUp)),
            Button::VolumeDown => Some(ButtonEvent::Gesture(Gesture::VolumeDown)),
            Button::Stop => Some(ButtonEvent::Gesture(Gesture::Stop)),
            // Its release or a long hold decides which press it was.
            Button::Start => None,
        }
    }

    /// Takes in a press, or a hold so far, that must not count.
    pub(super) fn ignore(&mut self) {
        self.hold = Hold::Ignored { held: Span::ZERO, reported: false };
    }

    /// Notes that it was pressed when reading began.
    pub(super) fn held_at_power_on(&mut self) -> ButtonEvent {
        self.hold = Hold::Ignored { held: Span::ZERO, reported: true };
        ButtonEvent::Ignored(IgnoredBecause::HeldAtPowerOn)
    }

    /// Takes in a release.
    pub(super) fn release(&mut self) -> Option<ButtonEvent> {
        match std::mem::replace(&mut self.hold, Hold::Up) {
            Hold::Active { held, .. } if self.button == Button::Start && held < START_HELD => {
                Some(ButtonEvent::Gesture(Gesture::Start))
            }
            Hold::Ignored { reported: true, .. } => Some(ButtonEvent::Released),
            _ => None,
        }
    }

    /// Takes in that it was held for this much longer.
    pub(super) fn hold_for(&mut self, by: Span) -> Option<ButtonEvent> {
        match &mut self.hold {
            Hold::Up => None,
            Hold::Active { held, repeat_at } => {
                let before = *held;
                *held += by;
                let passed = |at: Span| before < at && at <= *held;
                if passed(STUCK) {
                    self.hold = Hold::Ignored { held: STUCK, reported: true };
                    return Some(ButtonEvent::Ignored(IgnoredBecause::Stuck));
                }
                match self.button {
                    Button::Start => passed(START_HELD).then_some(ButtonEvent::Gesture(Gesture::StartHeld)),
                    Button::Stop => passed(STOP_HELD).then_some(ButtonEvent::Gesture(Gesture::StopHeld)),
                    Button::VolumeUp | Button::VolumeDown => {
                        if *held < *repeat_at {
                            return None;
                        }
                        *repeat_at += VOLUME_REPEAT;
                        let up = self.button == Button::VolumeUp;
                        Some(ButtonEvent::Gesture(if up { Gesture::VolumeUp } else { Gesture::VolumeDown }))
                    }
                }
            }
            Hold::Ignored { held, reported } => {
                *held += by;
                if *reported || *held < STUCK {
                    return None;
                }
                *reported = true;
                Some(ButtonEvent::Ignored(IgnoredBecause::Stuck))
            }
        }
    }
}
