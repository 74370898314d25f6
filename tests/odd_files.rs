//! MP3s as people have them: cut, damaged, put together, with headers that lie. Each has the length
//! that ffmpeg 5.1 and mpg123 1.31 decode, where those agree, and boxes that join after the odd
//! place are in phase with those that played from the start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use jaudiosync_measure::{Recorder, Sink, VirtualCard};
use support::Sandbox;
use support::odd_mp3::{
    Info, apev2, id3v1, id3v2, id3v2_with, info_frame, lame, lyrics3, noise, noise_frames, picture, random_bytes,
    write, xing,
};
use support::playing::{Playing, lag_ms, named, this_second};
use support::undisturbed::undisturbed;

const CBR: &[&str] = &["-b", "128"];

/// A row of the table: what it is, the file, its frames and their rate; `None` if it is not an MP3.
type Row = (&'static str, Vec<u8>, Option<(u64, u64)>);

/// Returns bytes with some of them changed.
fn changed(mut bytes: Vec<u8>, at: usize, change: impl Fn(u8) -> u8, count: usize) -> Vec<u8> {
    bytes[at..at + count].iter_mut().for_each(|byte| *byte = change(*byte));
    bytes
}

/// Makes a WAV whose quiet beginning looks like Layer I frames in free format.
fn quiet_wav(seed: u64, channels: u16) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let quiet = (0..44_100 * 5 * usize::from(channels)).flat_map(|_| {
        let sample = (random.f64() - random.f64()).round() as i16;
        sample.to_le_bytes().repeat(if channels == 1 { 2 } else { 1 })
    });
    let loud =
        noise(5.0, 44_100, 2, 21).samples.into_iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes());
    let data: Vec<u8> = quiet.chain(loud).collect();
    let mut wav = [&b"RIFF"[..], &(36 + data.len() as u32).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes()].concat();
    wav.extend([1_u16, 2].iter().flat_map(|number| number.to_le_bytes()));
    wav.extend([44_100_u32, 176_400].iter().flat_map(|number| number.to_le_bytes()));
    wav.extend([4_u16, 16].iter().flat_map(|number| number.to_le_bytes()));
    wav.extend([&b"data"[..], &(data.len() as u32).to_le_bytes(), &data].concat());
    wav
}

fn rows() -> Vec<Row> {
    let clean = lame(&noise(10.0, 44_100, 2, 1), CBR);
    let second = lame(&noise(8.0, 44_100, 2, 2), CBR);
    let (a, b) = (support::odd_mp3::frames(&clean), support::odd_mp3::frames(&second));
    let mono = noise_frames(6.0, 44_100, 1, 3, &["-b", "64", "-m", "m"]);
    let r48 = noise_frames(6.0, 48_000, 2, 12, CBR);
    let half = a.len() / 2;
    let (before, behind) = (a[..half].concat(), a[half..].concat());
    let (all, head) = (a.concat(), xing(&a[0], a.len()));
    let info_bytes = clean.len() - all.len();
    let in_the_middle = info_bytes + before.len();
    let random = random_bytes(400_000, 77);
    let lying = |frames: u32, delay_padding| {
        [info_frame(&a[0], &Info { frames, delay_padding, ..Info::default() }), all.clone()].concat()
    };
    let frames = |count: usize| Some((count as u64 * 1152, 44_100));
    let as_made = Some((441_000, 44_100));
    vec![
        ("clean", clean.clone(), as_made),
        ("variable bit rate", lame(&noise(10.0, 44_100, 2, 1), &["-V", "4"]), as_made),
        (
            "an ID3 tag after it",
            [id3v2("First", 40_000), all.clone(), id3v2("Ghost", 5000), id3v1()].concat(),
            frames(384),
        ),
        ("Lyrics3, APE and ID3v1", [all.clone(), lyrics3(), apev2(), id3v1()].concat(), frames(384)),
        ("two ID3v1", [all.clone(), id3v1(), id3v1()].concat(), frames(384)),
        ("two ID3v2", [id3v2("One", 0), id3v2("Two", 3000), clean.clone()].concat(), as_made),
        (
            "an ID3v2 that is longer than it says",
            [id3v2_with(&picture(40_000, 3), 20_000), clean.clone()].concat(),
            as_made,
        ),
        ("an ID3v2 that is shorter than it says", [id3v2_with(&[0; 12], 5000), clean.clone()].concat(), frames(373)),
        ("zeros before", [vec![0; 1000], all.clone()].concat(), frames(384)),
        ("zeros after it", [all.clone(), vec![0; 70_000]].concat(), frames(384)),
        ("Xing with 0 frames", lying(0, None), frames(384)),
        ("Xing with 0xFFFFFFFF frames", lying(u32::MAX, None), frames(384)),
        ("Xing with too few frames", lying(100, None), frames(384)),
        ("Xing with too many frames", lying(1000, None), frames(384)),
        ("Xing with too few frames and delays", lying(100, Some((576, 1000))), Some((442_368 - 1576, 44_100))),
        ("Xing with too many frames and delays", lying(1000, Some((576, 1000))), Some((442_368 - 1105, 44_100))),
        (
            "Info with one frame too many",
            {
                let info = |bytes| {
                    let frames = a.len() as u32 + 1;
                    info_frame(&a[0], &Info { tag: b"Info", frames, bytes: Some(bytes), ..Info::default() })
                };
                let bytes = (info(0).len() + all.len()) as u32;
                [info(bytes), all.clone()].concat()
            },
            frames(384),
        ),
        ("Xing of stereo, sound in mono", [xing(&a[0], mono.len()), mono.concat()].concat(), Some((266_112, 44_100))),
        // As in mpg123: the first part's padding is not heard, the second info frame is silence.
        (
            "two files with their headers",
            [id3v2("1", 0), clean.clone(), id3v2("2", 0), second].concat(),
            Some((796_968, 44_100)),
        ),
        ("100 frames cut out", [a[..half - 50].concat(), a[half + 50..].concat()].concat(), frames(284)),
        ("a tag in the middle", [all.clone(), id3v2("Two Two", 0), b.concat()].concat(), frames(384 + 308)),
        ("noise in the middle", [&head[..], &before, &random[..300], &behind].concat(), frames(384)),
        ("much noise in the middle", [&head[..], &before, &random[..300_000], &behind].concat(), frames(384)),
        ("a byte lost", [&head[..], &before, &behind[..100], &behind[101..]].concat(), frames(384)),
        (
            "cut, with LAME's delays",
            {
                let info = Info { frames: 283, delay_padding: Some((576, 1000)), ..Info::default() };
                [info_frame(&a[0], &info), a[101..].concat()].concat()
            },
            Some((283 * 1152 - 1576, 44_100)),
        ),
        // A part that was overwritten in a file of unchanged size keeps its time.
        ("a damaged header", changed(clean.clone(), in_the_middle, |byte| byte ^ 0x80, 1), as_made),
        ("a damaged bit rate", changed(clean.clone(), in_the_middle + 2, |byte| byte ^ 0x10, 1), as_made),
        ("2,000 zeros in the middle", changed(clean.clone(), in_the_middle, |_| 0, 2000), as_made),
        // 1.008 s at 48 kHz are 44,452.8 frames.
        ("a jingle at 48 kHz first", [r48[..42].concat(), all.clone()].concat(), Some((44_453 + 442_368, 44_100))),
        ("stereo, then mono", [all.clone(), mono.concat()].concat(), frames(615)),
        ("protected by checksums", lame(&noise(10.0, 44_100, 2, 1), &["-b", "128", "-p"]), as_made),
        ("a last frame that is torn", [a[..100].concat(), a[100][..200].to_vec()].concat(), frames(100)),
        // An interrupted copy keeps its slot, so that the tracks after it are in sync; one that was
        // cut between frames is as long as what is left, as other decoders have it.
        ("cut off in a frame", clean[..info_bytes + before.len() + 200].to_vec(), as_made),
        ("cut off between two frames", clean[..in_the_middle].to_vec(), Some((192 * 1152 - 1105, 44_100))),
        (
            "a part after the header of all",
            [&clean[..info_bytes], &a[100..120].concat()].concat(),
            Some((20 * 1152 - 1105, 44_100)),
        ),
        ("two frames", a[..2].concat(), frames(2)),
        (
            "in a WAV",
            [&b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x55\0\x02\0\x44\xAC\0\0\x80\x3E\0\0\x01\0\0\0data\0\0\0\0"[..], &clean]
                .concat(),
            as_made,
        ),
        ("a WAV", quiet_wav(6, 2), None),
        ("a WAV in mono", quiet_wav(1, 1), None),
        ("a picture", picture(300_000, 5), None),
        ("random bytes", random.clone(), None),
        ("random bytes with five frames", [&random[..200_000], &a[..5].concat(), &random[200_000..]].concat(), None),
    ]
}

#[test]
fn lengths_are_those_that_others_decode_with_the_index_and_without() {
    let sandbox = Sandbox::new();
    let rows = rows();
    let names: Vec<String> = rows.iter().map(|(name, ..)| format!("{name}.mp3")).collect();
    for ((_, bytes, _), name) in rows.iter().zip(&names) {
        write(&sandbox.music(), name, &[bytes]);
    }
    sandbox.playlist(names.join("\n"));
    let without = sandbox.list(&[]);
    let tracks = without["tracks"].as_array().unwrap();
    for ((name, _, right), track) in rows.iter().zip(tracks) {
        let found = track["frames"].as_u64().zip(track["rate_hz"].as_u64());
        assert_eq!(found, *right, "{name}: {track}");
        assert_eq!(track["problem"].is_null(), right.is_some(), "{name}: {track}");
    }
    assert!(sandbox.index().exists());
    assert_eq!(sandbox.list(&[]), without, "with the index");
    sandbox.run(&["index", "--rebuild"]).succeeds();
    assert_eq!(sandbox.list(&["-l"]), without, "with another index, trusted");
}

/// How much of a track comes before its odd place, and after it, in seconds.
const BEFORE_S: f64 = 4.0;
const AFTER_S: f64 = 16.0;

/// Makes tracks that have an odd place.
fn odd_tracks() -> Vec<(&'static str, Vec<u8>)> {
    let part = |seconds: f64, seed| noise_frames(seconds, 44_100, 2, seed, CBR);
    let (first, rest) = (part(BEFORE_S, 31).concat(), part(AFTER_S, 32));
    let whole = rest.concat();
    let random = random_bytes(300_000, 5);
    let all = part(BEFORE_S + AFTER_S, 33);
    let spot = (BEFORE_S * 44_100.0 / 1152.0) as usize;
    let delays = |frames| Info { frames, delay_padding: Some((576, 1000)), ..Info::default() };
    vec![
        ("a tag in the middle", [&first[..], &id3v2("Two", 0), &whole].concat()),
        (
            "noise of 300 bytes",
            [&xing(&all[0], all.len())[..], &all[..spot].concat(), &random[..300], &all[spot..].concat()].concat(),
        ),
        (
            "noise of 300,000 bytes",
            [&xing(&all[0], all.len())[..], &all[..spot].concat(), &random, &all[spot..].concat()].concat(),
        ),
        ("a byte lost", [&all[..spot].concat()[..], &all[spot][1..], &all[spot + 1..].concat()].concat()),
        ("100 frames cut out", [all[..spot].concat(), all[spot + 100..].concat()].concat()),
        (
            "cut at frame 101",
            [&info_frame(&all[0], &delays(all.len() as u32 - 101))[..], &all[101..].concat()].concat(),
        ),
        ("a jingle at 48 kHz", [&noise_frames(BEFORE_S, 48_000, 2, 34, CBR).concat()[..], &whole].concat()),
        (
            "stereo, then mono",
            [&first[..], &noise_frames(AFTER_S, 44_100, 1, 35, &["-b", "64", "-m", "m"]).concat()].concat(),
        ),
        ("two files", [lame(&noise(BEFORE_S, 44_100, 2, 36), CBR), lame(&noise(AFTER_S, 44_100, 2, 37), CBR)].concat()),
        // Two that were damaged in different ways without changing their size play the same.
        ("overwritten", changed(lame(&noise(BEFORE_S + AFTER_S, 44_100, 2, 38), CBR), spot * 418, |_| 0, 5000)),
    ]
}

/// How long a box that joins after the odd place is heard before it is judged, as its model of the
/// card's clock is new: on a busy machine the sound server reports its position 0.3 ms wrong now and
/// then, which takes the model so long to average.
const SETTLES_S: f64 = 9.0;

/// In the recording, both are the same to within this.
const BOUND_MS: f64 = 0.1;

#[test]
fn a_box_that_joins_after_an_odd_place_is_in_phase_with_one_that_played_from_the_start() {
    // Several at a time, as each is mostly waiting.
    for tracks in odd_tracks().chunks(5) {
        std::thread::scope(|scope| {
            for (name, bytes) in tracks {
                scope.spawn(|| undisturbed(|| assert_in_phase(name, [bytes, bytes])));
            }
        });
    }
}

/// One byte of one box's copy was changed, in the header of a frame whose length is unlike the
/// others'.
#[test]
fn a_box_with_a_damaged_copy_is_in_phase_with_one_that_has_a_good_one() {
    let good = lame(&noise(BEFORE_S + AFTER_S, 44_100, 2, 39), &["-V", "0"]);
    let frames = support::odd_mp3::frames(&good);
    let spot = (BEFORE_S * 44_100.0 / 1152.0) as usize;
    let longest = (spot..spot + 20).max_by_key(|frame| frames[*frame].len()).unwrap();
    let at = good.len() - frames[longest..].concat().len();
    let damaged = changed(good.clone(), at + 1, |byte| byte ^ 0x10, 1);
    undisturbed(|| assert_in_phase("a damaged copy", [&good, &damaged]));
}

/// Asserts that a player from the start and one that joins are in phase.
fn assert_in_phase(name: &str, files: [&[u8]; 2]) {
    let [first, second] = files.map(|bytes| {
        let sandbox = Sandbox::new();
        write(&sandbox.music(), "odd.mp3", &[bytes]);
        sandbox.playlist("odd.mp3\n");
        sandbox
    });
    let card = VirtualCard::start().unwrap();
    let recorder = Recorder::start(&card).unwrap();
    let start_s = this_second() + 3;
    let begins = Playing::start(&first, &card, Sink::Left, &["-t", &named(start_s)]);
    sleep_until(start_s as f64 + BEFORE_S);
    let joins = Playing::start(&second, &card, Sink::Right, &["-t", &named(start_s)]);
    let (began, joined) = (begins.finish(), joins.finish());
    let recording = recorder.finish().unwrap();
    assert!(joined.contains(" s into it)"), "{joined}");
    for words in [&began, &joined] {
        assert!(!words.contains("underrun") && !words.contains("Silent"), "{name}: {words}");
    }
    let from_s = start_s as f64 + BEFORE_S + 2.0 + SETTLES_S;
    let to_s = start_s as f64 + BEFORE_S + AFTER_S - 0.5 - if name.contains("cut") { 3.0 } else { 0.0 };
    let parts = ((to_s - from_s) / 0.5) as usize;
    let lags: Vec<f64> = (0..parts).filter_map(|part| lag_ms(&recording, from_s + 0.5 * part as f64, 0.5)).collect();
    let worst = lags.iter().fold(0.0_f64, |worst, lag| worst.max(lag.abs()));
    println!("{name}: largest lag {worst:.4} ms in {} half seconds", lags.len());
    assert!(lags.len() + 1 >= parts, "{name}: both are heard in {} of {parts} half seconds", lags.len());
    assert!(worst < BOUND_MS, "{name}: {lags:?}");
}

/// Sleeps until an instant. There is no event: a rider decides when to switch a box on.
fn sleep_until(utc_s: f64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    std::thread::sleep(Duration::from_secs_f64((utc_s - now).max(0.0)));
}

#[test]
fn a_frame_that_makes_the_decoder_panic_costs_itself_alone() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/panics-in-the-decoder.mp3");
    let sandbox = Sandbox::new();
    fs::copy(data, sandbox.music().join("panics.mp3")).unwrap();
    fs::write(sandbox.music().join("good.mp3"), lame(&noise(3.0, 44_100, 2, 9), CBR)).unwrap();
    sandbox.playlist("panics.mp3\ngood.mp3\n");
    let listed = sandbox.list(&[]);
    assert!(listed["tracks"][0]["problem"].is_null(), "{listed}");
    let card = VirtualCard::start().unwrap();
    let recorder = Recorder::start(&card).unwrap();
    let start_s = this_second() + 3;
    let playing = Playing::start(&sandbox, &card, Sink::Left, &["-t", &named(start_s)]);
    let words = playing.finish();
    let recording = recorder.finish().unwrap();
    assert!(!words.contains("panicked"), "{words}");
    assert_eq!(words.matches("panics.mp3: damaged").count(), 1, "it is named once: {words}");
    assert!(words.contains("Playlist finished playing."), "{words}");
    let slot_s = listed["tracks"][0]["slot_s"].as_f64().unwrap();
    let loudest = |from_s: f64, to_s: f64| {
        let frame = |utc_s: f64| recording.frame_at_utc_ns(utc_s * 1e9).round() as usize;
        recording.left[frame(from_s)..frame(to_s)].iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()))
    };
    let start_s = start_s as f64;
    assert!(loudest(start_s, start_s + slot_s - 1.0) > 0.05, "the rest of the file is heard");
    assert!(loudest(start_s + slot_s, start_s + slot_s + 3.0) > 0.05, "the next track is heard");
}
