//! The courier at work: its thread, its patience, and one letter by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dwell_core::time::Timestamp;
use tokio::runtime::{Builder, Runtime};

use crate::answer::Answer;
use crate::courier::Courier;
use crate::error::CourierError;
use crate::letter::{Letter, Post};

/// How long the courier waits for an answer before it looks for what is due.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long letters on their way may take at a stop. What is not answered by then is sent again at the next start.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// How many names are looked up at once; the machine's own lookup may hang long after we gave it up.
const LOOKUPS: usize = 64;

/// Takes turn after turn until it is told to stop.
pub fn run(mut courier: Courier, stop: &AtomicBool, clock: impl Fn() -> Timestamp) -> Result<(), CourierError> {
    let runtime = runtime()?;
    runtime.block_on(async {
        while !stop.load(Ordering::Relaxed) {
            courier.turn(clock());
            courier.wait(PATIENCE, &clock).await;
        }
        let finish = async {
            while courier.is_busy() {
                courier.wait(PATIENCE, &clock).await;
            }
        };
        // Whether all were answered changes nothing: the others are sent again.
        drop(tokio::time::timeout(STOP_PATIENCE, finish).await);
        courier.write();
    });
    runtime.shutdown_background();
    Ok(())
}

/// Sends one letter, and returns its answer.
pub fn post_once(post: &Arc<dyn Post>, letter: Letter) -> Result<Answer, CourierError> {
    let runtime = runtime()?;
    let answer = runtime.block_on(post.post(letter));
    runtime.shutdown_background();
    Ok(answer)
}

/// A thread for the network beside the one that takes turns, which waits for the disk now and then.
fn runtime() -> Result<Runtime, CourierError> {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(1).max_blocking_threads(LOOKUPS).thread_name("courier-net").enable_all();
    Ok(runtime.build()?)
}
