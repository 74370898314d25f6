use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use id3::TagLike;
use proptest::prelude::*;

use super::*;

/// Reads the tags of a file with these bytes, of which the first `in_memory` are in memory already.
fn read_with(bytes: &[u8], in_memory: usize) -> (Option<String>, Option<String>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    read_tags(Path::new("x.mp3"), &file, &bytes[..in_memory.min(bytes.len())])
}

fn read(bytes: &[u8]) -> (Option<String>, Option<String>) {
    read_with(bytes, 20_000)
}

fn some(title: &str, artist: &str) -> (Option<String>, Option<String>) {
    (Some(title.to_owned()), Some(artist.to_owned()))
}

/// Writes a number with seven bits in each byte.
fn sync_safe(number: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (number >> shift & 0x7F) as u8)
}

/// Makes a frame of ID3v2.3, whose sizes are plain numbers.
fn frame_23(id: &[u8], flags: u8, content: &[u8]) -> Vec<u8> {
    [id, &(content.len() as u32).to_be_bytes(), &[0, flags], content].concat()
}

fn frame_24(id: &[u8], flags: u8, content: &[u8]) -> Vec<u8> {
    [id, &sync_safe(content.len()), &[0, flags], content].concat()
}

fn tag(version: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    [b"ID3", &[version, 0, flags][..], &sync_safe(body.len()), body].concat()
}

fn id3v1(title: &[u8], artist: &[u8]) -> Vec<u8> {
    let mut tag = b"TAG".to_vec();
    for (text, length) in [(title, 30), (artist, 30), (b"", 65)] {
        tag.extend_from_slice(text);
        tag.resize(tag.len() + length - text.len(), 0);
    }
    tag
}

fn compressed(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn unsynchronised(content: &[u8]) -> Vec<u8> {
    content.iter().flat_map(|&byte| [byte, 0].into_iter().take(if byte == 0xFF { 2 } else { 1 })).collect()
}

#[test]
fn all_versions_and_encodings_are_read() {
    let v22 = [&b"TT2\0\0\x04\0One"[..], b"TP1\0\0\x04\0Two"].concat();
    assert_eq!(read(&tag(2, 0, &v22)), some("One", "Two"));
    let utf16: Vec<u8> = [1, 0xFF, 0xFE].into_iter().chain("déjà".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let utf16_be: Vec<u8> = [2].into_iter().chain("vu".encode_utf16().flat_map(u16::to_be_bytes)).collect();
    let v23 = [frame_23(b"TIT2", 0, &utf16), frame_23(b"TPE1", 0, &utf16_be)].concat();
    assert_eq!(read(&tag(3, 0, &v23)), some("déjà", "vu"));
    let v24 = [frame_24(b"TIT2", 0, "\u{3}Ω".as_bytes()), frame_24(b"TPE1", 0, b"\0Don\x92t\0Stop\0")].concat();
    assert_eq!(read(&tag(4, 0, &v24)), some("Ω", "Don’t / Stop"));
    assert_eq!(read(&id3v1(b"Title", b"D\xE9j\xE0")), some("Title", "Déjà"));
    // What the newer tag lacks is taken from the older one.
    let both = [tag(3, 0, &frame_23(b"TIT2", 0, b"\0New")), id3v1(b"Old", b"Artist")].concat();
    assert_eq!(read(&both), some("New", "Artist"));
}

#[test]
fn wrapped_frames_are_unwrapped_and_encrypted_ones_left_out() {
    let packed = [&[0, 0, 0, 9][..], &compressed(b"\0Squeezed")].concat();
    let grouped = [&[7][..], b"\0Grouped"].concat();
    let v23 = [frame_23(b"TIT2", 0x80, &packed), frame_23(b"TPE1", 0x20, &grouped)].concat();
    assert_eq!(read(&tag(3, 0, &v23)), some("Squeezed", "Grouped"));
    let packed = [&sync_safe(9)[..], &unsynchronised(&compressed(b"\0Squeezed"))].concat();
    let text = unsynchronised(&[1, 0xFF, 0xFE, b'A', 0, 0xFF, 0]);
    let v24 = [frame_24(b"TIT2", 0x0B, &packed), frame_24(b"TPE1", 0x02, &text)].concat();
    assert_eq!(read(&tag(4, 0x80, &v24)), some("Squeezed", "Aÿ"));
    let v23 = [frame_23(b"TIT2", 0x40, b"\x01secret"), frame_23(b"TPE1", 0, b"\0Open")].concat();
    assert_eq!(read(&tag(3, 0, &v23)), (None, Some("Open".to_owned())));
}

#[test]
fn a_tag_unsynchronised_as_a_whole_is_read_behind_its_picture() {
    let body = [frame_23(b"APIC", 0, &[0xFF; 40_000]), frame_23(b"TIT2", 0, b"\0T"), frame_23(b"TPE1", 0, b"\0A\xFF")];
    let body = unsynchronised(&body.concat());
    for in_memory in [0, 100, 20_000, 100_000] {
        assert_eq!(read_with(&tag(3, 0x80, &body), in_memory), some("T", "Aÿ"), "{in_memory}");
    }
}

#[test]
fn extended_headers_are_skipped() {
    let frames = [frame_23(b"TIT2", 0, b"\0T"), frame_23(b"TPE1", 0, b"\0A")].concat();
    let extended = [&[0, 0, 0, 6, 0, 0, 0, 0, 0, 0][..], &frames].concat();
    assert_eq!(read(&tag(3, 0x40, &extended)), some("T", "A"));
    let extended = [&[0, 0, 0, 6, 1, 0][..], &frames].concat();
    assert_eq!(read(&tag(4, 0x40, &extended)), some("T", "A"));
}

#[test]
fn sizes_that_itunes_wrote_into_2_4_as_plain_numbers_are_understood() {
    let picture = [b"APIC", &300_u32.to_be_bytes()[..], &[0; 302]].concat();
    let body = [picture, frame_24(b"TIT2", 0, b"\0T"), frame_24(b"TPE1", 0, b"\0A")].concat();
    assert_eq!(read(&tag(4, 0, &body)), some("T", "A"));
    // Correct sizes stay correct, also in the last frame and before padding.
    for padding in [0, 500] {
        let picture = frame_24(b"APIC", 0, &[0; 300]);
        let body = [frame_24(b"TIT2", 0, b"\0T"), picture, frame_24(b"TPE1", 0, b"\0A"), vec![0; padding]].concat();
        assert_eq!(read(&tag(4, 0, &body)), some("T", "A"));
    }
}

#[test]
fn huge_texts_are_cut_and_what_follows_them_is_found() {
    let title = [&[3][..], "é".repeat(6_000_000).as_bytes()].concat();
    let artist = [&[0, 0x24, 0, 0][..], &compressed(&vec![b'a'; 60_000_000])].concat();
    let v23 = [frame_23(b"TIT2", 0, &title), frame_23(b"TPE1", 0x80, &artist)].concat();
    let (title, artist) = read(&tag(3, 0, &v23));
    assert_eq!(title, Some("é".repeat(200) + "…"));
    assert_eq!(artist, Some("a".repeat(200) + "…"));
}

#[test]
fn a_panic_costs_the_tags_alone() {
    assert_eq!(guarded(Path::new("x.mp3"), || panic!("as is wanted")), (None, None));
    let tags = Tags { title: Some("T".to_owned()), artist: None };
    assert_eq!(guarded(Path::new("x.mp3"), || tags), (Some("T".to_owned()), None));
}

fn version() -> impl Strategy<Value = id3::Version> {
    prop_oneof![Just(id3::Version::Id3v22), Just(id3::Version::Id3v23), Just(id3::Version::Id3v24)]
}

fn encoding() -> impl Strategy<Value = id3::Encoding> {
    use id3::Encoding::{Latin1, UTF8, UTF16};
    prop_oneof![Just(Latin1), Just(UTF16), Just(UTF8)]
}

proptest! {
    #[test]
    fn what_the_crate_id3_writes_is_read(
        (title, artist) in ("[a-zA-Z][ -~]{0,80}[a-z]", "[a-z]{1,90}"),
        (version, encoding, wrapping) in (version(), encoding(), 0..4_u8),
        picture in proptest::collection::vec(any::<u8>(), 0..5000),
    ) {
        // 2.2 and 2.3 have no UTF-8.
        let encoding = match (version, encoding) {
            (id3::Version::Id3v24, encoding) => encoding,
            (_, id3::Encoding::UTF8) => id3::Encoding::UTF16,
            (_, encoding) => encoding,
        };
        let mut written = id3::Tag::with_version(version);
        written.set_album("An album");
        written.add_frame(id3::frame::Picture {
            mime_type: "image/png".to_owned(),
            picture_type: id3::frame::PictureType::CoverFront,
            description: String::new(),
            data: picture,
        });
        for (id, text) in [("TIT2", &title), ("TPE1", &artist)] {
            written.add_frame(id3::Frame::text(id, text.as_str()).set_encoding(Some(encoding)));
        }
        let mut bytes = Vec::new();
        // The writer sets a flag that 2.2 does not have, and compresses nothing.
        let is_compressed = wrapping & 2 != 0 && version != id3::Version::Id3v22;
        let encoder = id3::Encoder::new().version(version).unsynchronisation(wrapping & 1 != 0).compression(is_compressed);
        encoder.encode(&written, &mut bytes).unwrap();
        bytes.extend_from_slice(b"\xFF\xFBaudio");
        prop_assert_eq!(read_with(&bytes, 3000), some(&title, &artist));
    }

    #[test]
    fn any_damage_is_survived(
        flips in proptest::collection::vec((0..400_usize, any::<u8>()), 1..20),
        cut in 0..500_usize,
        version in 2..5_u8,
        flags in any::<u8>(),
    ) {
        let frames = [frame_24(b"TIT2", flags, b"\x01\xFF\xFET\0i\0"), frame_23(b"TPE1", flags, b"\0Artist")].concat();
        let mut bytes = [tag(version, flags, &[&frames[..], &[0; 100]].concat()), vec![0x55; 200], id3v1(b"T", b"A")].concat();
        for (place, byte) in flips {
            if let Some(changed) = bytes.get_mut(place) {
                *changed = byte;
            }
        }
        bytes.truncate(cut);
        for text in [read_with(&bytes, 50).0, read_with(&bytes, 5000).1].into_iter().flatten() {
            prop_assert!(text.chars().count() <= 201 && !text.chars().any(char::is_control));
        }
    }
}
