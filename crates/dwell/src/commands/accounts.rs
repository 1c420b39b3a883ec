//! `dwell accounts`: who signs in to the dashboard by name and password.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use dwell_keys::account::{Account, AccountName, AccountRole};
use dwell_keys::accounts::{Accounts, NewAccount};
use dwell_keys::app::AppId;
use dwell_keys::password::PasswordHash;
use dwell_keys::registry::Registry;
use serde_json::{Value, json};

use crate::clock;
use crate::data_folder::{DataArgs, moment_text, print_json, print_table, second_text};

/// What to do about accounts.
#[derive(Args, Debug)]
pub struct AccountsArgs {
    #[command(subcommand)]
    command: AccountsCommand,
}

#[derive(Subcommand, Debug)]
enum AccountsCommand {
    /// Let somebody sign in; their password is asked for, or read from standard input
    Add(Add),
    /// Show all accounts
    List(List),
    /// Set another password, and sign them out everywhere
    Password(Named),
    /// Remove an account, and sign them out everywhere
    Remove(Named),
}

#[derive(Args, Debug)]
struct Add {
    /// By what they sign in, like ada or ada@example.com
    #[arg(value_parser = AccountName::parse, value_name = "NAME")]
    name: AccountName,
    /// admin: everything; analyst: look, and put policies; viewer: look
    #[arg(long, value_parser = role, value_name = "ROLE")]
    role: AccountRole,
    /// Name or id of an app that they see; may be repeated [default: all apps, those to come too]
    #[arg(long, value_name = "APP")]
    app: Vec<String>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
struct Named {
    /// The account, as `dwell accounts list` shows it
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    data: DataArgs,
}

fn role(word: &str) -> Result<AccountRole, String> {
    let words = AccountRole::ALL.map(AccountRole::word).join(", ");
    AccountRole::from_word(word).ok_or_else(|| format!("`{word}` is none of {words}"))
}

/// Does it.
pub fn run(args: &AccountsArgs) -> anyhow::Result<()> {
    match &args.command {
        AccountsCommand::Add(args) => add(args),
        AccountsCommand::List(args) => list(args),
        AccountsCommand::Password(args) => password(args),
        AccountsCommand::Remove(args) => remove(args),
    }
}

fn add(args: &Add) -> anyhow::Result<()> {
    // Whoever sets up a machine may begin with this.
    let registry = args.data.make()?;
    let ids = args.app.iter().map(|app| registry.app(app).map(|app| app.id.clone()));
    let ids = ids.collect::<Result<Vec<AppId>, _>>()?;
    let mut accounts = Accounts::open(registry.folder())?;
    if let Some(there) = accounts.named(args.name.as_str()) {
        bail!("there is an account {:?} already", there.name.as_str());
    }
    let password = chosen_password()?;
    let apps = if ids.is_empty() { None } else { Some(ids) };
    accounts.add(NewAccount { name: args.name.clone(), role: args.role, apps, password }, clock::now())?;
    let account = accounts.named(args.name.as_str()).context("the new account vanished")?;
    if args.data.json {
        return print_json(&report(account));
    }
    println!("{} may sign in as {}; a running server knows within a second", account.name, account.role.word());
    Ok(())
}

fn password(args: &Named) -> anyhow::Result<()> {
    let mut accounts = open(&args.data)?;
    if accounts.named(&args.name).is_none() {
        bail!("there is no account {:?}; `dwell accounts list` shows all", args.name);
    }
    let password = chosen_password()?;
    accounts.set_password(&args.name, password, clock::now())?;
    let account = accounts.named(&args.name).context("the account vanished")?;
    if args.data.json {
        return print_json(&report(account));
    }
    println!("{} has another password, and is signed out everywhere within a second", account.name);
    Ok(())
}

fn remove(args: &Named) -> anyhow::Result<()> {
    let removed = open(&args.data)?.remove(&args.name)?;
    if args.data.json {
        return print_json(&report(&removed));
    }
    println!("{} signs in no more, and is signed out everywhere within a second", removed.name);
    Ok(())
}

fn list(args: &List) -> anyhow::Result<()> {
    let registry = args.data.open()?;
    let accounts = Accounts::open(registry.folder())?;
    if args.data.json {
        return print_json(&accounts.all().iter().map(report).collect::<Vec<_>>().into());
    }
    if accounts.all().is_empty() {
        println!("Nobody signs in yet.");
        return Ok(());
    }
    let row = |account: &Account| {
        let name = account.name.to_string();
        vec![name, account.role.word().to_owned(), app_names(&registry, account), second_text(account.created_at)]
    };
    let rows: Vec<Vec<String>> = accounts.all().iter().map(row).collect();
    print_table(&["name", "role", "apps", "added"], &rows)
}

fn app_names(registry: &Registry, account: &Account) -> String {
    let name = |id: &AppId| registry.app(id.as_str()).map_or_else(|_gone| id.to_string(), |app| app.name.to_string());
    match &account.apps {
        None => "all".to_owned(),
        Some(apps) => apps.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

fn open(data: &DataArgs) -> anyhow::Result<Accounts> {
    Ok(Accounts::open(data.open()?.folder())?)
}

/// Asks for a password twice where somebody sits at a terminal, and reads a line of standard input elsewhere.
fn chosen_password() -> anyhow::Result<PasswordHash> {
    let password = if std::io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password: ").context("cannot read the password")?;
        if rpassword::prompt_password("Again: ").context("cannot read the password")? != first {
            bail!("these are two passwords: try again");
        }
        first
    } else {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    PasswordHash::of(&password).map_err(anyhow::Error::msg)
}

/// What is told of an account. The hash of its password is not.
fn report(account: &Account) -> Value {
    json!({
        "name": account.name.as_str(),
        "role": account.role.word(),
        "apps": account.apps.as_ref().map(|apps| apps.iter().map(|app| app.as_str()).collect::<Vec<_>>()),
        "created_at": moment_text(account.created_at),
        "password_set_at": moment_text(account.password_set_at),
    })
}
