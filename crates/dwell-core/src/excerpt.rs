//! What may be shown of a value that was refused.

use alloc::string::String;

/// The longest excerpt of a refused value, in characters.
pub const LONGEST_EXCERPT: usize = 80;

/// Returns the beginning of a value as it can be shown on a terminal: no control characters, no broken UTF-8.
#[must_use]
pub fn excerpt(value: &[u8]) -> String {
    let head = &value[..value.len().min(4 * LONGEST_EXCERPT)];
    let text = String::from_utf8_lossy(head);
    let mut shown = String::new();
    let mut count = 0;
    for letter in text.chars() {
        let escaped: String = if shows_nothing(letter) { letter.escape_default().collect() } else { letter.into() };
        count += escaped.chars().count();
        if LONGEST_EXCERPT <= count {
            shown.push('…');
            return shown;
        }
        shown.push_str(&escaped);
    }
    if head.len() < value.len() {
        shown.push('…');
    }
    shown
}

/// Says whether a character would move the cursor, turn the text round or stay unseen.
fn shows_nothing(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn an_excerpt_is_short_and_harmless() {
        assert_eq!(excerpt(b"ada"), "ada");
        assert_eq!(excerpt(b"\x1b[31mred\n"), "\\u{1b}[31mred\\n");
        assert_eq!(excerpt("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        for length in [79, 80, 81, 400, 1_000_000] {
            let shown = excerpt(&vec![b'x'; length]);
            assert!(shown.chars().count() <= LONGEST_EXCERPT, "{length}");
            assert_eq!(shown.ends_with('…'), 79 < length, "{length}");
        }
        assert!(excerpt(&[0xff; 500]).chars().count() <= LONGEST_EXCERPT);
    }
}
