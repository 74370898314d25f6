//! The boots of a recording, and when their entries were made.

use super::super::event::Entry;

/// The entries of one boot, with UTC where it is known.
pub(super) type Entries<'a> = Vec<(&'a Entry, Option<f64>)>;

/// Splits a recording into boots. An entry that was made before UTC was known gets it from the next
/// one of the same boot that has it, otherwise from the last.
pub(super) fn boots(entries: &[Entry]) -> Vec<Entries<'_>> {
    entries.chunk_by(|one, next| one.boot == next.boot).map(with_utc).collect()
}

fn with_utc(boot: &[Entry]) -> Entries<'_> {
    let offset_s = |entry: &Entry| entry.utc_s.map(|utc_s| utc_s - entry.up_s);
    let last = boot.iter().rev().find_map(offset_s);
    let mut next = last;
    let mut entries: Entries<'_> = boot
        .iter()
        .rev()
        .map(|entry| {
            next = offset_s(entry).or(next);
            (entry, next.map(|offset_s| offset_s + entry.up_s))
        })
        .collect();
    entries.reverse();
    entries
}

#[cfg(test)]
mod tests {
    use super::super::super::boot::BootId;
    use super::super::super::event::Event;
    use super::*;

    #[test]
    fn utc_that_was_learnt_later_is_that_of_earlier_entries_too() {
        let entry =
            |boot: &str, up_s, utc_s| Entry { boot: BootId::parse(boot), up_s, utc_s, event: Event::Started {} };
        let entries = [
            entry("a", 1.0, None),
            entry("a", 5.0, Some(1005.0)),
            entry("a", 6.0, None),
            entry("b", 2.0, None),
            entry("a", 9.0, Some(2000.0)),
        ];
        let utc: Vec<Vec<Option<f64>>> =
            boots(&entries).iter().map(|boot| boot.iter().map(|(_, utc_s)| *utc_s).collect()).collect();
        assert_eq!(utc, [vec![Some(1001.0), Some(1005.0), Some(1006.0)], vec![None], vec![Some(2000.0)]]);
    }
}
