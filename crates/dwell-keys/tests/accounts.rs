//! Who is let in by name and password, for how long, and what they may do.

use dwell_core::time::{Span, Timestamp};
use dwell_keys::access::Scope;
use dwell_keys::account::{AccountName, AccountRole};
use dwell_keys::accounts::{Accounts, NewAccount};
use dwell_keys::app::AppId;
use dwell_keys::error::AccountError;
use dwell_keys::pass::{IDLE, LONGEST, MOST_OF_ONE, PassText, Passes};
use dwell_keys::password::PasswordHash;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_micros(1_767_600_000_000_000);
const TICK: Span = Span::from_micros(1);

fn id(text: &str) -> AppId {
    AppId::try_from(text.to_owned()).unwrap()
}

fn new(name: &str, role: AccountRole, apps: Option<Vec<AppId>>) -> NewAccount {
    NewAccount { name: AccountName::parse(name).unwrap(), role, apps, password: PasswordHash::of_nobody() }
}

/// Ada, in a folder of her own.
fn ada() -> (TempDir, Accounts) {
    let folder = tempfile::tempdir().unwrap();
    let mut accounts = Accounts::open(folder.path()).unwrap();
    accounts.add(new("ada", AccountRole::Viewer, None), NOW).unwrap();
    (folder, accounts)
}

fn holds(passes: &Passes, pass: &PassText, accounts: &Accounts, now: Timestamp) -> bool {
    passes.whose(pass.reveal(), accounts, now).is_some_and(|account| account.name.as_str() == "ada")
}

#[test]
fn everybody_may_what_their_role_says_in_their_apps_and_nothing_elsewhere() {
    let (own, other) = (id("app_000000000001"), id("app_000000000002"));
    let (_folder, mut accounts) = ada();
    for (role, may) in [
        (AccountRole::Admin, [true, true, true]),
        (AccountRole::Analyst, [true, true, false]),
        (AccountRole::Viewer, [true, false, false]),
    ] {
        for (apps, elsewhere) in [(None, true), (Some(vec![own.clone()]), false), (Some(Vec::new()), false)] {
            let none = apps == Some(Vec::new());
            accounts.add(new("bo", role, apps.clone()), NOW).unwrap();
            let bo = accounts.named("BO").unwrap();
            let of = |app: &AppId| Scope::ALL.map(|scope| bo.may(scope, app));
            assert_eq!(of(&own), if none { [false; 3] } else { may }, "{role:?} {apps:?}");
            assert_eq!(of(&other), if elsewhere { may } else { [false; 3] }, "{role:?} {apps:?}");
            assert_eq!(bo.may_run(), role == AccountRole::Admin && apps.is_none(), "{role:?} {apps:?}");
            accounts.remove("bo").unwrap();
        }
    }
}

#[test]
fn what_is_written_is_what_is_read_and_holds_no_password() {
    let (folder, mut accounts) = ada();
    let apps = Some(vec![id("app_000000000001")]);
    let password = PasswordHash::of("correct horse battery").unwrap();
    accounts.add(NewAccount { password, ..new("bo@example.com", AccountRole::Analyst, apps) }, NOW).unwrap();
    let read = Accounts::open(folder.path()).unwrap();
    assert_eq!(read.all(), accounts.all());
    assert!(read.named("Bo@Example.com").unwrap().password.is("correct horse battery"));
    let file = std::fs::read_to_string(folder.path().join("accounts.json")).unwrap();
    assert!(file.contains("$argon2id$v=19$m=19456,t=2,p=1$") && !file.contains("correct"), "{file}");
}

#[test]
fn nobody_is_added_twice_or_found_who_is_not_there() {
    let (_folder, mut accounts) = ada();
    let said = |error: AccountError| error.to_string();
    assert_eq!(
        said(accounts.add(new("Ada", AccountRole::Admin, None), NOW).unwrap_err()),
        "there is an account \"ada\" already"
    );
    let nobody = "there is no account \"bo\"; `dwell accounts list` shows all";
    assert_eq!(said(accounts.remove("bo").unwrap_err()), nobody);
    assert_eq!(said(accounts.set_password("bo", PasswordHash::of_nobody(), NOW).unwrap_err()), nobody);
    for name in ["", "a b", "a\n", "dw_s_00000000", "DW_x", &"x".repeat(65)] {
        assert!(AccountName::parse(name).is_err(), "{name:?}");
    }
}

#[test]
fn a_damaged_file_leaves_everybody_as_they_were_and_is_told_once() {
    let (folder, _) = ada();
    let path = folder.path().join("accounts.json");
    let mut server = Accounts::open(folder.path()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    for broken in ["{", &text.replace("\"format\": 1", "\"format\": 2"), &text.replace("viewer", "king")] {
        std::fs::write(folder.path().join("beside"), broken).unwrap();
        std::fs::rename(folder.path().join("beside"), &path).unwrap();
        assert!(matches!(server.refresh(), Err(AccountError::Damaged { .. })), "{broken}");
        assert!(!server.refresh().unwrap(), "it is told once");
        assert!(server.named("ada").is_some());
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(server.refresh(), Err(AccountError::Gone { .. })));
    assert!(server.named("ada").is_some());
}

#[test]
fn a_pass_ends_when_it_is_not_used_and_in_the_end_anyway() {
    let (_folder, accounts) = ada();
    let mut passes = Passes::default();
    let pass = passes.give(accounts.named("ada").unwrap(), NOW).unwrap();
    assert_eq!(pass.reveal().len(), 52);
    assert!(holds(&passes, &pass, &accounts, NOW.plus(IDLE).minus(TICK)));
    assert!(!holds(&passes, &pass, &accounts, NOW.plus(IDLE)));
    let mut now = NOW;
    while now.since(NOW) < LONGEST.minus(Span::from_hours(1)) {
        now = now.plus(Span::from_hours(1));
        assert!(passes.see(pass.reveal(), &accounts, now).is_some(), "used each hour");
    }
    assert!(holds(&passes, &pass, &accounts, NOW.plus(LONGEST).minus(TICK)));
    assert!(!holds(&passes, &pass, &accounts, NOW.plus(LONGEST)));
}

#[test]
fn looking_alone_does_not_keep_a_pass() {
    let (_folder, accounts) = ada();
    let mut passes = Passes::default();
    let pass = passes.give(accounts.named("ada").unwrap(), NOW).unwrap();
    assert!(holds(&passes, &pass, &accounts, NOW.plus(IDLE).minus(TICK)));
    assert!(passes.see(pass.reveal(), &accounts, NOW.plus(IDLE)).is_none());
}

#[test]
fn a_pass_ends_with_its_account_its_password_and_by_itself() {
    let (folder, mut accounts) = ada();
    let mut passes = Passes::default();
    let later = NOW.plus(TICK);
    let one = passes.give(accounts.named("ada").unwrap(), NOW).unwrap();
    let other = passes.give(accounts.named("ada").unwrap(), NOW).unwrap();
    passes.end(one.reveal());
    assert!(!holds(&passes, &one, &accounts, NOW) && holds(&passes, &other, &accounts, NOW));
    let mut command = Accounts::open(folder.path()).unwrap();
    command.set_password("ada", PasswordHash::of_nobody(), later).unwrap();
    assert!(holds(&passes, &other, &accounts, later), "the server has not looked yet");
    assert!(accounts.refresh().unwrap());
    assert!(!holds(&passes, &other, &accounts, later));
    let third = passes.give(accounts.named("ada").unwrap(), later).unwrap();
    command.remove("ada").unwrap();
    command.add(new("ada", AccountRole::Admin, None), later.plus(TICK)).unwrap();
    accounts.refresh().unwrap();
    assert!(!holds(&passes, &third, &accounts, later), "another one of the same name");
    for nobody in ["", "ada", &"0".repeat(52)] {
        assert!(passes.whose(nobody, &accounts, NOW).is_none());
    }
}

#[test]
fn one_account_has_so_many_passes_and_then_the_oldest_ends() {
    let (_folder, mut accounts) = ada();
    accounts.add(new("bo", AccountRole::Viewer, None), NOW).unwrap();
    let mut passes = Passes::default();
    let bo = passes.give(accounts.named("bo").unwrap(), NOW).unwrap();
    let at = |place: usize| NOW.plus(Span::from_secs(place as u32));
    let mut given = Vec::new();
    for place in 0..MOST_OF_ONE {
        given.push(passes.give(accounts.named("ada").unwrap(), at(place)).unwrap());
    }
    assert!(holds(&passes, &given[0], &accounts, at(20)), "all of them hold");
    passes.see(given[0].reveal(), &accounts, at(30)).unwrap();
    passes.give(accounts.named("ada").unwrap(), at(31)).unwrap();
    assert!(holds(&passes, &given[0], &accounts, at(31)), "the first was seen since");
    assert!(!holds(&passes, &given[1], &accounts, at(31)));
    assert!(holds(&passes, &given[2], &accounts, at(31)));
    assert!(passes.whose(bo.reveal(), &accounts, at(31)).is_some(), "others keep theirs");
}
