//! `dwell lab`: what every timeout would have done to a log, and which one, if any, it speaks for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use dwell_core::lab::Lab;
use dwell_core::lab::advice::{self, AppKind};
use dwell_core::lab::ledger::CurvePoint;
use dwell_core::policy::{Campaigns, Policy, Version};
use dwell_core::time::{Span, Timeout};
use dwell_lake::lab::lanes::draw;
use dwell_lake::lab::{LARGEST_SPLIT, LabSweep, TruthCurve};
use dwell_lake::load::{Inputs, Loaded};
use dwell_lake::question::Question;
use dwell_lake::sessionize::Agreement;
use dwell_lake::sweep::SweepError;
use dwell_policy::span::timeout;
use dwell_policy::text::Ruling;

use crate::chart::chart;
use crate::commands::sessions::{question, tell_plans};
use crate::human::{count, span};
use crate::input::{InputArgs, NotAsPromised, Rejects, Wanted, Way};
use crate::page::html;
use crate::policy_file::PolicyArgs;
use crate::progress::Progress;
use crate::report::{
    AdviceReport, Compared, Curve, GridRow, Milestone, Point, Report, Split, SplitValue, VENDORS, gap_bins, grid_rows,
};

/// What to look at.
#[derive(Args, Debug)]
pub struct LabArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    /// The timeout to compare with [default: twice the timeout]
    #[arg(long, value_parser = timeout, value_name = "SPAN")]
    versus: Option<Timeout>,
    /// Split by a column: each user counts under the value of their first event
    #[arg(long, value_name = "COLUMN")]
    by: Option<String>,
    /// Count the users who reach these numbers of sessions
    #[arg(long, default_value = "2,3,5,10", value_delimiter = ',', value_name = "N,...")]
    milestones: Vec<u32>,
    /// What kind of app it is, for the advice: social, media, reading, game, shop
    #[arg(long, value_parser = kind, value_name = "WORD")]
    kind: Option<AppKind>,
    /// Write one page with all pictures, to be read offline and printed
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the whole curve, a row for every second from 1 s to 24 h; `-` is standard output, and nothing else then
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Everything as JSON on standard output
    #[arg(long)]
    json: bool,
}

fn kind(word: &str) -> Result<AppKind, String> {
    AppKind::from_word(word).ok_or_else(|| format!("`{word}` is none of social, media, reading, game, shop"))
}

/// Looks at every timeout, and says and writes what it saw.
pub fn run(args: &LabArgs, progress: &Progress) -> anyhow::Result<()> {
    if args.json && args.csv.as_deref() == Some(Path::new("-")) {
        bail!("--json and --csv - both want standard output; give --csv a file");
    }
    let ruling = args.policy.ruling(&args.input.zone)?;
    let inputs = args.input.open(&ruling, Wanted { by: args.by.as_deref(), names: false })?;
    tell_plans(&inputs, progress);
    let report = args.input.ask(&inputs, Way::AsItLies, progress, |loaded, rejects| {
        let question = question(&args.input, &ruling, &inputs, loaded)?;
        let swept = swept(args, loaded, &question, progress)?;
        look(args, &ruling, &inputs, loaded, rejects, swept)
    })?;
    if let Some(path) = &args.html {
        write_file(path, |out| out.write_all(html(&report).as_bytes()))?;
    }
    if args.csv.as_deref() == Some(Path::new("-")) {
        let mut out = BufWriter::new(std::io::stdout().lock());
        write_curve(&mut out, &report)?;
        return Ok(out.flush()?);
    }
    if let Some(path) = &args.csv {
        write_file(path, |out| write_curve(out, &report))?;
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    if args.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        let columns = if std::io::stdout().is_terminal() { terminal_columns() } else { 100 };
        write!(out, "{}\n{}", chart(&report, columns), words(&report))?;
    }
    out.flush()?;
    Ok(())
}

fn terminal_columns() -> usize {
    terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0).clamp(60, 160))
}

fn write_file(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = BufWriter::new(file);
    write(&mut out).and_then(|()| out.flush()).with_context(|| format!("cannot write {}", path.display()))
}

/// Sweeps over all users, a second time if lengths were let go that turn out to be needed.
fn swept<'q>(
    args: &LabArgs,
    loaded: &Loaded<'_>,
    question: &'q Question,
    progress: &Progress,
) -> anyhow::Result<LabSweep<'q>> {
    let mut empty = LabSweep::empty_lab(&args.milestones);
    loop {
        let visitors = (0..args.input.threads()).map(|_| LabSweep::new(question, empty.clone())).collect();
        let bar = progress.bar_of(loaded.log.steps());
        let swept = loaded.log.sweep(visitors, &|steps| bar.set(steps)).map_err(|error| match error {
            SweepError::Shuffle(error) => anyhow::Error::from(error),
            SweepError::NotAsPromised => NotAsPromised.into(),
            SweepError::Visitor(error) => match error {},
        })?;
        let mut swept = swept.into_iter();
        let mut all = swept.next().context("no thread looked at the log")?;
        swept.for_each(|other| all.merge(other));
        match all.again() {
            Some(again) => empty = again,
            None => return Ok(all),
        }
    }
}

fn look(
    args: &LabArgs,
    ruling: &Ruling,
    inputs: &Inputs,
    loaded: &Loaded<'_>,
    rejects: &Rejects,
    mut swept: LabSweep<'_>,
) -> anyhow::Result<Report> {
    if swept.too_many_values {
        let column = args.by.as_deref().unwrap_or_default();
        bail!("the column {column} has more than {LARGEST_SPLIT} values; split by one that has fewer");
    }
    let lab = if args.by.is_some() {
        let mut all = LabSweep::empty_lab(&args.milestones);
        swept.labs.values().for_each(|part| all.merge(part.clone()));
        all
    } else {
        // The lengths that are kept are many: they are moved, not copied.
        std::mem::take(&mut swept.labs).into_values().next().unwrap_or_else(|| LabSweep::empty_lab(&args.milestones))
    };
    let curve = lab.ledger().curve();
    let from = args.policy.timeout.unwrap_or_else(|| in_force(&ruling.policy));
    let to =
        args.versus.unwrap_or_else(|| Timeout::from_secs(2 * u64::from(from.as_secs())).unwrap_or(Timeout::LONGEST));
    let range = loaded.log.time_range();
    let days = range.map_or(1.0, |(first, last)| ((last - first) as f64 / 86_400e6).max(1.0));
    let truth = swept.truth.as_ref().map(TruthCurve::agreement);
    let counted = swept.counted;
    let observed = swept.sample.into_observed();
    let advice = observed.advise(&advice::Question { in_force: from, kind: args.kind, ..advice::Question::default() });
    let compared = compare(&curve, from, to);
    let lanes = swept.lanes.into_sorted();
    let mut set_aside = rejects.counts.clone();
    set_aside.extend([("silent", counted.silent), ("duplicate", counted.duplicate), ("late", counted.late)]);
    set_aside.retain(|_, number| 0 < *number);
    Ok(Report {
        files: inputs.files.iter().map(|file| file.name.to_string()).collect(),
        activities: lab.activities(),
        set_aside,
        users: lab.users(),
        days,
        time_range_us: range,
        notes: notes(&ruling.policy),
        compared,
        advice: AdviceReport::new(&advice),
        vendors: VENDORS.to_vec(),
        grid: grid_rows(&lab, &curve, days, truth.as_deref())?,
        curve: whole_curve(&lab, &curve, truth.as_deref()),
        gaps: gap_bins(&lab.ledger().gaps().collect::<Vec<u64>>()),
        by: args.by.as_ref().map(|column| split(column, &swept.labs, inputs, days, from, to)).transpose()?,
        lanes: draw(&lanes, &ruling.policy, from, to),
    })
}

/// Returns the timeout that the policy's latest version gives to an app's users.
fn in_force(policy: &Policy) -> Timeout {
    policy.versions().last().and_then(|version| version.timeout).unwrap_or(Timeout::DEFAULT)
}

fn notes(policy: &Policy) -> Vec<String> {
    let any = |is: fn(&Version) -> bool| policy.versions().iter().any(is);
    let mut notes = Vec::new();
    if any(|version| version.rules.max_length.is_some()) {
        notes.push("The curve is without the longest length that the policy sets.".to_owned());
    }
    if any(|version| version.rules.campaigns != Campaigns::Ignored) {
        notes.push("The curve is without the breaks that another campaign makes.".to_owned());
    }
    if any(|version| version.rules.shortest != Span::ZERO) {
        notes.push("The curve is without the shortest length that the profile sets.".to_owned());
    }
    if any(|version| version.rules.background_timeout.is_some()) {
        notes.push(
            "A silence in the background is judged by the background timeout at every point of the curve.".to_owned(),
        );
    }
    if any(|version| !(version.platforms.is_empty() && version.audiences.is_empty() && version.users.is_empty())) {
        notes.push(
            "Every point of the curve gives all users one timeout, whatever the policy gives to some.".to_owned(),
        );
    }
    notes
}

fn whole_curve(lab: &Lab, curve: &[CurvePoint], truth: Option<&[Agreement]>) -> Curve {
    let numbers = lab.milestones().numbers();
    Curve {
        sessions: curve.iter().map(|point| point.sessions).collect(),
        total_length_us: curve.iter().map(|point| point.total_length.as_micros()).collect(),
        milestones: numbers
            .iter()
            .zip(lab.milestones().users())
            .map(|(number, users)| Milestone { number: *number, users })
            .collect(),
        f1: truth.map(|truth| truth.iter().map(|agreement| agreement.f1().unwrap_or(0.0)).collect()),
    }
}

fn compare(curve: &[CurvePoint], from: Timeout, to: Timeout) -> Compared {
    let (from, to) = (Point::on(curve, from), Point::on(curve, to));
    let word = |seconds| span(Span::from_secs(seconds));
    let change = relative(from.sessions as f64, to.sessions as f64);
    let direction = if to.sessions < from.sessions { "merges" } else { "splits" };
    let sentence = if from.sessions == to.sessions {
        format!("Changing the timeout from {} to {} changes no session.", word(from.timeout_s), word(to.timeout_s))
    } else {
        format!(
            "Changing the timeout from {} to {} {direction} {} sessions into {} ({change}); their mean length goes from {} to {}.",
            word(from.timeout_s),
            word(to.timeout_s),
            count(from.sessions),
            count(to.sessions),
            span(from.mean_length()),
            span(to.mean_length()),
        )
    };
    let doubled = Timeout::from_secs(2 * u64::from(from.timeout_s)).unwrap_or(Timeout::LONGEST);
    let arbitrary = format!(
        "Doubling {} to {} changes the number of sessions by {}.",
        word(from.timeout_s),
        word(doubled.as_secs()),
        relative(from.sessions as f64, Point::on(curve, doubled).sessions as f64),
    );
    Compared { from, to, sentence, arbitrary }
}

fn relative(before: f64, after: f64) -> String {
    if before == 0.0 { "nothing".to_owned() } else { format!("{:+.1} %", 100.0 * (after - before) / before) }
}

fn split(
    column: &str,
    labs: &BTreeMap<u32, Lab>,
    inputs: &Inputs,
    days: f64,
    from: Timeout,
    to: Timeout,
) -> anyhow::Result<Split> {
    let texts = inputs.names.texts();
    let mut values = Vec::new();
    for (key, lab) in labs {
        let curve = lab.ledger().curve();
        values.push(SplitValue {
            value: texts.get(*key as usize).map_or_else(String::new, ToString::to_string),
            users: lab.users(),
            activities: lab.activities(),
            from: Point::on(&curve, from),
            to: Point::on(&curve, to),
            grid: grid_rows(lab, &curve, days, None)?,
        });
    }
    values.sort_by(|one, other| other.users.cmp(&one.users).then_with(|| one.value.cmp(&other.value)));
    Ok(Split { column: column.to_owned(), values })
}

fn write_curve(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    let numbers: Vec<String> =
        report.curve.milestones.iter().map(|one| format!(",users_with_{}_sessions", one.number)).collect();
    let f1 = if report.curve.f1.is_some() { ",f1" } else { "" };
    writeln!(
        out,
        "timeout_s,sessions,total_length_us,mean_length_us,one_activity,median_length_us,p75_length_us,p90_length_us,p99_length_us{}{f1}",
        numbers.concat()
    )?;
    let mut grid = report.grid.iter().peekable();
    for (index, (sessions, total)) in report.curve.sessions.iter().zip(&report.curve.total_length_us).enumerate() {
        let seconds = index as u32 + 1;
        write!(out, "{seconds},{sessions},{total},{}", total.checked_div(*sessions as i64).unwrap_or(0))?;
        match grid.next_if(|row| row.timeout_s == seconds) {
            Some(row) => write!(
                out,
                ",{},{},{},{},{}",
                row.one_activity, row.median_length_us, row.p75_length_us, row.p90_length_us, row.p99_length_us
            )?,
            None => write!(out, ",,,,,")?,
        }
        for milestone in &report.curve.milestones {
            write!(out, ",{}", milestone.users[index])?;
        }
        if let Some(f1) = &report.curve.f1 {
            write!(out, ",{}", f1[index])?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The rows of the grid that a terminal shows.
const SHOWN: [u32; 14] = [1, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];

fn words(report: &Report) -> String {
    let mut lines = vec![
        format!("{} events of {} users in {:.1} days", count(report.activities), count(report.users), report.days),
        report.compared.sentence.clone(),
        report.compared.arbitrary.clone(),
        format!("Advice (nothing applies it): {}", report.advice.words),
    ];
    lines.extend(report.notes.iter().cloned());
    if let Some(f1) = &report.curve.f1 {
        let at = |seconds: u32| f1[seconds as usize - 1];
        let best = f1.iter().copied().fold(0.0, f64::max);
        let place = f1.iter().position(|value| *value == best).unwrap_or(0) as u32 + 1;
        lines.push(format!(
            "Against the truth: F1 {:.3} under {}, {:.3} under {}; best {best:.3} from {} on.",
            at(report.compared.from.timeout_s),
            span(Span::from_secs(report.compared.from.timeout_s)),
            at(report.compared.to.timeout_s),
            span(Span::from_secs(report.compared.to.timeout_s)),
            span(Span::from_secs(place))
        ));
    }
    lines.push(String::new());
    lines.push(table(report));
    if let Some(split) = &report.by {
        lines.push(String::new());
        lines.push(split_table(split, report));
    }
    if !report.curve.milestones.is_empty() {
        lines.push(String::new());
        lines.push(milestone_table(report));
    }
    lines.join("\n") + "\n"
}

fn table(report: &Report) -> String {
    let wanted = |row: &&GridRow| {
        SHOWN.contains(&row.timeout_s)
            || row.timeout_s == report.compared.from.timeout_s
            || row.timeout_s == report.compared.to.timeout_s
    };
    let micros = |micros| span(Span::from_micros(micros));
    let row = |row: &GridRow| {
        vec![
            span(Span::from_secs(row.timeout_s)),
            count(row.sessions),
            format!("{:.2}", row.per_user_and_day),
            micros(row.mean_length_us),
            micros(row.median_length_us),
            micros(row.p90_length_us),
            crate::human::percent(row.one_activity as f64, row.sessions as f64),
            row.doubling.map_or_else(|| "-".to_owned(), |share| format!("{:+.1} %", -100.0 * share)),
        ]
    };
    let rows = report.grid.iter().filter(wanted).map(row).collect();
    aligned(&["timeout", "sessions", "per user, day", "mean", "median", "p90", "one activity", "if doubled"], rows)
}

fn split_table(split: &Split, report: &Report) -> String {
    let (from, to) = (report.compared.from.timeout_s, report.compared.to.timeout_s);
    let under = |seconds| format!("under {}", span(Span::from_secs(seconds)));
    let row = |value: &SplitValue| {
        vec![
            if value.value.is_empty() { "(none)".to_owned() } else { value.value.clone() },
            count(value.users),
            count(value.from.sessions),
            count(value.to.sessions),
            relative(value.from.sessions as f64, value.to.sessions as f64),
            span(value.from.mean_length()),
            span(value.to.mean_length()),
        ]
    };
    let (under_from, under_to) = (under(from), under(to));
    let head = [&*split.column, "users", &under_from, &under_to, "change", "mean", "mean then"];
    aligned(&head, split.values.iter().map(row).collect())
}

fn milestone_table(report: &Report) -> String {
    let (from, to) = (report.compared.from.timeout_s, report.compared.to.timeout_s);
    let under = |seconds| format!("under {}", span(Span::from_secs(seconds)));
    let row = |milestone: &Milestone| {
        let at = |seconds: u32| count(milestone.users[seconds as usize - 1]);
        vec![format!("{} sessions", milestone.number), at(from), at(to)]
    };
    let (under_from, under_to) = (under(from), under(to));
    aligned(&["users with", &under_from, &under_to], report.curve.milestones.iter().map(row).collect())
}

/// Lays rows out in columns, the first to the left and the others to the right.
fn aligned(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let head: Vec<String> = head.iter().map(|&text| text.to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(&rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let line = |row: &&Vec<String>| {
        let cell = |(column, text): (usize, &String)| match column {
            0 => format!("{text:<0$}", width(column)),
            _ => format!("{text:>0$}", width(column) + 2),
        };
        row.iter().enumerate().map(cell).collect::<String>().trim_end().to_owned()
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}
