//! Which of several folders the music is taken from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a folder has to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// A playlist that can be used.
    List,
    /// No playlist, but MP3s.
    Mp3s,
}

/// A folder that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// The folder.
    pub folder: PathBuf,
    /// Why it was not taken, in words that follow its name and a colon.
    pub why: String,
    /// Whether it was not taken although it may have music: another one comes first.
    pub is_spare: bool,
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.folder.display(), self.why)
    }
}

/// Chooses among folders by what each has, `None` if it has nothing to play: returns the number of the
/// first with a playlist or, without any playlist, of the first with MP3s.
pub(super) fn choose(contents: &[Option<Content>]) -> Option<usize> {
    let first = |wanted| contents.iter().position(|content| *content == Some(wanted));
    first(Content::List).or_else(|| first(Content::Mp3s))
}

/// Returns what was passed over where `folders[taken]` is taken. `looked` says of the folders that were
/// looked at, the first ones, what each has or why it has nothing.
pub(super) fn passed_over(
    folders: &[PathBuf],
    looked: &[Result<Content, String>],
    taken: Option<usize>,
) -> Vec<PassedOver> {
    let winner = taken.and_then(|taken| folders.get(taken)).map_or(Path::new(""), PathBuf::as_path).display();
    let others = folders.iter().enumerate().filter(|(number, _)| Some(*number) != taken);
    let of = |(number, folder): (usize, &PathBuf)| {
        let (why, is_spare) = match looked.get(number) {
            Some(Err(why)) => (why.clone(), false),
            Some(Ok(Content::Mp3s)) if taken.is_some_and(|taken| taken > number) => {
                (format!("it has MP3s without a playlist, and {winner} has one"), true)
            }
            Some(Ok(_)) | None => (format!("{winner} comes first"), true),
        };
        PassedOver { folder: folder.clone(), why, is_spare }
    };
    others.map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Option<Content> = Some(Content::List);
    const MP3S: Option<Content> = Some(Content::Mp3s);

    #[test]
    fn the_first_playlist_counts_and_without_any_the_first_mp3s() {
        for (contents, chosen) in [
            (&[LIST, LIST][..], Some(0)),
            (&[None, LIST, LIST], Some(1)),
            (&[MP3S, None, LIST], Some(2)),
            (&[None, MP3S, MP3S], Some(1)),
            (&[None, None], None),
            (&[], None),
        ] {
            assert_eq!(choose(contents), chosen, "{contents:?}");
        }
    }

    #[test]
    fn of_every_other_folder_it_is_said_why_it_was_not_taken() {
        let folders = ["/a", "/b", "/c", "/d"].map(PathBuf::from);
        let looked = [Err("there is no such folder".to_owned()), Ok(Content::Mp3s), Ok(Content::List)];
        let words: Vec<String> = passed_over(&folders, &looked, Some(2)).iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            ["/a: there is no such folder", "/b: it has MP3s without a playlist, and /c has one", "/d: /c comes first"]
        );
        let nothing = looked.into_iter().take(1).collect::<Vec<_>>();
        assert_eq!(passed_over(&folders[..1], &nothing, None).len(), 1);
    }
}
