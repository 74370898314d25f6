//! Who is believed: what boxes state of UTC are intervals, and of three or more the one that most
//! others exclude is wrong, whatever it states (Marzullo's rule, as in NTP's clock select, RFC 5905,
//! section 11.2.1). Of two that exclude each other nobody can say which one is wrong.

use std::cmp::Ordering;

use jaudiosync_time::Span;

/// What a box states of UTC: by how much that is ahead of a time that all are compared with, and how
/// far it can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// By how much it is ahead.
    pub ahead: Span,
    /// How far that can be wrong, with what the comparison adds.
    pub bound: Span,
}

/// What the others make of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Most agree with it, or there is nobody to disagree.
    Agrees,
    /// Half of them exclude it, such as one of two.
    Contradicted,
    /// Most others exclude it.
    Excluded,
}

impl Claim {
    fn overlaps(&self, other: &Self) -> bool {
        (self.ahead - other.ahead).abs() <= self.bound + other.bound
    }
}

/// Returns what becomes of each claim.
pub fn judge(claims: &[Claim]) -> Vec<Standing> {
    claims
        .iter()
        .map(|claim| {
            let agreeing = claims.iter().filter(|other| claim.overlaps(other)).count();
            match (agreeing * 2).cmp(&claims.len()) {
                Ordering::Greater => Standing::Agrees,
                Ordering::Equal => Standing::Contradicted,
                Ordering::Less => Standing::Excluded,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(ahead_ms: i64, bound_ms: i64) -> Claim {
        Claim { ahead: Span::from_ms(ahead_ms), bound: Span::from_ms(bound_ms) }
    }

    #[test]
    fn of_three_the_one_that_lies_is_excluded_however_sure_it_is() {
        use Standing::{Agrees, Contradicted, Excluded};
        assert_eq!(judge(&[claim(0, 3), claim(4, 3), claim(5_000, 0)]), [Agrees, Agrees, Excluded]);
        assert_eq!(judge(&[claim(0, 3), claim(5_000, 0)]), [Contradicted, Contradicted]);
        assert_eq!(judge(&[claim(0, 3), claim(1, 0)]), [Agrees, Agrees]);
        assert_eq!(judge(&[claim(0, 3)]), [Agrees]);
        assert_eq!(judge(&[claim(0, 1), claim(0, 1), claim(90, 1), claim(90, 1)]), [Contradicted; 4]);
        // Whoever knows little excludes nobody.
        assert_eq!(judge(&[claim(0, 2_000), claim(4, 3), claim(1_500, 100)])[0], Agrees);
    }
}
