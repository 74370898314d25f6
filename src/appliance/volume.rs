//! The volume: percent, steps and bounds.

/// The volume in percent, never above a maximum. How loud a percentage is: decision 17.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    percent: u8,
    maximum_percent: u8,
}

impl Volume {
    /// Returns this volume, or the maximum if that is lower. A maximum above 100 is 100.
    pub fn new(percent: u8, maximum_percent: u8) -> Self {
        let maximum_percent = maximum_percent.min(100);
        Self { percent: percent.min(maximum_percent), maximum_percent }
    }

    /// Returns it in percent, 0 to [`Volume::maximum_percent`].
    pub fn percent(&self) -> u8 {
        self.percent
    }

    /// Returns the upper limit, in percent, at most 100.
    pub fn maximum_percent(&self) -> u8 {
        self.maximum_percent
    }

    /// Returns it set to this value; anything above the maximum becomes the maximum.
    #[must_use]
    pub fn to(self, percent: u8) -> Self {
        Self::new(percent, self.maximum_percent)
    }

    /// Returns it changed by this many percent, within the bounds.
    #[must_use]
    pub fn by(self, percent: i16) -> Self {
        let changed = i16::from(self.percent).saturating_add(percent).clamp(0, i16::from(self.maximum_percent));
        self.to(u8::try_from(changed).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_stop_at_the_bounds() {
        let volume = Volume::new(97, 100);
        assert_eq!(volume.by(5).percent(), 100);
        assert_eq!(volume.to(3).by(-5).percent(), 0);
        assert_eq!(Volume::new(90, 80).percent(), 80);
        assert_eq!(Volume::new(255, 255).percent(), 100);
    }

    proptest! {
        #[test]
        fn it_never_leaves_its_bounds(start: u8, maximum: u8, changes in prop::collection::vec(any::<(bool, u8, i16)>(), 0..50)) {
            let mut volume = Volume::new(start, maximum);
            for (set, to, by) in changes {
                let before = volume.percent();
                volume = if set { volume.to(to) } else { volume.by(by) };
                prop_assert!(volume.percent() <= maximum.min(100));
                prop_assert!(set || by >= 0 || volume.percent() <= before);
                prop_assert!(set || by <= 0 || volume.percent() >= before);
            }
        }
    }
}
