//! The page: everything that a report says, as one HTML file that needs nothing else.
//!
//! It fetches nothing, and says so to the browser. Figures are drawn here, so that they stand on paper and without
//! scripts; the script adds read-outs and a timeout to try. Every text from outside goes through `maud`, which
//! escapes it. Start reading at `body`, where the sections stand in their order.

mod curves;
mod draw;
mod embed;
mod gaps;
mod lanes;
#[cfg(test)]
pub mod sample;
pub mod scale;
mod split;
mod tables;
mod truth;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use crate::human::count;
use crate::report::Report;
use scale::{change, seconds};

pub use curves::sessions_scale;
pub use gaps::{drawn as drawn_gaps, per_doubling, scale as gaps_scale};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Neither pictures nor scripts nor anything else may come from elsewhere.
const NOTHING_FROM_ELSEWHERE: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// More files are counted, not named.
const FILES_NAMED: usize = 4;

/// Writes the page.
pub fn html(report: &Report) -> String {
    let title = format!(
        "Session timeout: {} against {}",
        seconds(report.compared.from.timeout_s),
        seconds(report.compared.to.timeout_s)
    );
    markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(NOTHING_FROM_ELSEWHERE);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="Dwell";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (draw::hatchings())
                (body(report, &title))
                script #exact-curve type="application/json" { (PreEscaped(embed::curve(report))) }
                script #grid-csv type="text/csv" { (PreEscaped(tables::grid_csv(report))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

fn body(report: &Report, title: &str) -> Markup {
    markup! {
        header { (head(report, title)) }
        main {
            (advice(report))
            (curves_section(report))
            (gaps_section(report))
            @if !report.lanes.is_empty() { (lanes_section(report)) }
            (before_and_after(report))
            @if let Some(split) = &report.by { (split_section(report, split)) }
            @if !report.curve.milestones.is_empty() { (milestones_section(report)) }
            @if let Some(f1) = &report.curve.f1 { (truth_section(report, f1)) }
            (grid_section(report))
        }
        footer { (foot(report)) }
    }
}

fn head(report: &Report, title: &str) -> Markup {
    let more = report.files.len().saturating_sub(FILES_NAMED);
    markup! {
        p .brand { "Dwell " span { "timeout lab" } }
        h1 { (title) }
        p .lede { (report.compared.sentence) }
        p .lede { (report.compared.arbitrary) }
        dl .facts {
            div { dt { "Users" } dd { (count(report.users)) } }
            div { dt { "Events" } dd { (count(report.activities)) } }
            div {
                dt { "Days" }
                dd { (format!("{:.1}", report.days)) @if let Some(range) = range(report) { small { (range) } } }
            }
            div {
                dt { @if report.files.len() == 1 { "File" } @else { "Files" } }
                dd .files {
                    @for file in report.files.iter().take(FILES_NAMED) { span { (file) } }
                    @if 0 < more { span { "and " (count(more as u64)) " more" } }
                }
            }
        }
        @for note in &report.notes { p .note { (note) } }
        @if !report.set_aside.is_empty() {
            p .note {
                "Not in any session: "
                @for (index, (reason, number)) in report.set_aside.iter().enumerate() {
                    @if 0 < index { ", " } (count(*number)) " " (reason)
                }
                "."
            }
        }
    }
}

fn range(report: &Report) -> Option<String> {
    let (first, last) = report.time_range_us?;
    let day = |micros| {
        let at = Timestamp::from_microsecond(micros).ok()?;
        Some(at.strftime("%-d %b %Y").to_string())
    };
    Some(format!("{} to {} (UTC)", day(first)?, day(last)?))
}

fn advice(report: &Report) -> Markup {
    markup! {
        section .advice-box aria-labelledby="advice-head" {
            h2 #advice-head { "Advice " span .tag { "nothing applies it" } }
            p .advice-words { (sentence(&report.advice.words)) }
            p .note {
                "It is a reading of " (count(report.advice.gaps)) " gaps of " (count(report.advice.users))
                " users, in which every user counts the same. It changes nothing by itself: the timeout stays what "
                "it is until you set another."
            }
        }
    }
}

/// Makes a whole sentence of the words of the advice.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn curves_section(report: &Report) -> Markup {
    markup! {
        section .whole aria-labelledby="curves-head" {
            h2 #curves-head { "Figure 1. What every timeout does" }
            p {
                "The longer the timeout, the fewer and the longer the sessions. Follow the lines from left to right: "
                "where they are steep, "
                "the choice of the timeout makes the number; where they are flat, it hardly matters."
            }
            figure {
                (scrolled("Figure 1", curves::figure(report)))
                (key(report))
            }
            div #try .js-only aria-live="polite" {}
            noscript {
                p .note {
                    "With scripts switched off nothing is missing but the read-outs: all numbers stand in the tables."
                }
            }
        }
    }
}

/// Lets a figure be moved sideways where the window is too narrow for its letters.
fn scrolled(label: &str, figure: Markup) -> Markup {
    markup! { div .wide tabindex="0" role="region" aria-label=(label) { (figure) } }
}

/// Says what the marks are.
fn key(report: &Report) -> Markup {
    markup! {
        figcaption {
            ul .key {
                li { (draw::swatch("mark a")) "A: " (seconds(report.compared.from.timeout_s)) }
                li { (draw::swatch("mark b")) "B: " (seconds(report.compared.to.timeout_s)) }
                li {
                    (draw::swatch("mark vendor")) "defaults of others: "
                    @for (index, vendor) in report.vendors.iter().enumerate() {
                        @if 0 < index { "; " } (vendor.name) " " (seconds(vendor.timeout_s))
                    }
                }
                @match (report.advice.timeout_s, report.advice.interval_s) {
                    (Some(timeout), Some((low, high))) => li {
                        (draw::patch("advised"))
                        "advice: " (seconds(timeout)) ", from " (seconds(low)) " to " (seconds(high))
                    }
                    _ => li {
                        @let (low, high) = report.advice.convention_s;
                        (draw::patch("undecided"))
                        "from " (seconds(low)) " to " (seconds(high)) " the gaps do not choose a timeout"
                    }
                }
            }
        }
    }
}

fn gaps_section(report: &Report) -> Markup {
    markup! {
        section .whole aria-labelledby="gaps-head" {
            h2 #gaps-head { "Figure 2. Why: how long people are silent" }
            p {
                "A gap is a silence between two activities of one user. A gap as long as the timeout or longer ends "
                "a session. "
                "A good timeout lies in a valley, between pauses inside a visit, on the left, and absences between "
                "visits, on the right. Where there is no valley, "
                "any timeout cuts through visits and joins others."
            }
            figure {
                (scrolled("Figure 2", gaps::figure(report)))
                figcaption {
                    p .note {
                        "The bars count all gaps. The green line is what the advice looks at: gaps of a sample of "
                        "users in their own waking time, each "
                        "user counting the same, drawn as high as the highest bar; only its shape counts. Gaps under "
                        "1 s and from 24 h on are the same under every timeout and not drawn."
                    }
                }
            }
        }
    }
}

fn lanes_section(report: &Report) -> Markup {
    let (from, to) = (seconds(report.compared.from.timeout_s), seconds(report.compared.to.timeout_s));
    markup! {
        section aria-labelledby="lanes-head" {
            h2 #lanes-head { "Figure 3. Some users under both timeouts" }
            p {
                "Each lane is one day of one sampled user, those first whose sessions change most; the day shown is "
                "the one that changes most. "
                "The small ticks are activities. Above them stand the sessions under " strong .a-word { "A: " (from) }
                ", below them those under " strong .b-word { "B: " (to) } ". "
                span .playing-word { "Shaded" } " is what played in the background. All times are UTC."
            }
            (lanes::figure(report))
        }
    }
}

fn before_and_after(report: &Report) -> Markup {
    markup! {
        section .whole aria-labelledby="compared-head" {
            h2 #compared-head { "Before and after" }
            (tables::compared(report))
        }
    }
}

fn split_section(report: &Report, split: &crate::report::Split) -> Markup {
    markup! {
        section aria-labelledby="split-head" {
            h2 #split-head { "By " (split.column) }
            p {
                "Each user counts under the value of their first event. The curves are sessions per user and day "
                "over the timeout, all on one scale; "
                "the percentage is the change from A to B."
            }
            (split::figure(report, split))
            (split::table(report, split))
        }
    }
}

fn milestones_section(report: &Report) -> Markup {
    markup! {
        section .whole aria-labelledby="milestones-head" {
            h2 #milestones-head { "Users who come back" }
            p {
                "Whatever you tie to somebody’s second or fifth session reaches so many users, depending on the timeout "
                "alone."
            }
            (tables::milestones(report))
        }
    }
}

fn truth_section(report: &Report, f1: &[f64]) -> Markup {
    markup! {
        section .whole aria-labelledby="truth-head" {
            h2 #truth-head { "Against the true sessions" }
            p { "This log knows where sessions truly began. " (truth::sentence(report, f1)) }
            figure { (scrolled("Agreement with the truth", truth::figure(report, f1))) }
        }
    }
}

fn grid_section(report: &Report) -> Markup {
    let doubled =
        report.grid.iter().find(|row| row.timeout_s == report.compared.from.timeout_s).and_then(|row| row.doubling);
    markup! {
        section .grid-section aria-labelledby="grid-head" {
            h2 #grid-head { "All numbers" }
            p {
                "The figures above as a table. “Fewer under the double” is by how much the number of sessions falls "
                "when the timeout is doubled"
                @if doubled.is_some() { ": the more, the more arbitrary the timeout" } "."
            }
            p .js-only { button #copy-csv type="button" { "Copy as CSV" } " " span #copied role="status" {} }
            (tables::grid(report))
        }
    }
}

fn foot(report: &Report) -> Markup {
    markup! {
        p {
            strong { "Exact, not sampled. " }
            "Every count and length of sessions is of all " (count(report.activities))
            " events, for every whole second from 1 s to 24 h. Only the lanes of Figure 3, and the advice with its "
            "line in Figure 2, look at a sample of the users."
        }
        p {
            "A gap exactly as long as the timeout ends a session. A session ends with its last activity: the timeout "
            "is no part of its length."
        }
        p {
            "From A to B the number of sessions changes by "
            (change(report.compared.from.sessions as f64, report.compared.to.sessions as f64))
            ". This page was written by Dwell; it loads nothing and sends nothing."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{HOSTILE, HOSTILE_FILE};
    use super::*;

    fn times(page: &str, part: &str) -> usize {
        page.matches(part).count()
    }

    #[test]
    fn the_page_has_every_section_in_order() {
        let page = html(&sample::report());
        let heads = [
            "Session timeout: 30 min against 10 min</h1>",
            "splits 3 sessions into 4.",
            "nothing applies it",
            "Figure 1.",
            "Figure 2.",
            "Figure 3.",
            "Before and after",
            "Users who come back",
            "Against the true sessions",
            "All numbers",
            "Exact, not sampled.",
        ];
        let places: Vec<Option<usize>> = heads.iter().map(|head| page.find(head)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    }

    #[test]
    fn texts_from_outside_stay_texts() {
        let page = html(&sample::report());
        assert!(!page.contains(HOSTILE));
        assert!(!page.contains(HOSTILE_FILE));
        assert_eq!(times(&page, "<script"), 3);
        assert_eq!(times(&page, "</script"), 3);
        assert_eq!(times(&page, "<img"), 0);
        assert_eq!(times(&page, "\"onmouseover"), 0);
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        let page = html(&sample::report());
        for part in ["http://", "https://", "src=", "@import", "<link"] {
            let own = page.replace("http://www.w3.org/2000/svg", "").replace("src=x onerror", "");
            assert!(!own.contains(part), "{part}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn every_label_that_is_named_is_there() {
        let page = html(&sample::report());
        for reference in ["aria-labelledby=\"", "aria-describedby=\""] {
            for part in page.split(reference).skip(1) {
                let names = part.split('"').next().unwrap();
                for name in names.split(' ') {
                    assert_eq!(times(&page, &format!("id=\"{name}\"")), 1, "{name}");
                }
            }
        }
    }

    #[test]
    fn a_log_without_events_has_a_page_too() {
        let page = html(&sample::empty());
        assert!(page.contains("All numbers"));
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }
}
