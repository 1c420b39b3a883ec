//! What somebody may have meant.

/// Returns the word that is nearest to what was written, if it is near: more than half of it is right.
pub fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let by_distance = words.into_iter().map(|word| (strsim::osa_distance(written, word), word));
    let (distance, word) = by_distance.min_by_key(|(distance, _)| *distance)?;
    (2 * distance < word.chars().count()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let words = ["server.listen", "server.data"];
        assert_eq!(nearest("server.lisetn", words), Some("server.listen"));
        assert_eq!(nearest("servers.data", words), Some("server.data"));
        assert_eq!(nearest("colour", words), None);
        assert_eq!(nearest("colour", []), None);
    }
}
