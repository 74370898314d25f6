//! Volumes that several boxes change together keep their ratios: what rounding to whole percents
//! takes is remembered, and so is the ratio while all are silent.

use super::super::volume::Volume;

/// A volume more exactly than in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ratio {
    /// In percent.
    exact: f64,
    /// What that was rounded to: once the volume is another, somebody has set it.
    percent: u8,
    /// Its share of the loudest when all were silenced.
    silenced: Option<f64>,
}

impl Ratio {
    /// Returns what was remembered, unless the volume was set since.
    pub(super) fn of(remembered: Option<Self>, volume: Volume) -> Self {
        let percent = volume.percent();
        let fresh = Self { exact: percent.into(), percent, silenced: None };
        remembered.filter(|ratio| ratio.percent == percent).unwrap_or(fresh)
    }

    /// Returns it changed by the factor that makes `to_percent` of `from_percent`. A box that is
    /// loud stays audible, and none gets louder than its maximum.
    pub(super) fn scaled(self, from_percent: u8, to_percent: u8, volume: Volume) -> Self {
        let (from, to) = (f64::from(from_percent), f64::from(to_percent));
        let (share, silenced) = match (from_percent, to_percent) {
            // All are silent: as before, or all alike.
            (0, _) => (self.silenced.unwrap_or(1.0), self.silenced.filter(|_| to_percent == 0)),
            (_, 0) => (self.exact / from, Some(self.exact / from)),
            _ => (self.exact / from, None),
        };
        let exact = (share * to).clamp(0.0, volume.maximum_percent().into());
        let least = u8::from(exact > 0.0).min(volume.maximum_percent());
        Self { exact, percent: (exact.round() as u8).max(least), silenced }
    }

    /// Returns it in percent.
    pub(super) fn percent(self) -> u8 {
        self.percent
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Boxes whose volumes are changed together, as the ride does it: by that of the loudest.
    fn change(boxes: &mut [(Volume, Option<Ratio>)], to: impl Fn(u8) -> u8) {
        let from = boxes.iter().map(|(volume, _)| volume.percent()).max().unwrap();
        let to = to(from);
        for (volume, ratio) in boxes {
            let scaled = Ratio::of(*ratio, *volume).scaled(from, to, *volume);
            *ratio = Some(scaled);
            *volume = volume.to(scaled.percent());
        }
    }

    fn percents(boxes: &[(Volume, Option<Ratio>)]) -> Vec<u8> {
        boxes.iter().map(|(volume, _)| volume.percent()).collect()
    }

    #[test]
    fn ratios_survive_a_quiet_hour_and_a_silent_one() {
        let mut boxes = [60, 40, 7].map(|percent| (Volume::new(percent, 100), None));
        change(&mut boxes, |_| 5);
        assert_eq!(percents(&boxes), [5, 3, 1]);
        change(&mut boxes, |_| 0);
        assert_eq!(percents(&boxes), [0, 0, 0]);
        change(&mut boxes, |_| 60);
        assert_eq!(percents(&boxes), [60, 40, 7]);
        // Somebody has pressed a button of the second box.
        boxes[1].0 = boxes[1].0.to(30);
        change(&mut boxes, |loudest| loudest * 2 / 3);
        assert_eq!(percents(&boxes), [40, 20, 5]);
    }

    #[test]
    fn all_that_are_silent_become_audible_alike() {
        let mut boxes = [0, 0].map(|percent| (Volume::new(percent, 100), None));
        change(&mut boxes, |_| 10);
        assert_eq!(percents(&boxes), [10, 10]);
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds_and_the_loudest_gets_what_was_asked(
            begin in prop::collection::vec(0_u8..=100, 1..8), steps in prop::collection::vec(0_u8..=100, 1..30),
        ) {
            let mut boxes: Vec<_> = begin.iter().map(|percent| (Volume::new(*percent, 100), None)).collect();
            let loudest = begin.iter().max().copied().unwrap();
            for step in steps {
                change(&mut boxes, |_| step);
                prop_assert_eq!(percents(&boxes).into_iter().max(), Some(step));
            }
            change(&mut boxes, |_| loudest);
            if loudest > 0 {
                let now = percents(&boxes);
                prop_assert!(now.iter().zip(&begin).all(|(now, before)| now.abs_diff(*before) <= 1), "{:?}", now);
            }
        }
    }
}
