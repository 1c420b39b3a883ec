//! Laws that the engine checks by itself, where one might expect them not to hold.

#[expect(dead_code, reason = "every test uses another part of it")]
#[path = "support/house.rs"]
mod house;

use std::sync::Arc;

use dwell_core::policy::{Policy, Version};
use dwell_core::time::{Timeout, Zone};
use dwell_engine::AppRules;
use house::*;

fn rules_with(minutes: u64) -> Arc<AppRules> {
    let version = Version { timeout: Timeout::from_secs(minutes * 60).ok(), ..Version::default() };
    Arc::new(AppRules::of(&Policy::always(version), Zone::default()))
}

#[test]
fn rules_that_are_replaced_for_the_same_past_raise_no_alarm() {
    for (before, after) in [(10, 30), (30, 10), (10, 60), (1, 5)] {
        for late in [None, Some(2), Some(25), Some(45), Some(61)] {
            let mut house = House::under(rules_with(before), 300);
            let mut number = 0;
            let mut say = |house: &House, minute| {
                number += 1;
                house.say(&[action(0, minute, number)], None);
            };
            for minute in [0, 5, 20, 40, 60, 61, 80] {
                say(&house, minute);
                house.work(minute);
            }
            house.rules = rules_with(after);
            house.restart();
            for minute in late.into_iter().chain([85, 130, 200]) {
                say(&house, minute);
            }
            // It asserts that no law is broken.
            house.work(300);
            assert!(!house.sessions("user0").is_empty());
        }
    }
}
