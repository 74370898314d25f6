//! The scenarios that travel with the program.

/// A scenario of the program's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// The name to call it by.
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

/// All of them; the first is the default.
pub const BUILT_IN: [BuiltIn; 21] = [
    BuiltIn { name: "ride", text: include_str!("../scenarios/ride.toml") },
    BuiltIn { name: "ideal-rtc", text: include_str!("../scenarios/ideal-rtc.toml") },
    BuiltIn { name: "uncalibrated", text: include_str!("../scenarios/uncalibrated.toml") },
    BuiltIn { name: "gps", text: include_str!("../scenarios/gps.toml") },
    BuiltIn { name: "homes", text: include_str!("../scenarios/homes.toml") },
    BuiltIn { name: "hotspot", text: include_str!("../scenarios/hotspot.toml") },
    BuiltIn { name: "meeting", text: include_str!("../scenarios/meeting.toml") },
    BuiltIn { name: "phone", text: include_str!("../scenarios/phone.toml") },
    BuiltIn { name: "homes-then-meet", text: include_str!("../scenarios/homes-then-meet.toml") },
    BuiltIn { name: "ride-together", text: include_str!("../scenarios/ride-together.toml") },
    BuiltIn { name: "fresh-from-the-shop", text: include_str!("../scenarios/fresh-from-the-shop.toml") },
    BuiltIn { name: "gps-joins", text: include_str!("../scenarios/gps-joins.toml") },
    BuiltIn { name: "leader-leaves", text: include_str!("../scenarios/leader-leaves.toml") },
    BuiltIn { name: "groups-merge", text: include_str!("../scenarios/groups-merge.toml") },
    BuiltIn { name: "liar", text: include_str!("../scenarios/liar.toml") },
    BuiltIn { name: "partition", text: include_str!("../scenarios/partition.toml") },
    BuiltIn { name: "hidden", text: include_str!("../scenarios/hidden.toml") },
    BuiltIn { name: "isolated", text: include_str!("../scenarios/isolated.toml") },
    BuiltIn { name: "one-way", text: include_str!("../scenarios/one-way.toml") },
    BuiltIn { name: "faults", text: include_str!("../scenarios/faults.toml") },
    BuiltIn { name: "python", text: include_str!("../scenarios/python.toml") },
];

/// The scenario of this name.
pub fn built_in(name: &str) -> Option<BuiltIn> {
    BUILT_IN.into_iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::{Scenario, parse};
    use super::*;

    #[test]
    fn all_of_them_can_be_read_and_say_what_they_are_about() {
        for scenario in BUILT_IN {
            let parsed = parse(scenario.text, scenario.name).unwrap();
            assert!(!parsed.description.is_empty(), "{}", scenario.name);
        }
    }

    #[test]
    fn the_default_one_spells_out_the_defaults() {
        let mut ride = parse(BUILT_IN[0].text, "ride").unwrap();
        ride.description = String::new();
        assert_eq!(ride, Scenario::default());
    }
}
