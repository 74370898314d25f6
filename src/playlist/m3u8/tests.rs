use proptest::prelude::*;

use super::*;

fn locations(bytes: &[u8]) -> Vec<(usize, String)> {
    let entries = parse(bytes).unwrap().entries;
    entries.iter().map(|entry| (entry.line, String::from_utf8_lossy(&entry.location).into_owned())).collect()
}

#[track_caller]
fn assert_names(bytes: &[u8], names: &[(usize, &str)]) {
    let names: Vec<(usize, String)> = names.iter().map(|(line, name)| (*line, (*name).to_owned())).collect();
    assert_eq!(locations(bytes), names);
}

#[test]
fn all_line_ends_count_the_same_lines() {
    for ending in ["\n", "\r\n", "\r"] {
        let text = ["#EXTM3U", "a.mp3", "", "# a comment", " b.mp3 "].join(ending);
        assert_names(text.as_bytes(), &[(2, "a.mp3"), (5, "b.mp3")]);
    }
}

#[test]
fn a_byte_order_mark_is_not_part_of_a_name_wherever_it_is() {
    assert_names(b"\xEF\xBB\xBFa.mp3\n", &[(1, "a.mp3")]);
    assert_names("\u{feff}\u{feff} \u{feff}a.mp3\u{feff}\n\u{feff}b.mp3".as_bytes(), &[(1, "a.mp3"), (2, "b.mp3")]);
    // Several lists in one file.
    let joined = "\u{feff}#EXTM3U\r\na.mp3\r\n\u{feff}#EXTM3U\r\n\u{feff}#EXTINF:5,B\r\nb.mp3\u{feff}#EXTM3U\r\nc.mp3";
    assert_names(joined.as_bytes(), &[(2, "a.mp3"), (5, "b.mp3"), (6, "c.mp3")]);
    assert_eq!(parse(joined.as_bytes()).unwrap().entries[1].extinf.as_ref().unwrap().seconds, Some(5.0));
}

#[test]
fn utf_16_is_read_in_both_orders_with_and_without_its_mark() {
    let text = "#EXTM3U\r\n#EXTINF:5,é\r\nRock\\déjà 😀.mp3\r\n";
    let le = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let marked = format!("\u{feff}{text}");
    for (bytes, warnings) in [(le(&marked), 0), (be(&marked), 0), (le(text), 1), (be(text), 1)] {
        assert_names(&bytes, &[(3, "Rock\\déjà 😀.mp3")]);
        assert_eq!(parse(&bytes).unwrap().warnings.len(), warnings);
        for zeros in [1, 2, 511, 4096] {
            let cut = [&bytes[..], &vec![0; zeros]].concat();
            assert_names(&cut, &[(3, "Rock\\déjà 😀.mp3")]);
        }
    }
}

#[test]
fn zeros_are_ignored_at_the_end_and_nowhere_else() {
    let list = parse(b"a.mp3\nb.mp3\n\0\0\0").unwrap();
    assert_eq!(list.entries.len(), 2);
    assert!(list.warnings[0].starts_with("3 zero bytes at its end are ignored"), "{:?}", list.warnings);
    assert_eq!(parse(b"a.mp3\n\0\0\0b.mp3\n"), Err(ParseError::Binary));
    assert_eq!(parse(&[0; 1000]), Err(ParseError::Zeros));
}

#[test]
fn extinf_belongs_to_the_next_entry_only() {
    let text =
        b"#EXTINF:123,Artist - Title\n#EXTGRP:x\na.mp3\nb.mp3\n#EXTINF:-1 tvg-id=\"x\",C\nc.mp3\n#extinf:x\nd.mp3";
    let entries = parse(text).unwrap().entries;
    let extinf = |index: usize| entries[index].extinf.clone();
    assert_eq!(extinf(0), Some(ExtInf { seconds: Some(123.0), title: Some("Artist - Title".to_owned()) }));
    assert_eq!(extinf(1), None);
    assert_eq!(extinf(2), Some(ExtInf { seconds: None, title: Some("C".to_owned()) }));
    assert_eq!(extinf(3), Some(ExtInf { seconds: None, title: None }));
}

#[test]
fn an_extinf_is_a_day_long_at_most() {
    for (text, is_cut, frames) in [("86400", false, 86_400_000), ("9999999999", true, 86_400_000), ("2.5", false, 2500)]
    {
        let extinf = parse_extinf(text.as_bytes());
        assert_eq!((extinf.is_cut(), extinf.length().unwrap().frames), (is_cut, frames), "{text}");
    }
    for unknown in ["-1", "inf", "NaN", "1e999", "", "x"] {
        assert_eq!(parse_extinf(unknown.as_bytes()).length(), None, "{unknown}");
    }
}

#[test]
fn titles_are_read_from_code_pages_and_cut() {
    assert_eq!(parse_extinf(b"1,Don\x92t").title.as_deref(), Some("Don’t"));
    let title = parse_extinf(format!("1,{}", "é".repeat(100_000)).as_bytes()).title.unwrap();
    assert_eq!(title, "é".repeat(200) + "…");
}

#[test]
fn comments_that_may_be_names_are_remembered_and_directives_are_not() {
    let list = parse(b"#EXTM3U\n#1 Hit.mp3\n#EXTENC:windows-1251\n#extvlcopt:x\na.mp3\n").unwrap();
    assert_eq!(list.comments, [(2, b"#1 Hit.mp3".to_vec())]);
    assert_eq!(list.encoding, Some(encoding_rs::WINDOWS_1251));
}

#[test]
fn what_exceeds_a_bound_is_refused_or_becomes_a_silent_slot() {
    let lines = |count: usize| "a\n".repeat(count);
    assert_eq!(parse(lines(MAX_ENTRIES).as_bytes()).unwrap().entries.len(), MAX_ENTRIES);
    assert_eq!(parse(lines(MAX_ENTRIES + 1).as_bytes()), Err(ParseError::TooManyEntries));
    assert_eq!(parse(&vec![b'\n'; MAX_PLAYLIST_BYTES + 1]), Err(ParseError::TooLarge));
    let list = parse(format!("{}\n{}\nc.mp3", "a".repeat(4096), "b".repeat(100_000)).as_bytes()).unwrap();
    let lengths: Vec<_> = list.entries.iter().map(|entry| (entry.location.len(), entry.is_too_long)).collect();
    assert_eq!(lengths, [(4096, false), (4096, true), (5, false)]);
}

/// Returns pieces of bytes that playlists are made of.
fn pieces_of_lists() -> impl Strategy<Value = Vec<u8>> {
    let words: [&[u8]; 14] = [
        b"a.mp3",
        b"\n",
        b"\r",
        b"\r\n",
        MARK,
        b"#EXTINF:",
        b"#EXTM3U",
        b"#EXTENC:",
        b"#",
        b"\0",
        b" ",
        b"\xFF\xFE",
        b"\xFE\xFF",
        b"\x92",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop_oneof![any::<Vec<u8>>(), pieces_of_lists()]) {
        if let Ok(M3u8 { entries, .. }) = parse(&bytes) {
            prop_assert!(entries.iter().all(|entry| !entry.location.is_empty() && entry.location[0] != b'#'));
            prop_assert!(entries.iter().all(|entry| !entry.location.contains(&0) && trim(&entry.location) == entry.location));
            prop_assert!(entries.is_sorted_by_key(|entry| entry.line));
        }
    }

    #[test]
    fn a_list_means_the_same_in_utf_8_and_utf_16(text in "(\u{feff}|#EXTINF:[0-9]{1,3},[a-zé]{0,5}|[#a-zé/\\. ]{0,20}|\r?\n){0,20}") {
        let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        prop_assert_eq!(parse(text.as_bytes()), parse(&utf16));
    }
}
