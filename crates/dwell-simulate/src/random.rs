//! Chance that is the same everywhere and for ever: SplitMix64, written out.
//!
//! A library could be shorter, but its stream may change with its version, and with it every data set and every
//! number in the README.

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scatters the bits of a number; no two numbers become the same one.
pub const fn mix(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Derives the key of something inside something else: of a person in a seed, of a day in a person.
pub const fn derive(key: u64, part: u64) -> u64 {
    mix(key ^ mix(part.wrapping_add(GAMMA)))
}

/// Turns 64 random bits into a number from 0 to just under 1.
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(u64);

impl Stream {
    /// Begins the stream that belongs to a key.
    pub const fn new(key: u64) -> Self {
        Stream(key)
    }

    /// Draws 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// Draws a number from 0 to just under 1.
    pub fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// Draws a whole number from 0 to just under `count`.
    pub const fn below(&mut self, count: u64) -> u64 {
        ((self.bits() as u128 * count as u128) >> 64) as u64
    }

    /// Draws a whole number from `least` to `most`, both included.
    pub const fn between(&mut self, least: i64, most: i64) -> i64 {
        least + self.below((most - least + 1) as u64) as i64
    }

    /// Says yes that many times out of a thousand.
    pub const fn per_mille(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        let mut stream = Stream::new(1_234_567);
        let drawn: Vec<u64> = (0..5).map(|_| stream.bits()).collect();
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(drawn, published);
    }

    #[test]
    fn between_reaches_both_ends_and_no_further() {
        let mut stream = Stream::new(7);
        let drawn: Vec<i64> = (0..1000).map(|_| stream.between(-2, 2)).collect();
        assert_eq!(drawn.iter().min(), Some(&-2));
        assert_eq!(drawn.iter().max(), Some(&2));
    }
}
