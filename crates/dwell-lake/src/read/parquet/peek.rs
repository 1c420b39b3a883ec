//! Looks into the list of words of an event column, to see whether its rows need to be read at all.

use std::sync::Arc;

use ::parquet::basic::{Encoding, Type as PhysicalType};
use ::parquet::column::page::{Page, PageReader};
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::serialized_reader::SerializedPageReader;

use super::super::stream::Places;

/// Says whether all pages of a chunk hold keys into its list of words, for certain.
fn is_all_words(chunk: &ColumnChunkMetaData) -> bool {
    if chunk.dictionary_page_offset().is_none() {
        return false;
    }
    match chunk.page_encoding_stats_mask() {
        Some(mask) => mask.is_only(Encoding::PLAIN_DICTIONARY) || mask.is_only(Encoding::RLE_DICTIONARY),
        // Writers of version 1 call the list itself by the encoding of the keys: then `PLAIN` means plain pages.
        None => {
            let encodings = chunk.encodings_mask();
            encodings.is_set(Encoding::PLAIN_DICTIONARY) && !encodings.is_set(Encoding::PLAIN)
        }
    }
}

/// Says whether a chunk is best read as keys: certain, or not said and likely.
pub(super) fn is_likely_all_words(chunk: &ColumnChunkMetaData) -> bool {
    match chunk.page_encoding_stats_mask() {
        Some(_) => is_all_words(chunk),
        None => chunk.dictionary_page_offset().is_some(),
    }
}

/// Reads nothing but the list of words of a chunk; `None` when it has none or it cannot be read this way.
pub(super) fn words(places: &Places, chunk: &ColumnChunkMetaData, rows: usize) -> Option<Vec<Vec<u8>>> {
    if chunk.column_type() != PhysicalType::BYTE_ARRAY || !is_all_words(chunk) {
        return None;
    }
    let mut pages = SerializedPageReader::new(Arc::new(places.clone()), chunk, rows, None).ok()?;
    match pages.get_next_page().ok()?? {
        Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN | Encoding::PLAIN_DICTIONARY, .. } => {
            plain_texts(&buf, num_values as usize)
        }
        Page::DictionaryPage { .. } | Page::DataPage { .. } | Page::DataPageV2 { .. } => None,
    }
}

/// Takes texts apart that each begin with their length in four bytes.
fn plain_texts(mut page: &[u8], count: usize) -> Option<Vec<Vec<u8>>> {
    let mut texts = Vec::new();
    for _ in 0..count {
        let (length, rest) = page.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        texts.push(text.to_vec());
        page = rest;
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::plain_texts;

    #[test]
    fn texts_that_are_cut_are_none() {
        let page = b"\x01\0\0\0a\x02\0\0\0bc";
        assert_eq!(plain_texts(page, 2), Some(vec![b"a".to_vec(), b"bc".to_vec()]));
        assert_eq!(plain_texts(page, 3), None);
        assert_eq!(plain_texts(&page[..10], 2), None);
        assert_eq!(plain_texts(b"\xff\xff\xff\xffx", 1), None);
    }
}
