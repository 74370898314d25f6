//! What was found, as programs and people read it.

use serde::Serialize;

use super::findings::{BoxFinding, Doubt, Findings, ListenError, Offset};

/// What a recording of a sound check says. Its JSON is that of `jaudiosync listen --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How long the recording is, in s.
    pub duration_s: f64,
    /// Its frames per second.
    pub rate_hz: u32,
    /// How fast the recorder's clock is, in parts per million.
    pub recorder_clock_ppm: f64,
    /// How wide a band of the sweeps stood out of the noise, in Hz.
    pub bandwidth_hz: f64,
    /// By how much later everything was recorded after each loss, in ms; negative where samples are
    /// missing.
    pub losses_ms: Vec<f64>,
    /// How often the recorder paused.
    pub pauses: usize,
    /// The number of the box that the others are compared with.
    pub reference: u8,
    /// Every box that was heard, by number.
    pub boxes: Vec<BoxReport>,
}

/// What a recording says of a box.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoxReport {
    /// Its number, 1 to 16.
    pub number: u8,
    /// By how much it is later than the reference, in ms; `None` if that cannot be said. A box's
    /// `output_latency_ms` has to grow by this.
    pub offset_ms: Option<f64>,
    /// The truth is within this of it, in ms.
    pub plus_minus_ms: Option<f64>,
    /// How sure that is, in a word.
    pub sure: Option<&'static str>,
    /// Why nothing is said, and what to do.
    pub no_answer: Option<&'static str>,
    /// In how many turns it was heard.
    pub turns_heard: usize,
    /// How many of them count.
    pub turns_used: usize,
    /// When it was heard.
    pub arrivals: Vec<ArrivalReport>,
}

/// A turn of a box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ArrivalReport {
    /// When, in s of the recording.
    pub at_s: f64,
    /// By how much later than the reference it was, in ms.
    pub ms: f64,
    /// Whether it counts.
    pub used: bool,
}

impl Report {
    /// Returns the report of what was found in a recording of this rate.
    pub fn new(findings: &Findings, rate_hz: u32) -> Self {
        Self {
            duration_s: findings.duration_s,
            rate_hz,
            recorder_clock_ppm: findings.clock_ppm,
            bandwidth_hz: findings.bandwidth_hz,
            losses_ms: findings.losses_s.iter().map(|loss_s| loss_s * 1e3).collect(),
            pauses: findings.pauses,
            reference: findings.reference.get(),
            boxes: findings.boxes.iter().map(BoxReport::new).collect(),
        }
    }
}

impl BoxReport {
    fn new(found: &BoxFinding) -> Self {
        let offset = found.result.ok();
        Self {
            number: found.number.get(),
            offset_ms: offset.map(|offset| offset.ms),
            plus_minus_ms: offset.map(|offset| offset.plus_minus_ms),
            sure: offset.map(sureness),
            no_answer: found.result.err().map(reason),
            turns_heard: found.heard_turns,
            turns_used: found.used_turns,
            arrivals: found
                .points
                .iter()
                .map(|point| ArrivalReport { at_s: point.at_s, ms: point.ms, used: point.is_used })
                .collect(),
        }
    }
}

/// Returns how sure an answer is, in a word.
pub fn sureness(offset: Offset) -> &'static str {
    match offset.plus_minus_ms {
        x if x <= 0.05 => "sure",
        x if x <= 0.2 => "fair",
        _ => "rough",
    }
}

/// Returns what went wrong and what to do.
pub fn advice(error: &ListenError) -> String {
    let advice = match error {
        ListenError::NoSweeps => {
            "is it the right file? Start a sound check on every box (jaudiosync sound-check), go nearer, and record a \
             minute or more; switch off what removes noise in the recorder, such as for calls"
        }
        ListenError::Silent => "was the microphone covered, or forbidden to the app? Play it: the sweeps must be heard",
        ListenError::Quiet { .. } => "go nearer to the boxes, let nothing cover the microphone, and record again",
        ListenError::Short { .. } => "record for a minute and a half while the boxes sound",
        ListenError::NoSchedule { .. } => {
            "do the boxes have the right time (jaudiosync status)? Perhaps it is cut together, or another ride is \
             louder; record it again"
        }
        ListenError::TooShort => "record a minute or more without a pause",
        ListenError::Lost => {
            "record again for a minute and a half or more; close other apps, and switch off what saves power"
        }
        ListenError::NotConnected => "record it again without a pause, or cut it where it paused",
        ListenError::TooFewBoxes { boxes } => {
            let reasons: Vec<String> = boxes
                .iter()
                .map(|(number, doubt)| match doubt {
                    Some(doubt) => format!("box {number}: {}", reason(*doubt)),
                    None => format!("box {number} is heard"),
                })
                .collect();
            return format!("{error}: {}", reasons.join("; "));
        }
        ListenError::Stopped => "try a shorter piece of it",
        ListenError::NoReference(_) => "name another one with --reference, or leave it out",
    };
    format!("{error}; {advice}")
}

/// Returns why nothing is said of a box, and what to do.
pub fn reason(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::TwoBoxes => "two boxes sound with this number; give one of them another (sound_check.number)",
        Doubt::TooLate => "too late, or faint and late: perhaps of another ride; go nearer to your own boxes",
        Doubt::HeardOnce => "heard in one turn alone; record for longer, and without noise beside the phone",
        Doubt::Disturbed => "noise covers its sweeps; go nearer, or wait until it is quieter, and record for longer",
        Doubt::Unclear => "its first arrival does not stand out; go nearer, or to where you see the speaker",
    }
}
