//! Where labels go so that none lies on another.

/// Size of a label's letters, in pixels, and how wide one of them is on average in a sans-serif
/// font.
pub(super) const LABEL_PX: u32 = 14;
const LETTER_PX: f64 = 7.0;

/// Between two labels of a row, in pixels.
const APART_PX: f64 = 14.0;

/// Something on the time axis, with words to the right of its beginning.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Labelled {
    pub at_minutes: f64,
    pub to_minutes: f64,
    pub words: String,
}

/// Each label with the first row in which there is room for it.
pub(super) fn rows_for(mut labels: Vec<Labelled>, minutes_per_px: f64) -> Vec<(Labelled, usize)> {
    labels.sort_by(|a, b| a.at_minutes.total_cmp(&b.at_minutes));
    let mut ends: Vec<f64> = Vec::new();
    labels
        .into_iter()
        .map(|label| {
            let width = (label.words.chars().count() as f64 * LETTER_PX + APART_PX) * minutes_per_px;
            let end = (label.at_minutes + width).max(label.to_minutes);
            let row = ends.iter().position(|&taken| taken <= label.at_minutes).unwrap_or(ends.len());
            match ends.get_mut(row) {
                Some(taken) => *taken = end,
                None => ends.push(end),
            }
            (label, row)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_would_overlap_go_below_each_other() {
        let label = |at_minutes: f64| Labelled { at_minutes, to_minutes: at_minutes, words: "ten chars!".to_owned() };
        let rows = rows_for(vec![label(200.0), label(0.0), label(10.0), label(90.0)], 1.0);
        let found: Vec<(f64, usize)> = rows.iter().map(|(label, row)| (label.at_minutes, *row)).collect();
        assert_eq!(found, [(0.0, 0), (10.0, 1), (90.0, 0), (200.0, 0)]);
    }
}
