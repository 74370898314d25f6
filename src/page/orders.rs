//! What a request asks for, as JSON. Pure.

use serde::{Deserialize, Serialize};

/// A body has at most this many bytes.
pub const MOST_BYTES: usize = 4096;

/// Boxes that an order can name.
const MOST_BOXES: usize = 64;

/// An order with its boxes, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What to do.
    pub order: Deed,
    /// By number or name; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boxes: Option<Vec<String>>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Join the common timetable.
    Start,
    /// Begin the playlist at the next slot of the start grid, with this track, from 0.
    StartFresh(u32),
    /// Fade out, and save the position.
    Stop,
    /// Begin with the track at which playing was stopped.
    Resume,
    /// Set the volume, 0 to 100 percent.
    SetVolume(u8),
    /// Change the volume by so many percent, -100 to 100.
    ChangeVolume(i8),
    /// Flash the LED and sound a tone.
    Identify,
    /// Read playlist, Music folder and configuration again.
    Reload,
    /// Play the sweeps of a sound check, in turn.
    SoundCheck,
}

/// A box that is asked something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Its number or name.
    #[serde(rename = "box")]
    pub name: String,
}

impl Which {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| format!("this is not a box: {error}"))
    }
}

/// A PIN that is offered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    pin: String,
}

impl Offer {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| format!("this is not a PIN: {error}"))
    }

    /// Returns whether it is this one; people may write spaces and hyphens. It takes equally long
    /// for all that are wrong.
    pub fn is(&self, pin: &str) -> bool {
        let digits: Vec<u8> = self.pin.bytes().filter(|byte| !matches!(byte, b' ' | b'-')).collect();
        let differs = digits.iter().zip(pin.as_bytes()).fold(0, |differs, (one, other)| differs | (one ^ other));
        digits.len() == pin.len() && differs == 0
    }
}

impl Request {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let request: Self = serde_json::from_slice(body).map_err(|error| format!("this is not an order: {error}"))?;
        match request.order {
            Deed::SetVolume(101..) => return Err("the volume is 0 to 100 percent".to_owned()),
            Deed::ChangeVolume(by) if by.unsigned_abs() > 100 => {
                return Err("the volume changes by -100 to 100 percent".to_owned());
            }
            _ => {}
        }
        match &request.boxes {
            Some(boxes) if boxes.is_empty() => Err("no box is named; leave out boxes for all of them".to_owned()),
            Some(boxes) if boxes.len() > MOST_BOXES => Err(format!("at most {MOST_BOXES} boxes can be named")),
            _ => Ok(request),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            prop::sample::select(vec![
                Deed::Start,
                Deed::Stop,
                Deed::Resume,
                Deed::Identify,
                Deed::Reload,
                Deed::SoundCheck
            ]),
            any::<u32>().prop_map(Deed::StartFresh),
            (0_u8..=100).prop_map(Deed::SetVolume),
            (-100_i8..=100).prop_map(Deed::ChangeVolume),
        ]
    }

    #[test]
    fn an_order_is_written_as_the_page_writes_it() {
        let parse = |text: &str| Request::parse(text.as_bytes()).unwrap();
        assert_eq!(parse(r#"{"order":"start"}"#), Request { order: Deed::Start, boxes: None });
        let boxes = Some(vec!["bike-2".to_owned()]);
        assert_eq!(
            parse(r#"{"order":{"set_volume":40},"boxes":["bike-2"]}"#),
            Request { order: Deed::SetVolume(40), boxes }
        );
        assert_eq!(parse(r#"{"order":{"start_fresh":3}}"#).order, Deed::StartFresh(3));
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        for (text, word) in [
            ("", "not an order"),
            (r#"{"order":"dance"}"#, "dance"),
            (r#"{"order":"stop","now":1}"#, "now"),
            (r#"{"order":{"set_volume":101}}"#, "0 to 100"),
            (r#"{"order":{"change_volume":-101}}"#, "-100 to 100"),
            (r#"{"order":"stop","boxes":[]}"#, "no box"),
        ] {
            let error = Request::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_order_comes_back_as_it_was(order in any_deed(), boxes in prop::option::of(
            prop::collection::vec("\\PC{0,12}", 1..5))) {
            let request = Request { order, boxes };
            let text = serde_json::to_vec(&request).unwrap();
            prop_assert_eq!(Request::parse(&text), Ok(request));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,100}") {
            let _ = (Request::parse(&bytes), Offer::parse(&bytes), Which::parse(&bytes));
            let _ = (Request::parse(text.as_bytes()), Offer::parse(text.as_bytes()));
        }

        #[test]
        fn only_the_pin_is_the_pin(pin in "[0-9]{6}", other in "[0-9]{0,8}") {
            let offer = |text: &str| Offer { pin: text.to_owned() };
            prop_assert!(offer(&pin).is(&pin));
            let spaced = format!("{} {}", &pin[..3], &pin[3..]);
            prop_assert!(offer(&spaced).is(&pin));
            prop_assert_eq!(offer(&other).is(&pin), other == pin);
        }
    }
}
