//! What may be wrapped around a body, and what it costs to be wrong.

use std::io::Write;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use dwell_dialect::envelope::{EnvelopeError, open};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

const MOST: usize = 500 * 1024;
const JSON: &str = r#"{"event":"Zoë & Co? >>>","userId":"ada"}"#;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn whatever_is_around_it_the_json_is_found() {
    let form = |data: &str| format!("v=1&data={data}&_=2").into_bytes();
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("as it is", JSON.into()),
        ("with blanks", format!("\r\n {JSON}\n").into()),
        ("with the mark of an editor", format!("\u{feff}{JSON}").into()),
        ("gzip", gzip(JSON.as_bytes())),
        ("gzip with blanks", gzip(format!(" {JSON} ").as_bytes())),
        ("gzip in two members", [gzip(&JSON.as_bytes()[..9]), gzip(&JSON.as_bytes()[9..])].concat()),
        ("a form with base64", form(&BASE64_STANDARD.encode(JSON))),
        ("a form with percents and base64", form(&percent(&BASE64_STANDARD.encode(JSON)))),
        ("a form with base64 without its end", form(&BASE64_STANDARD_NO_PAD.encode(JSON))),
        ("a form with base64 for addresses", form(&BASE64_URL_SAFE_NO_PAD.encode(JSON))),
        ("a form with JSON", form(&percent(JSON))),
        ("a form alone", format!("data={}", percent(JSON)).into()),
        ("gzip of a form", gzip(&form(&BASE64_STANDARD.encode(JSON)))),
    ];
    assert!(BASE64_STANDARD.encode(JSON).contains('+'), "a plus is among it, which a form makes a blank");
    for (what, body) in bodies {
        let opened = open(&body, MOST).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(std::str::from_utf8(&opened).unwrap().trim(), JSON, "{what}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let packed = gzip(&JSON.repeat(100).into_bytes());
    let mut damaged = packed.clone();
    damaged[packed.len() / 2] ^= 0xff;
    let mut false_sum = packed.clone();
    false_sum[packed.len() - 8] ^= 1;
    let cut = |length: usize| packed[..length].to_vec();
    let stories: Vec<(Vec<u8>, &str, &str)> = vec![
        (vec![], "empty_body", "there is nothing in it"),
        (b" \n".to_vec(), "empty_body", "there is nothing in it"),
        (gzip(b""), "empty_body", "there is nothing in it"),
        (cut(3), "cut_gzip", "ends after 3 bytes"),
        (cut(12), "cut_gzip", "ends after 12 bytes"),
        (cut(packed.len() - 1), "cut_gzip", "send it again"),
        (damaged, "bad_gzip", "the gzip is damaged"),
        (false_sum, "bad_gzip", "damaged after 4100 unpacked bytes"),
        ([&packed[..], b"x"].concat(), "after_gzip", "something that is none follows"),
        (b"hello".to_vec(), "unknown_body", "neither JSON nor gzip"),
        (b"date=1".to_vec(), "unknown_body", "neither JSON nor gzip"),
        (vec![0xff, 0xfe, 0x00], "unknown_body", "neither JSON nor gzip"),
        (b"data=%%%".to_vec(), "bad_form", "neither JSON nor base64"),
        (b"data=".to_vec(), "bad_form", "neither JSON nor base64"),
        (format!("data={}", BASE64_STANDARD.encode("hello")).into(), "bad_form", "neither JSON nor base64"),
    ];
    for (body, word, says) in stories {
        let error = open(&body, MOST).expect_err(word);
        assert_eq!(error.word(), word, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn the_limit_holds_on_both_sides_of_its_edge() {
    for body in [JSON.as_bytes().to_vec(), gzip(JSON.repeat(3_000).as_bytes())] {
        let plain = open(&body, MOST).unwrap().len();
        assert!(open(&body, plain).is_ok());
        assert_eq!(open(&body, plain - 1), Err(EnvelopeError::TooLarge { most: plain - 1 }));
    }
}

/// A gibibyte of blanks. What it costs in memory is bounded by the limit: `gunzip` keeps no more than that.
#[test]
fn a_bomb_does_not_go_off() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..1 << 10 {
        encoder.write_all(&blanks).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(MOST < bomb.len());
    assert_eq!(open(&bomb, 8 << 20), Err(EnvelopeError::TooLarge { most: 8 << 20 }));
    assert_eq!(open(&bomb, MOST), Err(EnvelopeError::TooLarge { most: MOST }));
}

proptest! {
    #[test]
    fn what_was_packed_comes_out(plain in "[ -~é]{0,300}") {
        let json = format!("{{{plain}}}");
        let packed = gzip(json.as_bytes());
        prop_assert_eq!(&*open(&packed, MOST).unwrap(), json.as_bytes());
        let form = format!("data={}", percent(&json));
        prop_assert_eq!(&*open(form.as_bytes(), MOST).unwrap(), json.as_bytes());
    }

    #[test]
    fn no_bytes_make_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), begin in 0_usize..4) {
        let heads: [&[u8]; 4] = [b"", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], b"data=", b"{"];
        let body = [heads[begin], &bytes].concat();
        if let Ok(plain) = open(&body, 1_000) {
            prop_assert!(plain.len() <= 1_000);
        }
    }

    #[test]
    fn a_packed_body_with_one_bit_turned_is_never_another_one(bit in 0_usize..8 * 40) {
        let mut packed = gzip(JSON.as_bytes());
        // What the head of a gzip says of time and system is nobody's business.
        let bit = bit % (8 * packed.len());
        packed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(plain) = open(&packed, MOST) {
            prop_assert_eq!(&*plain, JSON.as_bytes());
        }
    }
}
