use super::*;

impl ReadAt for &[u8] {
    fn read_at(&self, buffer: &mut Vec<u8>, wanted: usize, position: u64) -> io::Result<usize> {
        let rest = self.get(position as usize..).unwrap_or(&[]);
        // Short reads, as files over a network give them.
        let taken = rest.len().min(wanted).min(40_000);
        buffer.extend_from_slice(&rest[..taken]);
        Ok(taken)
    }
}

const LIMITS: Limits = Limits { line_bytes_max: 1 << 20, lines_max: usize::MAX, read_bytes_max: 1 << 20 };

fn texts(lines: &Lines) -> Vec<&str> {
    let bounds = lines.offsets.windows(2);
    bounds.map(|pair| std::str::from_utf8(&lines.data[pair[0] as usize..pair[1] as usize]).unwrap()).collect()
}

#[track_caller]
fn check(file: &str, expected: &[&str], position: u64) {
    let lines = read_lines(&file.as_bytes(), 0, LIMITS, None).unwrap();
    assert_eq!((texts(&lines), lines.position), (expected.to_vec(), position));
}

#[test]
fn lines_end_as_in_file_stream_source() {
    check("", &[], 0);
    check("one\ntwo\n", &["one", "two"], 8);
    check("one\r\ntwo\rthree\n", &["one", "two", "three"], 15);
    check("\n\n\r\n\rx", &["", "", "", ""], 5);
    check("one\nhalf a line", &["one"], 4);
    check("one\ntwo\r", &["one"], 4);
    check("one\r\r\n", &["one", ""], 6);
}

#[test]
fn reading_goes_on_where_it_ended() {
    let file = b"one\ntwo\nthree\nhalf".as_slice();
    let limits = Limits { lines_max: 1, ..LIMITS };
    let mut position = 0;
    let mut all = Vec::new();
    loop {
        let lines = read_lines(&file, position, limits, None).unwrap();
        if lines.position == position {
            assert_eq!(lines.looked_to, file.len() as u64);
            break;
        }
        all.extend(texts(&lines).into_iter().map(str::to_owned));
        position = lines.position;
    }
    assert_eq!((all.join(","), position), ("one,two,three".into(), 14));
}

#[test]
fn a_line_longer_than_one_read_is_read_whole() {
    let long = "x".repeat(300_000);
    let file = format!("{long}\nshort\n");
    let limits = Limits { read_bytes_max: 1, ..LIMITS };
    let lines = read_lines(&file.as_bytes(), 0, limits, None).unwrap();
    assert_eq!(texts(&lines)[0].len(), 300_000);
}

#[test]
fn a_line_at_the_limit_is_kept_and_one_past_it_is_reported() {
    for length in [9, 10, 11, 12, 100_000, 200_000] {
        for end in ["\n", "\r\n", "\r"] {
            let file = format!("a\n{}{end}b\n", "x".repeat(length));
            let limits = Limits { line_bytes_max: 10, read_bytes_max: 1, ..LIMITS };
            let (mut position, mut unfinished) = (0, None);
            let (mut kept, mut oversized) = (Vec::new(), Vec::new());
            while position < file.len() as u64 {
                let lines = read_lines(&file.as_bytes(), position, limits, unfinished).unwrap();
                kept.extend(texts(&lines).into_iter().map(str::to_owned));
                oversized.extend(lines.oversized.iter().copied());
                (position, unfinished) = (lines.position, lines.unfinished);
            }
            if length <= 10 {
                assert_eq!((kept.len(), oversized.len()), (3, 0), "{length} {end:?}");
            } else {
                assert_eq!(kept, ["a", "b"], "{length} {end:?}");
                assert_eq!(oversized, [Oversized { position: 2, size_bytes: length as u64 }], "{length} {end:?}");
            }
        }
    }
}

#[test]
fn the_search_for_an_end_goes_on_where_it_was() {
    let limits = Limits { line_bytes_max: 10, ..LIMITS };
    let half = "x".repeat(500_000);
    let first = read_lines(&half.as_bytes(), 0, limits, None).unwrap();
    assert_eq!(first.unfinished, Some(Unfinished { position: 0, searched_to: 500_000 }));
    assert_eq!((first.position, first.looked_to), (0, 500_000));
    let whole = format!("{half}yz\r\nnext\n");
    let second = read_lines(&whole.as_bytes(), 0, limits, first.unfinished).unwrap();
    assert_eq!(second.oversized, [Oversized { position: 0, size_bytes: 500_002 }]);
    assert_eq!(second.position, 500_004);
}

#[test]
fn any_cut_of_a_file_gives_the_same_lines() {
    let file = "a\r\nbb\rccc\n\ndddd\r\r\neeeee\n".repeat(3000);
    let whole = read_lines(&file.as_bytes(), 0, LIMITS, None).unwrap();
    for lines_max in [1, 2, 7, 1000] {
        let mut position = 0;
        let mut all = Vec::new();
        while position < file.len() as u64 {
            let limits = Limits { lines_max, read_bytes_max: 1, ..LIMITS };
            let lines = read_lines(&file.as_bytes(), position, limits, None).unwrap();
            all.extend(texts(&lines).into_iter().map(str::to_owned));
            position = lines.position;
        }
        assert!(all == texts(&whole), "{lines_max}");
    }
}
