//! Where two parts of a log meet, a user may have events on both sides.

use std::sync::{Mutex, PoisonError};

use dwell_core::time::Timestamp;

/// Events of one user as far as one part has them; nobody's without any.
#[derive(Debug, Default)]
pub struct Fragment {
    /// The user's id.
    pub id: String,
    /// When they happened, in the order of the file.
    pub moments: Vec<Timestamp>,
}

impl Fragment {
    /// Makes it nobody's, and keeps its room.
    pub fn clear(&mut self) {
        self.id.clear();
        self.moments.clear();
    }
}

/// The user with whom a part begins.
#[derive(Debug)]
pub enum Right {
    /// Others follow.
    Head(Fragment),
    /// The whole part is theirs, so that they may go on in the next one.
    Whole(Fragment),
}

/// What is known on both sides of each border. Border `i` lies before part `i`, the last one after all parts.
#[derive(Debug)]
pub struct Borders(Mutex<Vec<Border>>);

#[derive(Debug, Default)]
struct Border {
    left: Option<Fragment>,
    right: Option<Right>,
}

impl Borders {
    /// Begins with nothing known, but that before the first part and after the last one there is nobody.
    pub fn new(parts: usize) -> Self {
        let mut borders: Vec<Border> = (0..=parts).map(|_| Border::default()).collect();
        if let Some(first) = borders.first_mut() {
            first.left = Some(Fragment::default());
        }
        if let Some(last) = borders.last_mut() {
            last.right = Some(Right::Head(Fragment::default()));
        }
        Borders(Mutex::new(borders))
    }

    /// Says with whom the part before a border ends. Returns both sides if both are known: whoever gets them goes on.
    pub fn put_left(&self, border: usize, left: Fragment) -> Option<(Fragment, Right)> {
        self.put(border, |border| border.left = Some(left))
    }

    /// Says with whom the part behind a border begins, likewise.
    pub fn put_right(&self, border: usize, right: Right) -> Option<(Fragment, Right)> {
        self.put(border, |border| border.right = Some(right))
    }

    fn put(&self, border: usize, put: impl FnOnce(&mut Border)) -> Option<(Fragment, Right)> {
        let mut borders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let border = borders.get_mut(border)?;
        put(border);
        match (border.left.take(), border.right.take()) {
            (Some(left), Some(right)) => Some((left, right)),
            (left, right) => {
                *border = Border { left, right };
                None
            }
        }
    }
}
