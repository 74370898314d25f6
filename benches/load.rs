//! Loading a playlist of 1,000 tracks whose index is present: `cargo bench --bench load`.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use jaudiosync::playlist::{LoadOptions, load};

fn load_a_thousand(criterion: &mut Criterion) {
    let music = tempfile::tempdir().unwrap();
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("Music/01 Chain and Sprocket.mp3");
    let mut list = String::new();
    for number in 0..1000 {
        let name = format!("{number}.mp3");
        std::fs::copy(&original, music.path().join(&name)).unwrap();
        list.push_str(&name);
        list.push('\n');
    }
    std::fs::write(music.path().join("Playlist.m3u8"), list).unwrap();
    let options = |trust_index| LoadOptions {
        folders: vec![music.path().to_owned()],
        name: "Playlist".to_owned(),
        index_elsewhere: None,
        every_mp3: true,
        trust_index,
        rebuild: false,
        make_maps: false,
    };
    load(&options(false), &|_, _| {}).unwrap();
    for (name, trust_index) in [("load 1,000 indexed tracks", false), ("load 1,000 tracks, -l", true)] {
        criterion.bench_function(name, |bencher| bencher.iter(|| load(&options(trust_index), &|_, _| {}).unwrap()));
    }
}

criterion_group!(benches, load_a_thousand);
criterion_main!(benches);
