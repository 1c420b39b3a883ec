//! People who come by, do something every two seconds or so, and leave after 15 events on average.

use std::time::{SystemTime, UNIX_EPOCH};

/// One event of about 350 bytes; what changes is filled in.
const EVENT: &[u8] = br#"{"type":"track","event":"Song Played","userId":"user-UUUUUUUUUUUUUUUU","messageId":"MMMMMMMM-MMMM-4MMM-8MMM-MMMMMMMMMMMM","timestamp":"TTTTTTTTTTTTTTTTTTTTTTTT","context":{"device":{"id":"dev-DDDDDDDDDDDDDDDD","type":"ios"},"os":{"name":"iOS","version":"19.1"},"app":{"version":"4.2.0"}},"properties":{"track":"3f1c9a7e0b7d4f0e","album":"9a553a1f4a6d7c11","shuffle":false}}"#;

/// A crowd that makes bodies of events.
pub struct People {
    random: u64,
    first: u64,
    users: u64,
    there: Vec<u64>,
    places: Places,
    is_a_row: bool,
}

/// Where in an event what changes lies.
struct Places {
    user: usize,
    message: usize,
    time: usize,
    device: usize,
}

impl People {
    /// Makes `users` people from number `first` on, of whom `there` are there at any time.
    pub fn new(seed: u64, first: u64, users: u64, there: u64) -> Self {
        let place = |mark: &str| find(EVENT, mark.as_bytes());
        let places =
            Places { user: place("UUUU"), message: place("MMMM"), time: place("TTTTTT"), device: place("DDDD") };
        let mut people = People { random: seed | 1, first, users, there: Vec::new(), places, is_a_row: false };
        people.there = (0..there.clamp(1, users)).map(|_| people.draw() % users).collect();
        people
    }

    /// Makes people who come one after another, each once.
    pub fn one_by_one(seed: u64, first: u64, users: u64) -> Self {
        People { there: (0..users).collect(), is_a_row: true, ..People::new(seed, first, users, 1) }
    }

    /// Writes a body of so many events.
    pub fn body(&mut self, events: usize, body: &mut Vec<u8>) {
        body.clear();
        let now = now();
        body.extend_from_slice(br#"{"batch":["#);
        for number in 0..events {
            if 0 < number {
                body.push(b',');
            }
            let begin = body.len();
            body.extend_from_slice(EVENT);
            let place = if self.is_a_row { number } else { (self.draw() % self.there.len() as u64) as usize };
            let user = self.first + self.there[place];
            if !self.is_a_row && self.draw() % 15 == 0 {
                self.there[place] = self.draw() % self.users;
            }
            let event = &mut body[begin..];
            hex(&mut event[self.places.user..][..16], user);
            hex(&mut event[self.places.device..][..16], user);
            let (one, two) = (self.draw(), self.draw());
            let message = &mut event[self.places.message..];
            hex(&mut message[..8], one);
            hex(&mut message[9..13], one >> 32);
            hex(&mut message[15..18], one >> 48);
            hex(&mut message[20..23], two);
            hex(&mut message[24..36], two >> 16);
            event[self.places.time..][..24].copy_from_slice(&now);
        }
        body.extend_from_slice(br#"],"sentAt":""#);
        body.extend_from_slice(&now);
        body.extend_from_slice(br#""}"#);
    }

    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

fn find(text: &[u8], mark: &[u8]) -> usize {
    text.windows(mark.len()).position(|window| window == mark).expect("the mark is there")
}

fn hex(place: &mut [u8], number: u64) {
    for (digit, byte) in place.iter_mut().rev().enumerate() {
        *byte = b"0123456789abcdef"[(number >> (4 * (digit % 16)) & 15) as usize];
    }
}

/// The moment as SDKs write it.
fn now() -> [u8; 24] {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // The days of the Gregorian calendar: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let days = day + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    text.as_bytes().try_into().expect("it has 24 characters")
}
