use std::fs;

use super::*;

fn track() -> IndexedTrack {
    IndexedTrack {
        entry: "a.mp3".to_owned(),
        file: "a.mp3".to_owned(),
        size_bytes: 1000,
        modified_s: 1_700_000_000,
        frames: 44_100,
        rate_hz: 44_100,
        channels: 2,
        title: Some("A".to_owned()),
        artist: None,
        content: "0123456789abcdef".to_owned(),
        missing_bytes: 7,
        map: Some("frames-2 44100 20000 1 0:44100 417:0".to_owned()),
    }
}

#[test]
fn impossible_files_are_refused_though_the_checksum_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Playlist.index.json");
    let is_read = |track: IndexedTrack| {
        Index::new("f".to_owned(), vec![track]).write(&path).unwrap();
        Index::read(&path).is_ok()
    };
    for rate_hz in [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000] {
        assert!(is_read(IndexedTrack { rate_hz, frames: 1152 << 32, ..track() }));
    }
    for rate_hz in [0, 1, 44_099, 96_000, u32::MAX] {
        assert!(!is_read(IndexedTrack { rate_hz, ..track() }));
    }
    assert!(!is_read(IndexedTrack { frames: u64::MAX, ..track() }));
    let (size_bytes, missing_bytes) = (i64::MAX as u64, u32::MAX.into());
    assert!(is_read(IndexedTrack { size_bytes, missing_bytes, ..track() }));
    assert!(!is_read(IndexedTrack { size_bytes: size_bytes + 1, ..track() }));
    assert!(!is_read(IndexedTrack { missing_bytes: missing_bytes + 1, ..track() }));
}

#[test]
fn any_changed_byte_is_noticed_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Playlist.index.json");
    let index = Index::new("f".to_owned(), vec![track()]);
    index.write(&path).unwrap();
    let good = fs::read(&path).unwrap();
    assert_eq!(Index::read(&path).unwrap(), index);
    for position in 0..good.len() {
        let mut bad = good.clone();
        bad[position] ^= 1;
        fs::write(&path, &bad).unwrap();
        if let Ok(read) = Index::read(&path) {
            assert_eq!(read.tracks, index.tracks, "byte {position}");
        }
    }
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(matches!(Index::read(&path), Err(IndexError::Damaged)));
}
