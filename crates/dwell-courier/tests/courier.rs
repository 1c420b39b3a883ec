//! The courier without a network: the receiver is a table of answers, and days pass in a moment.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dwell_core::time::{Span, Timestamp};
use dwell_courier::endpoint::{Endpoint, EndpointId, Target, Wish};
use dwell_courier::{
    Answer, Board, Courier, Delivery, Endpoints, Feed, FeedError, Kind, Letter, NewEndpoint, Options, Post, Progress,
    RetryAfter, needed, read_progress,
};

const BEGAN: Timestamp = Timestamp::from_micros(1_767_600_000_000_000);
const APP: &str = "app_0123456789ab";

/// A feed of numbers; every third is `session.started`, the others are `session.ended`.
#[derive(Default)]
struct Numbers {
    first: Mutex<u64>,
    length: Mutex<u64>,
    broken: Mutex<bool>,
}

impl Numbers {
    fn say(&self, more: u64) {
        *self.length.lock().unwrap() += more;
    }

    fn drop_before(&self, number: u64) {
        *self.first.lock().unwrap() = number;
    }
}

impl Feed for Numbers {
    fn first(&self, _: &str) -> Result<u64, FeedError> {
        Ok(*self.first.lock().unwrap())
    }

    fn next(&self, _: &str) -> Result<u64, FeedError> {
        Ok(*self.length.lock().unwrap())
    }

    fn read(&self, app: &str, from: u64, most: usize) -> Result<Vec<Delivery>, FeedError> {
        assert_eq!(app, APP);
        if *self.broken.lock().unwrap() {
            return Err(FeedError("the disk is gone".to_owned()));
        }
        let word = |number| if number % 3 == 0 { "session.started" } else { "session.ended" };
        let line = |number| Delivery { number, word: String::from(word(number)), body: format!("{number}").into() };
        let from = from.max(*self.first.lock().unwrap());
        Ok((from..*self.length.lock().unwrap()).take(most).map(line).collect())
    }
}

/// A receiver: what it answers next, by host; 200 when nothing is said.
#[derive(Default)]
struct Receiver {
    answers: Mutex<BTreeMap<String, VecDeque<Answer>>>,
    heard: Mutex<Vec<Letter>>,
    silent: Mutex<Option<String>>,
}

fn status(status: u16) -> Answer {
    Answer::none(Kind::of(status), format!("answered {status}"))
}

impl Receiver {
    fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().entry("one.example".to_owned()).or_default().extend(answers);
    }

    /// The numbers that were heard, in order, by host.
    fn heard(&self, host: &str) -> Vec<u64> {
        let heard = self.heard.lock().unwrap();
        let of_host = heard.iter().filter(|letter| letter.url.uri().host() == Some(host));
        of_host.map(|letter| std::str::from_utf8(&letter.body).unwrap().parse().unwrap()).collect()
    }
}

impl Post for Receiver {
    fn post(&self, letter: Letter) -> std::pin::Pin<Box<dyn Future<Output = Answer> + Send>> {
        let host = letter.url.uri().host().unwrap().to_owned();
        self.heard.lock().unwrap().push(letter);
        if self.silent.lock().unwrap().as_ref() == Some(&host) {
            return Box::pin(std::future::pending());
        }
        let answer = self.answers.lock().unwrap().get_mut(&host).and_then(VecDeque::pop_front);
        let answer = answer.unwrap_or_else(|| status(200));
        Box::pin(async move { answer })
    }
}

struct Town {
    folder: tempfile::TempDir,
    feed: Arc<Numbers>,
    receiver: Arc<Receiver>,
    now: AtomicI64,
    dead_letters: usize,
    at_once: usize,
}

impl Town {
    fn new() -> Self {
        Town {
            folder: tempfile::tempdir().unwrap(),
            feed: Arc::default(),
            receiver: Arc::default(),
            now: AtomicI64::new(BEGAN.as_micros()),
            dead_letters: 3,
            at_once: 32,
        }
    }

    fn data(&self) -> &Path {
        self.folder.path()
    }

    fn endpoint(&self, host: &str, events: &[&str]) -> Endpoint {
        let new = NewEndpoint {
            app: serde_json::from_str(&format!("{APP:?}")).unwrap(),
            url: Target::parse(&format!("https://{host}/")).unwrap(),
            events: events.iter().map(|word| String::from(*word)).collect(),
            from: Some(0),
        };
        Endpoints::open(self.data()).unwrap().add(new, BEGAN).unwrap()
    }

    fn courier(&self) -> (Courier, Arc<Board>) {
        let (board, options) =
            (Arc::<Board>::default(), Options { at_once: self.at_once, dead_letters: self.dead_letters });
        let courier =
            Courier::new(self.data(), self.feed.clone(), self.receiver.clone(), board.clone(), options).unwrap();
        (courier, board)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.load(Ordering::Relaxed))
    }

    fn pass(&self, span: Span) {
        self.now.fetch_add(span.as_micros(), Ordering::Relaxed);
    }

    /// Lets the courier do all that is due at this moment.
    async fn settle(&self, courier: &mut Courier) {
        loop {
            courier.turn(self.now());
            if !courier.is_busy() {
                return;
            }
            courier.wait(Duration::from_millis(20), || self.now()).await;
        }
    }

    /// Lets time pass, second by second at first and then in larger steps, and the courier do all that comes due.
    async fn live(&self, courier: &mut Courier, span: Span) {
        let end = self.now().plus(span);
        let mut step = Span::from_secs(1);
        while self.now() < end {
            self.settle(courier).await;
            self.pass(step);
            step = step.plus(Span::from_micros(step.as_micros() / 20)).min(Span::from_minutes(10));
        }
        self.settle(courier).await;
    }

    fn wish(&self, id: &EndpointId, wish: Wish) {
        let granted = read_progress(self.data(), id).unwrap().map_or(0, |progress| progress.granted);
        Endpoints::open(self.data()).unwrap().wish(id, &[wish], granted).unwrap();
    }
}

fn progress(board: &Board, endpoint: &Endpoint) -> Progress {
    board.one(&endpoint.id).unwrap().progress
}

const SECOND: Span = Span::from_secs(1);

#[tokio::test]
async fn everything_is_heard_once_in_order_and_signed_for_its_endpoint() {
    let town = Town::new();
    let (all, ended) = (town.endpoint("one.example", &[]), town.endpoint("two.example", &["session.ended"]));
    let (mut courier, board) = town.courier();
    town.feed.say(200);
    town.live(&mut courier, Span::from_secs(5)).await;
    assert_eq!(town.receiver.heard("one.example"), (0..200).collect::<Vec<_>>());
    assert_eq!(town.receiver.heard("two.example"), (0..200).filter(|number| number % 3 != 0).collect::<Vec<_>>());
    assert_eq!((progress(&board, &all).next, progress(&board, &ended).next), (200, 200));
    let heard = town.receiver.heard.lock().unwrap();
    for letter in heard.iter() {
        let of = if letter.url == all.url { &all } else { &ended };
        let number = std::str::from_utf8(&letter.body).unwrap();
        assert_eq!(letter.id, format!("{APP}-{}-{number}", of.id));
        assert!(!letter.id.contains('.'), "the standard divides what is signed by dots");
        let theirs = standardwebhooks::Webhook::new(&of.secrets[0].secret.reveal()).unwrap();
        assert_eq!(letter.signature, theirs.sign(&letter.id, letter.seconds, &letter.body).unwrap());
        assert_eq!(letter.seconds, BEGAN.as_micros() / 1_000_000);
    }
}

#[tokio::test]
async fn what_failed_is_tried_again_and_those_after_it_wait() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    town.feed.say(3);
    town.receiver.will([200, 500].map(status));
    town.receiver.will([Answer::none(Kind::TimedOut, "no answer within 15 s"), status(302)]);
    town.settle(&mut courier).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 1]);
    assert_eq!(board.one(&endpoint.id).unwrap().state(), "failing");
    let current = progress(&board, &endpoint).current.unwrap();
    let pause = current.due_at.since(BEGAN);
    assert!(Span::from_micros(2_500_000) <= pause && pause < Span::from_micros(7_500_000), "{pause:?}");
    // Not a moment too early.
    town.pass(pause.minus(Span::from_micros(1)));
    town.settle(&mut courier).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 1]);
    town.pass(Span::from_micros(1));
    town.settle(&mut courier).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 1, 1]);
    town.live(&mut courier, Span::from_minutes(10)).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 1, 1, 1, 1, 2]);
    let ids: Vec<String> = town.receiver.heard.lock().unwrap().iter().map(|letter| letter.id.clone()).collect();
    assert!(ids[1] == ids[2] && ids[2] == ids[4] && ids[4] != ids[5]);
    let progress = progress(&board, &endpoint);
    assert_eq!((progress.delivered, progress.failed, progress.dead.len()), (3, 3, 0));
}

#[tokio::test]
async fn after_about_three_days_a_delivery_is_a_dead_letter_and_the_next_has_its_turn() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    town.feed.say(3);
    town.receiver.will([500; 10].map(status));
    town.live(&mut courier, Span::from_hours(24)).await;
    assert_eq!(progress(&board, &endpoint).dead.len(), 0, "a day is not enough");
    town.live(&mut courier, Span::from_hours(5 * 24)).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    let progress = progress(&board, &endpoint);
    let dead = &progress.dead[0];
    assert_eq!((dead.number, dead.attempts, dead.says.as_str()), (0, 10, "answered 500"));
    let days = dead.at.since(BEGAN).whole_secs() as f64 / 86_400.0;
    assert!((1.4..4.3).contains(&days), "{days}");
    assert_eq!((board.died(), board.dead()), (1, (1, 0)));
}

#[tokio::test]
async fn what_is_refused_as_such_is_given_up_within_the_hour() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    town.feed.say(2);
    town.receiver.will([422; 5].map(status));
    town.live(&mut courier, Span::from_hours(1)).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 0, 0, 0, 0, 1]);
    assert_eq!(progress(&board, &endpoint).dead[0].says, "answered 422");
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let town = Town::new();
    let _endpoint = town.endpoint("one.example", &[]);
    let (mut courier, _) = town.courier();
    town.feed.say(1);
    let hour = RetryAfter::In(Span::from_hours(1));
    town.receiver.will([Answer { retry_after: Some(hour), ..status(503) }]);
    town.settle(&mut courier).await;
    town.pass(Span::from_secs(3_599));
    town.settle(&mut courier).await;
    assert_eq!(town.receiver.heard("one.example"), [0]);
    town.pass(SECOND);
    town.settle(&mut courier).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 0]);
}

#[tokio::test]
async fn who_is_gone_hears_nothing_until_somebody_asks_for_it() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    town.feed.say(2);
    town.receiver.will([status(410)]);
    town.live(&mut courier, Span::from_hours(100)).await;
    assert_eq!(town.receiver.heard("one.example"), [0]);
    assert_eq!(board.one(&endpoint.id).unwrap().state(), "off");
    // Not after a restart either.
    drop(courier);
    let (mut courier, board) = town.courier();
    town.live(&mut courier, Span::from_hours(1)).await;
    assert_eq!(town.receiver.heard("one.example"), [0]);
    town.wish(&endpoint.id, Wish::RetryAll);
    town.live(&mut courier, Span::from_secs(3)).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 0, 1]);
    assert_eq!(board.one(&endpoint.id).unwrap().state(), "on");
}

#[tokio::test]
async fn after_a_crash_the_same_is_said_again_with_the_same_id_and_nothing_is_left_out() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, _) = town.courier();
    town.feed.say(5);
    town.settle(&mut courier).await;
    // Nothing was written down since the first turn: this is a crash.
    drop(courier);
    assert_eq!(read_progress(town.data(), &endpoint.id).unwrap().unwrap().next, 0);
    town.feed.say(5);
    let (mut courier, _) = town.courier();
    town.live(&mut courier, Span::from_secs(2)).await;
    // Here it was: what was heard is not said a third time.
    drop(courier);
    town.feed.say(1);
    let (mut courier, _) = town.courier();
    town.live(&mut courier, Span::from_secs(2)).await;
    let heard = town.receiver.heard("one.example");
    assert_eq!(heard, (0..5).chain(0..11).collect::<Vec<_>>());
    let letters = town.receiver.heard.lock().unwrap();
    assert!((0..5).all(|place| letters[place].id == letters[place + 5].id));
}

#[tokio::test]
async fn attempts_are_counted_across_restarts() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    town.feed.say(2);
    town.receiver.will([500; 10].map(status));
    for _ in 0..200 {
        let (mut courier, _) = town.courier();
        town.live(&mut courier, Span::from_hours(1)).await;
        courier.write();
    }
    let known = read_progress(town.data(), &endpoint.id).unwrap().unwrap();
    assert_eq!((known.next, known.dead.len(), known.dead[0].attempts), (2, 1, 10));
    assert_eq!(town.receiver.heard("one.example"), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
}

#[tokio::test]
async fn an_endpoint_that_is_new_begins_at_one_place_whatever_crashes() {
    let town = Town::new();
    let mut endpoints = Endpoints::open(town.data()).unwrap();
    let new = NewEndpoint {
        app: serde_json::from_str(&format!("{APP:?}")).unwrap(),
        url: Target::parse("https://one.example/").unwrap(),
        events: Vec::new(),
        from: None,
    };
    endpoints.add(new, BEGAN).unwrap();
    town.feed.say(7);
    let (mut courier, _) = town.courier();
    courier.turn(town.now());
    drop(courier);
    town.feed.say(3);
    let (mut courier, _) = town.courier();
    town.live(&mut courier, SECOND).await;
    assert_eq!(town.receiver.heard("one.example"), [7, 8, 9]);
}

#[tokio::test]
async fn who_never_answers_holds_up_nobody_else() {
    let mut town = Town::new();
    town.at_once = 2;
    let stuck = town.endpoint("one.example", &[]);
    let _well = town.endpoint("two.example", &[]);
    *town.receiver.silent.lock().unwrap() = Some("one.example".to_owned());
    let (mut courier, board) = town.courier();
    town.feed.say(50);
    for _ in 0..200 {
        courier.turn(town.now());
        courier.wait(Duration::from_millis(1), || town.now()).await;
    }
    assert_eq!(town.receiver.heard("one.example"), [0]);
    assert_eq!(town.receiver.heard("two.example"), (0..50).collect::<Vec<_>>());
    assert_eq!(progress(&board, &stuck).next, 0);
}

#[tokio::test]
async fn with_one_letter_at_a_time_all_endpoints_have_their_turn() {
    let mut town = Town::new();
    town.at_once = 1;
    let hosts = ["a.example", "b.example", "c.example"];
    let _endpoints = hosts.map(|host| town.endpoint(host, &[]));
    let (mut courier, _) = town.courier();
    town.feed.say(10);
    for _ in 0..9 {
        courier.turn(town.now());
        courier.wait(Duration::from_millis(20), || town.now()).await;
    }
    assert_eq!(hosts.map(|host| town.receiver.heard(host).len()), [3, 3, 3]);
}

#[tokio::test]
async fn dead_letters_are_bounded_and_what_is_forgotten_is_counted() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    town.feed.say(5);
    town.receiver.will([422; 25].map(status));
    town.live(&mut courier, Span::from_hours(5)).await;
    let known = progress(&board, &endpoint);
    assert_eq!(known.dead.iter().map(|letter| letter.number).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!((known.forgotten, board.dead(), board.died()), (2, (3, 2), 5));
}

#[tokio::test]
async fn dead_letters_are_tried_again_once_each_in_order_when_somebody_asks() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    town.feed.say(3);
    town.receiver.will([422; 15].map(status));
    town.live(&mut courier, Span::from_hours(5)).await;
    assert_eq!(progress(&board, &endpoint).dead.len(), 3);
    let before = town.receiver.heard("one.example").len();
    // The first is taken, the second fails: the third is not even tried, and nothing is lost.
    town.receiver.will([200, 500].map(status));
    town.wish(&endpoint.id, Wish::RetryAll);
    town.feed.say(1);
    town.live(&mut courier, Span::from_secs(5)).await;
    assert_eq!(town.receiver.heard("one.example")[before..], [0, 1, 3]);
    let dead: Vec<(u64, u32)> =
        progress(&board, &endpoint).dead.iter().map(|letter| (letter.number, letter.attempts)).collect();
    assert_eq!(dead, [(2, 5), (1, 6)]);
    town.wish(&endpoint.id, Wish::Retry(2));
    town.live(&mut courier, Span::from_secs(5)).await;
    assert_eq!(town.receiver.heard("one.example")[before..], [0, 1, 3, 2]);
    // A wish is granted once, also across a restart.
    drop(courier);
    let (mut courier, board) = town.courier();
    town.live(&mut courier, Span::from_secs(5)).await;
    assert_eq!(town.receiver.heard("one.example")[before..], [0, 1, 3, 2]);
    assert_eq!(progress(&board, &endpoint).dead.len(), 1);
}

#[tokio::test]
async fn what_holds_up_the_others_can_be_skipped() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    town.feed.say(2);
    town.receiver.will([status(500)]);
    town.settle(&mut courier).await;
    town.wish(&endpoint.id, Wish::Skip(1));
    town.pass(SECOND);
    town.settle(&mut courier).await;
    assert_eq!(town.receiver.heard("one.example"), [0], "1 is not what is being tried");
    town.wish(&endpoint.id, Wish::Skip(0));
    town.pass(SECOND);
    town.settle(&mut courier).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 1]);
    assert_eq!(progress(&board, &endpoint).dead[0].says, "skipped by hand");
    assert_eq!(board.died(), 1);
}

#[tokio::test]
async fn what_is_skipped_on_its_way_is_one_dead_letter_if_it_fails_and_none_if_it_is_taken() {
    for (answer, dead) in [(500, 1), (200, 0)] {
        let town = Town::new();
        let endpoint = town.endpoint("one.example", &[]);
        let (mut courier, board) = town.courier();
        town.feed.say(1);
        town.receiver.will([status(answer)]);
        courier.turn(town.now());
        town.wish(&endpoint.id, Wish::Skip(0));
        town.pass(SECOND);
        courier.turn(town.now());
        assert_eq!(progress(&board, &endpoint).dead.len(), 1);
        town.settle(&mut courier).await;
        let progress = progress(&board, &endpoint);
        assert_eq!((progress.dead.len(), progress.next, progress.current), (dead, 1, None), "{answer}");
        assert_eq!((town.receiver.heard("one.example"), board.died()), (vec![0], 1));
    }
}

#[tokio::test]
async fn who_is_removed_hears_no_more_and_leaves_nothing_behind() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    town.feed.say(1);
    town.settle(&mut courier).await;
    Endpoints::open(town.data()).unwrap().remove(&endpoint.id).unwrap();
    town.pass(SECOND);
    town.settle(&mut courier).await;
    town.feed.say(5);
    town.live(&mut courier, SECOND).await;
    assert_eq!(town.receiver.heard("one.example"), [0]);
    assert!(board.of(APP).is_empty() && read_progress(town.data(), &endpoint.id).unwrap().is_none());
}

#[tokio::test]
async fn a_state_that_cannot_be_read_keeps_its_endpoint_from_beginning_anew_and_no_other() {
    let town = Town::new();
    let (bad, _good) = (town.endpoint("one.example", &[]), town.endpoint("two.example", &[]));
    let (mut courier, _) = town.courier();
    town.feed.say(2);
    town.live(&mut courier, Span::from_secs(2)).await;
    drop(courier);
    let path = town.data().join(format!("webhooks-state/{}.json", bad.id));
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    town.feed.say(2);
    let (mut courier, board) = town.courier();
    town.live(&mut courier, Span::from_secs(2)).await;
    assert_eq!((town.receiver.heard("one.example").len(), town.receiver.heard("two.example").len()), (2, 4));
    assert_eq!(board.one(&bad.id).unwrap().state(), "stuck");
    assert_eq!(std::fs::read(&path).unwrap(), good[..good.len() / 2], "what is damaged is left for people to see");
    std::fs::write(&path, &good).unwrap();
    town.live(&mut courier, Span::from_secs(2)).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_feed_that_cannot_be_read_is_told_and_read_again() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    *town.feed.broken.lock().unwrap() = true;
    town.feed.say(1);
    town.settle(&mut courier).await;
    assert!(board.one(&endpoint.id).unwrap().problem.unwrap().contains("the disk is gone"));
    *town.feed.broken.lock().unwrap() = false;
    town.pass(SECOND);
    town.settle(&mut courier).await;
    assert_eq!((town.receiver.heard("one.example"), board.one(&endpoint.id).unwrap().problem), (vec![0], None));
}

#[tokio::test]
async fn a_clock_that_is_put_back_by_a_year_stops_nothing() {
    let town = Town::new();
    let _endpoint = town.endpoint("one.example", &[]);
    let (mut courier, _) = town.courier();
    town.feed.say(1);
    town.receiver.will([status(500)]);
    town.settle(&mut courier).await;
    town.now.fetch_sub(Span::from_hours(365 * 24).as_micros(), Ordering::Relaxed);
    town.settle(&mut courier).await;
    town.feed.say(1);
    town.live(&mut courier, SECOND).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 0, 1]);
}

#[tokio::test]
async fn what_was_dropped_before_its_turn_is_counted_and_the_rest_goes_on() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    town.feed.say(60);
    town.receiver.will([status(200), status(500)]);
    town.settle(&mut courier).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 1]);
    // What is being tried is dropped, and most of what waits behind it, but for what has been read before.
    town.feed.drop_before(50);
    town.live(&mut courier, Span::from_minutes(1)).await;
    assert_eq!(town.receiver.heard("one.example"), [0, 1].into_iter().chain(2..16).chain(50..60).collect::<Vec<_>>());
    let known = progress(&board, &endpoint);
    assert_eq!((known.next, known.lost, known.current, known.dead.len(), board.lost()), (60, 35, None, 0, 35));
    let says = known.trouble.unwrap().says;
    assert_eq!(says, "numbers 16 to 49 were older than the feed keeps them, and dropped before their turn");
    assert_eq!(board.one(&endpoint.id).unwrap().state(), "on");
    // It is known after a restart, and counted once.
    drop(courier);
    let (mut courier, board) = town.courier();
    town.live(&mut courier, SECOND).await;
    assert_eq!((progress(&board, &endpoint).lost, progress(&board, &endpoint).next), (35, 60));
}

#[tokio::test]
async fn a_dead_letter_that_was_dropped_says_so_and_holds_up_nobody() {
    let town = Town::new();
    let endpoint = town.endpoint("one.example", &[]);
    let (mut courier, board) = town.courier();
    town.feed.say(2);
    town.receiver.will([422; 10].map(status));
    town.live(&mut courier, Span::from_hours(5)).await;
    assert_eq!(progress(&board, &endpoint).dead.len(), 2);
    let before = town.receiver.heard("one.example").len();
    town.feed.drop_before(1);
    town.feed.say(1);
    town.wish(&endpoint.id, Wish::RetryAll);
    town.live(&mut courier, Span::from_secs(5)).await;
    assert_eq!(town.receiver.heard("one.example")[before..], [1, 2], "the second is told, and the first is nowhere");
    let known = progress(&board, &endpoint);
    let dead: Vec<(u64, bool)> =
        known.dead.iter().map(|letter| (letter.number, letter.says.contains("the feed has dropped it"))).collect();
    assert_eq!((dead, known.again.len(), known.lost), (vec![(0, true)], 0, 0));
    assert_eq!(board.one(&endpoint.id).unwrap().state(), "on");
}

#[tokio::test]
async fn who_begins_at_the_beginning_has_lost_nothing_and_who_begins_at_a_place_may_have() {
    let town = Town::new();
    town.feed.say(10);
    town.feed.drop_before(5);
    let all = town.endpoint("one.example", &[]);
    let place = NewEndpoint {
        app: all.app.clone(),
        url: Target::parse("https://two.example/").unwrap(),
        events: Vec::new(),
        from: Some(3),
    };
    let place = Endpoints::open(town.data()).unwrap().add(place, BEGAN).unwrap();
    let (mut courier, board) = town.courier();
    town.live(&mut courier, SECOND).await;
    assert_eq!(town.receiver.heard("one.example"), [5, 6, 7, 8, 9]);
    assert_eq!(town.receiver.heard("two.example"), [5, 6, 7, 8, 9]);
    assert_eq!((progress(&board, &all).lost, progress(&board, &place).lost), (0, 2));
}

#[tokio::test]
async fn what_is_waited_for_is_what_lies_on_the_disk() {
    let town = Town::new();
    let first_needed = || needed(town.data()).unwrap().into_values().next();
    assert_eq!(first_needed(), None, "nobody waits");
    let one = town.endpoint("one.example", &[]);
    assert_eq!(first_needed(), Some(0), "it begins there, although the courier has not seen it");
    let (mut courier, _) = town.courier();
    town.feed.say(10);
    town.receiver.will([200, 200, 200, 500].map(status));
    town.settle(&mut courier).await;
    assert_eq!(first_needed(), Some(0), "after a crash it would be told of all of them again");
    courier.write();
    assert_eq!(first_needed(), Some(3), "what is tried again is needed");
    // The others wait for what came last; the one that is furthest behind counts.
    let _two = town.endpoint("two.example", &[]);
    town.live(&mut courier, SECOND).await;
    courier.write();
    assert_eq!(first_needed(), Some(3));
    // Who is gone is not waited for.
    town.receiver.will([status(410)]);
    town.live(&mut courier, Span::from_secs(30)).await;
    courier.write();
    assert!(read_progress(town.data(), &one.id).unwrap().unwrap().off.is_some());
    assert_eq!(first_needed(), Some(10));
    // Whose state cannot be read waits for everything.
    std::fs::write(town.data().join(format!("webhooks-state/{}.json", one.id)), "no state").unwrap();
    assert_eq!(first_needed(), Some(0));
}

#[test]
fn a_state_that_was_written_before_anything_was_dropped_is_read() {
    let mut state = serde_json::to_value(Progress::begin(7)).unwrap();
    assert!(state.as_object_mut().unwrap().remove("lost").is_some());
    assert_eq!(serde_json::from_value::<Progress>(state).unwrap(), Progress::begin(7));
}
