//! Nasty lives: short, with everything on the edges. Bytes become stories, so that they are cheap to draw and shrink
//! to simple ones.

use dwell_core::event::{Activity, EventKind, order};
use dwell_core::policy::{Campaigns, Edge, Playing, Version};
use dwell_core::time::{Span, Timeout, Timestamp, Zone};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The user of every story, and where they belong.
pub const USER: &str = "ada";
/// The audiences that the user is in.
pub const AUDIENCES: [&str; 2] = ["vip", "new"];
/// The platform behind each key.
pub const PLATFORMS: [&str; 3] = ["", "ios", "web"];

/// What an event is drawn as.
pub type EventBytes = [u8; 7];
/// What a version of a policy is drawn as.
pub type VersionBytes = [u8; 16];

/// An event and its name.
pub type Named = (Activity, String);

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Steps from one event to the next, in microseconds: on and beside every edge there is.
const STEPS: [i64; 26] = [
    0,
    SECOND,
    1,
    SECOND - 1,
    SECOND + 1,
    2 * SECOND,
    2 * SECOND - 1,
    2 * SECOND + 1,
    3 * SECOND,
    3 * SECOND - 1,
    3 * SECOND + 1,
    500_000,
    5 * SECOND - 1,
    5 * SECOND,
    5 * SECOND + 1,
    0,
    1_500_000,
    7 * SECOND,
    10 * SECOND,
    20 * SECOND + 1,
    60 * SECOND,
    0,
    SECOND,
    DAY - SECOND,
    DAY - 1,
    DAY,
];

const REMAINING: [Option<i64>; 9] = [
    None,
    Some(SECOND),
    Some(0),
    Some(1),
    Some(SECOND - 1),
    Some(SECOND + 1),
    Some(3 * SECOND),
    Some(12 * SECOND),
    Some(DAY),
];

const PATIENCE: [Playing; 3] =
    [Playing::Reaches(Span::from_secs(1)), Playing::Reaches(Span::from_secs(2)), Playing::Ignored];

fn pick<T: Copy>(from: &[T], byte: u8) -> T {
    from[usize::from(byte) % from.len()]
}

/// Runs a law on as many cases as `DWELL_CASES` says, or on one in `sparing` of them where a case is dear, but on 32 at
/// least. `DWELL_SEED` draws others; `DWELL_SHRINK=0` does not look for a simpler one.
pub fn law<S: Strategy>(sparing: u32, strategy: S, holds: impl Fn(S::Value)) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().unwrap());
    let cases = (number("DWELL_CASES").unwrap_or(256) / sparing).max(32);
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number("DWELL_SEED").unwrap_or(1).to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: number("DWELL_SHRINK").unwrap_or(20_000),
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let outcome = TestRunner::new_with_rng(config, rng).run(&strategy, |value| {
        holds(value);
        Ok(())
    });
    if let Err(broken) = outcome {
        panic!("{broken}");
    }
}

/// Tells the story of one user, in order of (`happened_at`, `message_id`).
pub fn story(bytes: &[EventBytes]) -> Vec<Named> {
    let mut at = 0;
    let mut events = Vec::new();
    for (index, [step, kind, player, remaining, device, campaign, name]) in bytes.iter().enumerate() {
        at += pick(&STEPS, *step);
        let kind = match kind {
            0..=199 => pick(&EventKind::ALL, *kind),
            _ => EventKind::Action,
        };
        let activity = Activity {
            happened_at: Timestamp::from_micros(at),
            kind,
            remaining: pick(&REMAINING, *remaining).map(Span::from_micros),
            player: u32::from(player % 3),
            device: u32::from(device % 3),
            platform: u32::from(device / 3 % 3),
            campaign: u32::from(campaign % 3),
            origin: u32::from(campaign / 3 % 3),
        };
        // One in four is nameless; the names of the others are not in the order of time.
        let message_id = if name % 4 == 3 { String::new() } else { format!("{:x}-{index}", name / 4) };
        events.push((activity, message_id));
    }
    events.sort_by(|one, other| order((&one.0, &one.1), (&other.0, &other.1)));
    events
}

/// Makes a version of a policy with everything that there is.
pub fn version(bytes: VersionBytes) -> Version {
    let seconds = |byte: u8| Timeout::from_secs(u64::from(byte)).unwrap();
    let span = |seconds: i64| Some(Span::from_micros(seconds));
    let [
        from,
        timeout,
        background,
        longest,
        patience,
        idle,
        midnight,
        campaigns,
        shortest,
        edge,
        ios,
        vip,
        own,
        both,
        ..,
    ] = bytes;
    let mut version = Version {
        effective_from: pick(
            &[Timestamp::MIN, Timestamp::from_micros(2 * SECOND), Timestamp::from_micros(6 * SECOND + 1)],
            from,
        ),
        timeout: pick(&[Some(seconds(2)), Some(seconds(1)), Some(seconds(3)), Some(seconds(5)), None], timeout),
        ..Version::default()
    };
    let rules = &mut version.rules;
    rules.background_timeout = pick(&[None, Some(seconds(1)), Some(seconds(3))], background);
    rules.max_length = pick(&[None, None, span(3 * SECOND), span(5 * SECOND + 1), span(0)], longest);
    rules.playing = pick(&PATIENCE, patience);
    rules.idle_after = pick(&[Span::from_secs(1), Span::ZERO, Span::from_micros(1), Span::from_minutes(5)], idle);
    if midnight % 4 == 3 {
        // Midnight falls on the fourth second, and later an hour early.
        let offsets = vec![(Timestamp::MIN, -4), (Timestamp::from_micros(DAY / 2), 3596)];
        rules.midnight = Some(Zone { offsets });
    }
    rules.campaigns = pick(&[Campaigns::Ignored, Campaigns::Ignored, Campaigns::StartAnew], campaigns);
    rules.shortest = pick(&[Span::ZERO, Span::ZERO, Span::from_secs(3)], shortest);
    rules.edge = pick(&[Edge::Ends, Edge::Ends, Edge::Continues], edge);
    if ios % 3 == 1 {
        version.platforms.insert("ios".into(), seconds(1));
    }
    if vip % 4 == 1 {
        version.audiences.push(("old".into(), seconds(9)));
        version.audiences.push(("new".into(), seconds(4)));
        version.audiences.push(("vip".into(), seconds(1)));
    }
    if own % 5 == 1 {
        version.users.insert(USER.into(), seconds(2));
    }
    if both % 5 == 1 {
        version.users.insert("bob".into(), seconds(7));
    }
    version
}

/// Takes away what makes a break depend on where the session began, and whose timeout it is: what the lab is without.
pub fn for_the_lab(mut version: Version) -> Version {
    version.rules.max_length = None;
    version.rules.campaigns = Campaigns::Ignored;
    version.rules.shortest = Span::ZERO;
    Version {
        timeout: None,
        platforms: Default::default(),
        audiences: Vec::new(),
        users: Default::default(),
        ..version
    }
}
