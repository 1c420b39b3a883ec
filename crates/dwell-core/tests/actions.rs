//! The fast way through a log of nothing but actions says what the general way says.

use dwell_core::event::{Activity, EventKind};
use dwell_core::lab::Lab;
use dwell_core::lab::lengths::Grid;
use dwell_core::policy::{Edge, Policy, Rules, Standing, Version};
use dwell_core::session::Sessionizer;
use dwell_core::time::{Span, Timeout, Timestamp, Zone};
use proptest::prelude::*;

fn standing(kind: u8) -> Standing {
    let mut rules = Rules::default();
    match kind {
        1 => rules.max_length = Some(Span::from_secs(70)),
        2 => rules.midnight = Some(Zone::default()),
        3 => rules.edge = Edge::Continues,
        4 => rules.shortest = Span::from_secs(45),
        5 => rules.idle_after = Span::from_secs(7),
        6 => rules.background_timeout = Timeout::from_secs(2).ok(),
        _ => {}
    }
    let version = Version { timeout: Timeout::from_secs(30).ok(), rules, ..Version::default() };
    let later = Version { timeout: Timeout::from_secs(10).ok(), effective_from: at(200_000_000), ..version.clone() };
    let policy = if kind == 7 { Policy::from_versions(vec![version, later]) } else { Policy::always(version) };
    policy.standing_of("ada", &[], &[])
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(86_400_000_000 - 100_000_000 + micros)
}

/// Moments whose gaps lie on and around the timeout, and around midnight.
fn moments() -> impl Strategy<Value = Vec<Timestamp>> {
    let gap = prop_oneof![Just(0), Just(29_999_999), Just(30_000_000), Just(30_000_001), 0i64..50_000_000];
    prop::collection::vec(gap, 0..30).prop_map(|gaps| {
        gaps.iter()
            .scan(0, |now, gap| {
                *now += gap;
                Some(at(*now))
            })
            .collect()
    })
}

/// More moments than a block of gaps holds, with gaps that are often alike, and of all lengths.
fn many_moments() -> impl Strategy<Value = Vec<Timestamp>> {
    let seconds = prop_oneof![Just(0), Just(3), Just(60), Just(2_000), 0i64..100, 0i64..100_000, Just(86_400)];
    let gap = (seconds, 0i64..2).prop_map(|(seconds, micros)| seconds * 1_000_000 + micros);
    prop::collection::vec(gap, 0..700).prop_map(|gaps| {
        gaps.iter()
            .scan(0, |now, gap| {
                *now += gap;
                Some(at(*now))
            })
            .collect()
    })
}

/// Gaps that grow and shrink over and over, so that blocks of them leave nearly all, and whole users of gaps alike.
fn ramps() -> impl Strategy<Value = Vec<Timestamp>> {
    let ramp = (0u32..66, 0u32..66, 1u32..4);
    (prop::collection::vec(ramp, 0..30), 0usize..4).prop_map(|(ramps, repeated)| {
        let mut now = 0;
        let mut moments = vec![at(now)];
        for _ in 0..repeated {
            for (from, to, step) in &ramps {
                let up = (*from..*to).step_by(*step as usize);
                let down = (*to..*from).rev().step_by(*step as usize);
                for exponent in up.chain(down) {
                    // From a second to a day and more: a fifth longer each.
                    now += (1_000_000.0 * 1.2f64.powi(exponent as i32)) as i64;
                    moments.push(at(now));
                }
            }
        }
        moments
    })
}

fn grids() -> impl Strategy<Value = Grid> {
    let some = prop::collection::vec(1u64..90_000, 1..9).prop_map(|seconds| {
        let timeouts = seconds.iter().filter_map(|seconds| Timeout::from_secs(*seconds).ok());
        Grid::new(&timeouts.collect::<Vec<_>>())
    });
    prop_oneof![Just(Grid::standard()), some]
}

proptest! {
    #[test]
    fn actions_are_sessionized_alike(moments in moments(), kind in 0u8..8, played_before in any::<bool>()) {
        let standing = standing(kind);
        let mut slow = Sessionizer::new(&standing);
        if played_before {
            let signal = Activity { remaining: Some(Span::from_secs(100)), ..Activity::new(at(0), EventKind::PlayingStarted) };
            slow.observe(&signal);
            slow.observe(&Activity::new(at(0), EventKind::Backgrounded));
        }
        let mut fast = slow.clone();
        let action = |at: &Timestamp| Activity::new(*at, EventKind::Action);
        let one_by_one: Vec<_> = moments.iter().filter_map(|at| slow.observe(&action(at)).ended).collect();
        let mut at_once = Vec::new();
        fast.observe_actions(moments.iter().copied(), |closed| at_once.push(closed));
        prop_assert_eq!(one_by_one, at_once);
        prop_assert_eq!(slow.open(), fast.open());
        prop_assert_eq!(slow.deadline(), fast.deadline());
    }

    #[test]
    fn actions_go_into_the_lab_alike(
        users in prop::collection::vec(prop_oneof![moments(), many_moments(), ramps()], 0..4),
        grid in grids(),
        numbers in prop::collection::vec(prop_oneof![1u32..4, 4u32..100], 0..5),
        kind in 0u8..8,
    ) {
        let standing = standing(kind);
        let (mut slow, mut fast) = (Lab::new(grid.clone(), &numbers), Lab::new(grid, &numbers));
        for moments in users {
            let actions: Vec<_> = moments.iter().map(|at| Activity::new(*at, EventKind::Action)).collect();
            slow.observe_user(&actions, &standing);
            fast.observe_user_of_actions(&moments, &standing);
        }
        prop_assert_eq!((slow.users(), slow.activities()), (fast.users(), fast.activities()));
        prop_assert_eq!(slow.ledger(), fast.ledger());
        prop_assert_eq!(slow.grid(), fast.grid());
        prop_assert_eq!(slow.milestones(), fast.milestones());
    }
}

#[test]
fn more_gaps_than_find_room_at_once_are_all_added_up() {
    let standing = standing(0);
    let moments: Vec<_> = (0..1_200_000).map(|number| Timestamp::from_micros(number * 1_999_999)).collect();
    let mut lab = Lab::new(Grid::standard(), &[]);
    lab.observe_user_of_actions(&moments, &standing);
    let curve = lab.ledger().curve();
    assert_eq!((curve[0].sessions, curve[0].total_length), (1_200_000, Span::ZERO));
    assert_eq!((curve[1].sessions, curve[1].total_length), (1, Span::from_micros(1_199_999 * 1_999_999)));
}
