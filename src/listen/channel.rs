//! One channel of a recording: a mix of two microphones would hear every box twice.

/// How much of a recording decides which channel is heard, in s.
const DECIDES_S: usize = 10;

/// Chooses a channel: the one that was named, or the louder one of the first seconds.
pub struct ChannelChoice {
    named: Option<usize>,
    chosen: Option<usize>,
    decides_after: usize,
    waiting: Vec<Vec<f32>>,
}

impl ChannelChoice {
    /// Begins with a recording of this rate; `named` is a channel from 0.
    pub fn new(rate_hz: u32, named: Option<usize>) -> Self {
        Self { named, chosen: named, decides_after: DECIDES_S * rate_hz as usize, waiting: Vec::new() }
    }

    /// Takes the piece that follows, and returns the samples of the channel that are known by now.
    pub fn push(&mut self, piece: Vec<Vec<f32>>) -> Vec<f32> {
        if let Some(chosen) = self.chosen {
            return one(piece, chosen);
        }
        if self.waiting.is_empty() {
            self.waiting = piece;
        } else {
            let length = piece.first().map_or(0, Vec::len);
            for (index, waiting) in self.waiting.iter_mut().enumerate() {
                match piece.get(index) {
                    Some(samples) => waiting.extend_from_slice(samples),
                    None => waiting.extend(std::iter::repeat_n(0.0, length)),
                }
            }
        }
        let is_enough = self.waiting.first().is_some_and(|samples| samples.len() >= self.decides_after);
        if is_enough { self.finish() } else { Vec::new() }
    }

    /// Returns what is left at the end.
    pub fn finish(&mut self) -> Vec<f32> {
        let energy = |samples: &Vec<f32>| samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        // The first of equal ones: in a recording that is mono at heart.
        let loudest = (0..self.waiting.len())
            .rev()
            .max_by(|a, b| energy(&self.waiting[*a]).total_cmp(&energy(&self.waiting[*b])));
        let chosen = *self.chosen.get_or_insert(self.named.or(loudest).unwrap_or(0));
        one(std::mem::take(&mut self.waiting), chosen)
    }
}

/// Returns a channel; of a piece that has fewer, the last one.
fn one(mut piece: Vec<Vec<f32>>, index: usize) -> Vec<f32> {
    piece.truncate(index + 1);
    piece.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_louder_channel_is_heard_from_the_first_sample_on() {
        let mut choice = ChannelChoice::new(10, None);
        let mut heard = Vec::new();
        for n in 0..30 {
            heard.extend(choice.push(vec![vec![0.01; 10], vec![n as f32; 10]]));
        }
        heard.extend(choice.finish());
        assert_eq!(heard.len(), 300);
        assert!(heard.iter().enumerate().all(|(index, x)| *x == (index / 10) as f32));
    }

    #[test]
    fn a_short_recording_and_a_named_channel() {
        let mut choice = ChannelChoice::new(48_000, None);
        assert!(choice.push(vec![vec![0.5; 10], vec![0.5; 10]]).is_empty());
        assert_eq!(choice.finish(), vec![0.5; 10]);
        let mut named = ChannelChoice::new(48_000, Some(0));
        assert_eq!(named.push(vec![vec![0.1; 3], vec![0.9; 3]]), vec![0.1; 3]);
    }
}
