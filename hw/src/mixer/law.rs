//! The law of the volume: which percentage is how loud, the same for every card and for the player.
//!
//! It is that of alsamixer and of `amixer -M` (`volume_mapping.c` of alsa-utils) for a control of
//! unlimited range: the amplitude is the cube of the percentage, so that every step sounds about
//! equally large. Where it differs for short ranges and amplifying controls, and why: decision 17.

/// 60 dB for each tenth of the percentage, as in `volume_mapping.c`: three times the 20 dB of an
/// amplitude, which makes it a cube.
const DB_PER_DECADE: f64 = 60.0;

/// Returns how far a percentage is below 100 %, in dB: 0 at 100 % and above, -18.06 at 50 %, minus
/// infinity at 0 %.
pub fn db_from_percent(percent: u8) -> f64 {
    DB_PER_DECADE * (f64::from(percent.min(100)) / 100.0).log10()
}

/// Returns the percentage, 0 to 100, that is nearest to a number of dB below 100 %. Only silence
/// (minus infinity) is 0.
pub fn percent_from_db(db: f64) -> u8 {
    if db.is_nan() || db == f64::NEG_INFINITY {
        return 0;
    }
    (100.0 * 10_f64.powf(db / DB_PER_DECADE)).round().clamp(1.0, 100.0) as u8
}

/// Returns the factor for a percentage, 0 to 1, as the player applies it: the cube, of which
/// [`db_from_percent`] is the logarithm.
pub fn gain_from_percent(percent: u8) -> f32 {
    (f32::from(percent.min(100)) / 100.0).powi(3)
}

/// Returns the factor for a level in dB, 0 to 1: a player can only attenuate.
pub(super) fn gain_from_db(db: f64) -> f32 {
    if db.is_nan() { 0.0 } else { 10_f64.powf(db.min(0.0) / 20.0) as f32 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_is_18_db_below_all() {
        for (percent, db) in [(100, 0.0), (75, -7.5), (50, -18.06), (25, -36.12), (5, -78.06), (1, -120.0)] {
            assert!((db_from_percent(percent) - db).abs() < 0.01, "{percent} %: {} dB", db_from_percent(percent));
        }
        assert_eq!(db_from_percent(0), f64::NEG_INFINITY);
        assert_eq!([0, 50, 100, 255].map(gain_from_percent), [0.0, 0.125, 1.0, 1.0]);
    }

    #[test]
    fn every_percentage_comes_back_and_nothing_does_harm() {
        for percent in 0..=100 {
            assert_eq!(percent_from_db(db_from_percent(percent)), percent);
            let db = 20.0 * f64::from(gain_from_percent(percent)).log10();
            assert!(percent == 0 || (db - db_from_percent(percent)).abs() < 1e-4, "{percent} %: the player's {db} dB");
            assert!((gain_from_db(db_from_percent(percent)) - gain_from_percent(percent)).abs() < 1e-6);
        }
        assert_eq!([f64::NAN, f64::NEG_INFINITY, -1e9, 1e9, f64::INFINITY].map(percent_from_db), [0, 0, 1, 100, 100]);
        assert_eq!([f64::NAN, f64::NEG_INFINITY, 1e9].map(gain_from_db), [0.0, 0.0, 1.0]);
    }

    proptest! {
        #[test]
        fn more_is_louder(percent in 0_u8..100) {
            prop_assert!(db_from_percent(percent + 1) > db_from_percent(percent));
            prop_assert!(gain_from_percent(percent + 1) > gain_from_percent(percent));
        }
    }
}
