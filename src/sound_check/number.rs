//! The number of a box that has none configured.

use super::schedule::{BOXES, BoxNumber};

/// Returns the number that follows from a box's names: the number at the end of its host name if it
/// is 1 to 16, as in `box-7`; otherwise one that its machine ID makes, which differs from most
/// boxes' but may be that of another.
pub fn derived(host_name: &str, machine_id: &str) -> BoxNumber {
    let name = host_name.trim();
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let at_the_end = name[name.len() - digits..].parse().ok().and_then(BoxNumber::new);
    at_the_end.unwrap_or_else(|| {
        let id = if machine_id.trim().is_empty() { name } else { machine_id.trim() };
        let made = crc32fast::hash(id.as_bytes()) % u32::from(BOXES) + 1;
        // It is 1 to 16.
        u8::try_from(made).ok().and_then(BoxNumber::new).unwrap_or(BoxNumber::FIRST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_the_end_of_the_host_name_counts() {
        for (name, number) in [("box-7", 7), ("cargo16\n", 16), ("pi3", 3), ("box-07", 7)] {
            assert_eq!(derived(name, "c0ffee").get(), number, "{name}");
        }
    }

    #[test]
    fn otherwise_the_machine_id_makes_one() {
        let ids: Vec<String> = (0..400).map(|n| format!("{n:032x}")).collect();
        let mut counts = [0; 17];
        for id in &ids {
            assert_eq!(derived("raspberrypi", id), derived("bike-2024", id));
            counts[usize::from(derived("raspberrypi", id).get())] += 1;
        }
        assert!(counts[1..].iter().all(|count| *count > 8), "{counts:?}");
        assert_eq!(derived("", ""), derived(" ", "\n"));
    }
}
