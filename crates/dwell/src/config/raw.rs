//! What was written: in the defaults, a file, the environment and flags, each over the one before.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use dwell_policy::nearest::nearest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The defaults, which are the manual.
pub const DEFAULTS: &str = include_str!("../../../../dwell.toml");

/// What every variable of the environment that sets a key begins with.
const VARIABLE: &str = "DWELL_";

/// All keys, each with what was written last.
#[derive(Debug)]
pub struct RawConfig {
    /// In the order of the manual.
    settings: Vec<Setting>,
}

/// A key and its value, as it was written.
#[derive(Debug)]
pub struct Setting {
    /// Like `server.listen`.
    pub key: String,
    /// Without quotes.
    pub value: String,
    /// Who said so.
    pub origin: Origin,
    sort: Sort,
}

/// Who said so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The defaults.
    Default,
    /// A line of a file, counted from 1.
    File(PathBuf, usize),
    /// A variable of the environment.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Whether a value stands in quotes in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    Text,
    Number,
}

impl Sort {
    const fn words(self) -> &'static str {
        match self {
            Sort::Text => "a text in quotes",
            Sort::Number => "a whole number without quotes",
        }
    }
}

/// A key and a value somewhere in a file.
struct Written {
    key: String,
    /// What it is, in TOML's words, when it is neither text nor number.
    value: Result<(Sort, String), &'static str>,
    at: usize,
}

impl RawConfig {
    /// Returns the defaults.
    pub fn defaults() -> anyhow::Result<Self> {
        let mut settings = Vec::new();
        for written in written_in(DEFAULTS)? {
            let (sort, value) = written.value.map_err(|what| anyhow!("the default of {} is {what}", written.key))?;
            settings.push(Setting { key: written.key, value, origin: Origin::Default, sort });
        }
        Ok(RawConfig { settings })
    }

    /// Lays a file over what is there.
    pub fn lay_file(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        let all = written_in(text).with_context(|| format!("{} is not TOML", path.display()))?;
        for Written { key, value, at } in all {
            let origin = Origin::File(path.to_owned(), line_at(text, at));
            let setting = self.known(&key).map_err(|error| anyhow!("{origin}: {error}"))?;
            match value {
                Ok((sort, value)) if sort == setting.sort => {
                    setting.value = value;
                    setting.origin = origin;
                }
                Ok((sort, _)) => bail!("{origin}: {key} must be {}, not {}", setting.sort.words(), sort.words()),
                Err(what) => bail!("{origin}: {key} must be {}, not {what}", setting.sort.words()),
            }
        }
        Ok(())
    }

    /// Lays variables of the environment over what is there.
    ///
    /// One that begins like ours but names no key is an error, as it is in a file. Others are nobody's business.
    pub fn lay_environment(&mut self, variables: impl Iterator<Item = (OsString, OsString)>) -> anyhow::Result<()> {
        let sections: Vec<String> = self.settings.iter().map(|setting| variable(section(&setting.key)) + "_").collect();
        let mut ours: Vec<(String, OsString)> = variables
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| sections.iter().any(|section| name.starts_with(section.as_str())))
            .collect();
        ours.sort();
        for (name, value) in ours {
            let Some(setting) = self.settings.iter_mut().find(|setting| variable(&setting.key) == name) else {
                let names: Vec<String> = self.settings.iter().map(|setting| variable(&setting.key)).collect();
                bail!("the variable {name} sets no key; {}", hint(&name, names.iter().map(String::as_str)));
            };
            let value = value.into_string().map_err(|value| anyhow!("{name} is not UTF-8: {}", value.display()))?;
            setting.value = value;
            setting.origin = Origin::Variable(name);
        }
        Ok(())
    }

    /// Lays a flag over what is there.
    pub fn lay_flag(&mut self, key: &str, value: &str, flag: &'static str) -> anyhow::Result<()> {
        let setting = self.known(key).map_err(|error| anyhow!("{flag}: {error}"))?;
        setting.value = value.to_owned();
        setting.origin = Origin::Flag(flag);
        Ok(())
    }

    /// Returns all keys, in the order of the manual.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Returns what was written for a key of ours.
    pub fn setting(&self, key: &str) -> anyhow::Result<&Setting> {
        let found = self.settings.iter().find(|setting| setting.key == key);
        found.with_context(|| format!("the defaults have no key {key}"))
    }

    fn known(&mut self, key: &str) -> anyhow::Result<&mut Setting> {
        match self.settings.iter().position(|setting| setting.key == key) {
            Some(place) => Ok(&mut self.settings[place]),
            None => {
                let whole = self.settings.iter().map(|setting| setting.key.as_str());
                bail!(
                    "there is no key `{key}`; {}",
                    self.hint_below_a_section(key).unwrap_or_else(|| hint(key, whole))
                );
            }
        }
    }

    /// Knows what was meant where only the section is wrong or missing.
    fn hint_below_a_section(&self, key: &str) -> Option<String> {
        let last = key.rsplit('.').next()?;
        let meant = self.settings.iter().find(|setting| setting.key.rsplit('.').next() == Some(last))?;
        Some(format!("did you mean `{}`?", meant.key))
    }
}

fn hint<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(written, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "`dwell config default` shows all keys".to_owned(),
    }
}

fn section(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

/// Returns the variable that sets a key.
pub fn variable(key: &str) -> String {
    VARIABLE.to_owned() + &key.replace('.', "_").to_uppercase()
}

/// Returns what a text in TOML says, in its order, with keys like `server.listen`.
fn written_in(text: &str) -> anyhow::Result<Vec<Written>> {
    let mut all = Vec::new();
    gather("", DeTable::parse(text)?.get_ref(), &mut all);
    all.sort_by_key(|written| written.at);
    Ok(all)
}

fn gather(section: &str, table: &DeTable<'_>, all: &mut Vec<Written>) {
    for (name, value) in table {
        let key = if section.is_empty() { name.get_ref().to_string() } else { format!("{section}.{}", name.get_ref()) };
        match value.get_ref() {
            DeValue::Table(below) if !below.is_empty() => gather(&key, below, all),
            // An empty section says nothing.
            DeValue::Table(_) if section.is_empty() => {}
            other => all.push(Written { key, value: scalar(other), at: place(name) }),
        }
    }
}

fn place<T>(spanned: &Spanned<T>) -> usize {
    spanned.span().start
}

fn scalar(value: &DeValue<'_>) -> Result<(Sort, String), &'static str> {
    match value {
        DeValue::String(text) => Ok((Sort::Text, text.to_string())),
        DeValue::Integer(number) if number.radix() == 10 => Ok((Sort::Number, number.as_str().to_owned())),
        DeValue::Integer(_) => Err("a number to another base than ten"),
        DeValue::Float(_) => Err("a number with a point"),
        DeValue::Boolean(_) => Err("true or false"),
        DeValue::Datetime(_) => Err("a date"),
        DeValue::Array(_) => Err("a list"),
        DeValue::Table(_) => Err("a section"),
    }
}

fn line_at(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
