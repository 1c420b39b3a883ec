//! Texts that occur again and again, each kept once: event names, platforms, devices, campaigns.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

/// A list of texts in order of first appearance. Key 0 is the empty text: nothing said.
///
/// Shared by all readers of one run. Keys depend on the order of reading; nothing that is shown may.
#[derive(Debug)]
pub struct Names {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    keys: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Default for Names {
    fn default() -> Self {
        let nothing: Arc<str> = "".into();
        Names { inner: Mutex::new(Inner { keys: HashMap::from([(nothing.clone(), 0)]), texts: vec![nothing] }) }
    }
}

impl Names {
    /// Returns the key of a text, a new one if it is new.
    pub fn key(&self, text: &str) -> u32 {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = inner.keys.get(text) {
            return *key;
        }
        let key = inner.texts.len() as u32;
        let text: Arc<str> = text.into();
        inner.texts.push(text.clone());
        inner.keys.insert(text, key);
        key
    }

    /// Returns all texts, each at the place of its key.
    #[must_use]
    pub fn texts(&self) -> Vec<Arc<str>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).texts.clone()
    }
}
