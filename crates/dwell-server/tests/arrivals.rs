//! Whoever connects an app sees what comes in, and what its sender was told.

#[expect(dead_code, reason = "others ask for more")]
mod street;

use serde_json::{Value, json};
use street::{Street, track};

#[tokio::test]
async fn the_latest_messages_are_shown_with_their_fates() {
    let street = Street::build();
    assert_eq!(street.arrivals(0).await, Vec::<Value>::new());
    let (nobody, page) =
        (json!({ "type": "track", "event": "x" }), json!({ "type": "page", "userId": "bo", "name": "Home" }));
    let body = json!({ "batch": [track("ada", "1"), nobody, track("ada", "1"), page] });
    for text in [body.to_string(), "{".to_owned()] {
        let begun = street.begin_with(0, text);
        street.end(begun).await;
    }
    let seen = street.arrivals(0).await;
    let told: Vec<_> =
        seen.iter().map(|one| [&one["number"], &one["fate"], &one["user"], &one["event"], &one["type"]]).collect();
    assert_eq!(
        json!(told),
        json!([
            [5, "rejected", null, null, null],
            [4, "accepted", "bo", "Home", "page"],
            [3, "duplicate", "ada", "Song Liked", "track"],
            [2, "rejected", null, null, null],
            [1, "accepted", "ada", "Song Liked", "track"],
        ])
    );
    assert_eq!(
        (&seen[3]["reason"], &seen[1]["kind"], &seen[1]["dialect"]),
        (&json!("missing_user"), &json!("page"), &json!("segment"))
    );
    assert!(seen[3]["why"].as_str().unwrap().starts_with("message 1: "), "{}", seen[3]);
    assert!(!seen[0]["reason"].is_null() && !seen[0]["why"].is_null(), "{}", seen[0]);
    assert_eq!(street.arrivals(1).await, Vec::<Value>::new(), "another app's");
}

#[tokio::test]
async fn no_more_than_a_hundred_are_kept_and_they_came_in_a_row() {
    let mut street = Street::build();
    let numbers = async |street: &Street| -> Vec<u64> {
        street.arrivals(0).await.iter().map(|one| one["number"].as_u64().unwrap()).collect()
    };
    for body in 0..30 {
        let messages: Vec<Value> = (0..5).map(|number| track("ada", &format!("{body} {number}"))).collect();
        street.say(0, &messages).await;
    }
    assert_eq!(numbers(&street).await, (51..=150).rev().collect::<Vec<_>>());
    let many: Vec<Value> = (0..50).map(|number| track("ada", &format!("many {number}"))).collect();
    street.say(0, &many).await;
    assert_eq!(numbers(&street).await, (181..=200).rev().collect::<Vec<_>>(), "of fifty at once the last twenty");
    let long = "하".repeat(300);
    street.say(0, &[track(&long, "long")]).await;
    assert_eq!(street.arrivals(0).await[0]["user"], json!(["하".repeat(200), "…".to_owned()].concat()));
}

#[tokio::test]
async fn who_is_erased_is_not_shown() {
    let mut street = Street::build();
    street.say(0, &[track("ada", "1")]).await;
    street.ask_to_erase(0, "ada").await;
    assert_eq!(street.arrivals(0).await, Vec::<Value>::new());
    street.say(0, &[track("bo", "2")]).await;
    let seen = street.arrivals(0).await;
    assert_eq!((seen.len(), &seen[0]["user"], &seen[0]["number"]), (1, &json!("bo"), &json!(2)));
}
