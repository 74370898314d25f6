//! The number of a box that has none configured.

use serde::{Deserialize, Serialize};

use super::schedule::{BOXES, BoxNumber};

/// Where a box has its number from. Of two boxes with the same number, the one whose origin is the
/// greater here keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Origin {
    /// It was free among the neighbours.
    Free,
    /// The machine ID makes it.
    MachineId,
    /// The host name ends in it.
    HostName,
    /// It is configured.
    Configured,
}

/// A number, and where it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// The number.
    pub number: BoxNumber,
    /// Where it is from.
    pub origin: Origin,
}

/// Returns the number that follows from a box's names: the number at the end of its host name if it
/// is 1 to 16, as in `box-7`; otherwise one that its machine ID makes, which differs from most
/// boxes' but may be that of another.
pub fn derived(host_name: &str, machine_id: &str) -> Numbered {
    let name = host_name.trim();
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let at_the_end = name[name.len() - digits..].parse().ok().and_then(BoxNumber::new);
    if let Some(number) = at_the_end {
        return Numbered { number, origin: Origin::HostName };
    }
    let id = if machine_id.trim().is_empty() { name } else { machine_id.trim() };
    let made = crc32fast::hash(id.as_bytes()) % u32::from(BOXES) + 1;
    // It is 1 to 16.
    let number = u8::try_from(made).ok().and_then(BoxNumber::new).unwrap_or(BoxNumber::FIRST);
    Numbered { number, origin: Origin::MachineId }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_the_end_of_the_host_name_counts() {
        for (name, number) in [("box-7", 7), ("cargo16\n", 16), ("pi3", 3), ("box-07", 7)] {
            assert_eq!(derived(name, "c0ffee").number.get(), number, "{name}");
        }
    }

    #[test]
    fn otherwise_the_machine_id_makes_one() {
        let ids: Vec<String> = (0..400).map(|n| format!("{n:032x}")).collect();
        let mut counts = [0; 17];
        for id in &ids {
            assert_eq!(derived("raspberrypi", id), derived("bike-2024", id));
            counts[usize::from(derived("raspberrypi", id).number.get())] += 1;
        }
        assert!(counts[1..].iter().all(|count| *count > 8), "{counts:?}");
        assert_eq!(derived("", ""), derived(" ", "\n"));
    }
}
