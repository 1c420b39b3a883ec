//! Who is let in: every role, and every way in which a key can be no key.

use std::path::Path;

use dwell_core::time::{Span, Timestamp};
use dwell_keys::access::{Access, Role, Scope, Scopes};
use dwell_keys::error::RegistryError;
use dwell_keys::key::{KeyText, Label};
use dwell_keys::registry::{NewApp, Purpose, Registry};

const NOW: Timestamp = Timestamp::from_micros(1_767_600_000_000_000);
const HOUR: Span = Span::from_hours(1);
const TICK: Span = Span::from_micros(1);

fn registry(folder: &Path) -> Registry {
    let mut registry = Registry::open(folder).unwrap();
    for name in ["Radio", "Films"] {
        registry.add_app(NewApp::parse(name, "Asia/Seoul").unwrap(), NOW).unwrap();
    }
    registry
}

fn read() -> Scopes {
    [Scope::Read].into_iter().collect()
}

const PURPOSES: fn() -> [Purpose<'static>; 3] =
    || [Purpose::Write("Radio"), Purpose::Secret("Radio", read()), Purpose::Admin];

fn role(purpose: Purpose<'_>) -> Role {
    match purpose {
        Purpose::Write(_) => Role::Write,
        Purpose::Secret(_, scopes) => Role::Secret(scopes),
        Purpose::Admin => Role::Admin,
    }
}

/// What is done to a key before it is shown, and when it is shown; whether it opens.
type Story = (&'static str, fn(&mut Registry, &Label), Timestamp, bool);

fn nothing(_: &mut Registry, _: &Label) {}

fn revoked(registry: &mut Registry, label: &Label) {
    registry.revoke(label, NOW.plus(HOUR)).unwrap();
}

fn rotated(registry: &mut Registry, label: &Label) {
    registry.rotate(label, NOW.plus(HOUR), NOW).unwrap();
}

fn rotated_and_revoked(registry: &mut Registry, label: &Label) {
    rotated(registry, label);
    registry.revoke(label, NOW).unwrap();
}

const STORIES: [Story; 9] = [
    ("new", nothing, NOW, true),
    ("just before it expires", nothing, NOW.plus(Span::from_hours(2)).minus(TICK), true),
    ("the moment it expires", nothing, NOW.plus(Span::from_hours(2)), false),
    ("revoked", revoked, NOW.plus(HOUR), false),
    ("revoked, on a clock that was put back", revoked, NOW, false),
    ("rotated, in its last hour", rotated, NOW.plus(HOUR).minus(TICK), true),
    ("rotated, its last hour over", rotated, NOW.plus(HOUR), false),
    ("rotated and revoked", rotated_and_revoked, NOW, false),
    ("long over", nothing, Timestamp::MAX, false),
];

#[test]
fn every_role_opens_while_its_key_holds_and_not_a_microsecond_longer() {
    for purpose in PURPOSES() {
        for (story, act, shown_at, opens) in STORIES {
            let folder = tempfile::tempdir().unwrap();
            let mut registry = registry(folder.path());
            let new = registry.add_key(purpose, Some(NOW.plus(Span::from_hours(2))), NOW).unwrap();
            act(&mut registry, &new.key.label);
            // What was written says the same as what is in memory.
            for registry in [&registry, &Registry::open(folder.path()).unwrap()] {
                let access = registry.who(new.text.reveal(), shown_at);
                assert_eq!(access.is_some(), opens, "{purpose:?}, {story}");
                let Some(access) = access else { continue };
                assert_eq!(access.role, role(purpose), "{story}");
                let app = access.app.map(|app| app.name.to_string());
                assert_eq!(app.as_deref(), (purpose != Purpose::Admin).then_some("Radio"), "{story}");
            }
        }
    }
}

#[test]
fn what_is_no_key_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = registry(folder.path());
    for purpose in PURPOSES() {
        let new = registry.add_key(purpose, None, NOW).unwrap();
        let key = new.text.reveal();
        let last = if key.ends_with('0') { '1' } else { '0' };
        let nearly: String = key.chars().take(key.len() - 1).chain([last]).collect();
        for wrong in [
            nearly,
            key.to_uppercase(),
            format!("{key}0"),
            format!(" {key}"),
            format!("{key}\n"),
            format!("{key}\0"),
            key[..key.len() - 1].to_owned(),
            format!("dw_x_{}", &key[5..]),
            key.replace("dw_s_", "dw_a_").replace("dw_w_", "dw_s_"),
            "ä".repeat(key.len() / 2),
        ] {
            if wrong != key {
                assert!(registry.who(&wrong, NOW).is_none(), "{wrong:?}");
            }
        }
        if purpose != Purpose::Write("Radio") {
            assert!(registry.who(new.key.label.as_str(), NOW).is_none(), "a label is no key");
        }
    }
    for garbage in ["", "d", "dw_", "dw_w_", "dw_s_", "dw_a_", "é", "dw_sé", "dw_s_é", &"x".repeat(1 << 20)] {
        assert!(registry.who(garbage, NOW).is_none(), "{garbage:?}");
    }
}

#[test]
fn a_key_may_do_what_its_role_says_and_nothing_in_another_app() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = registry(folder.path());
    let id = |registry: &Registry, name| registry.app(name).unwrap().id.clone();
    let (own, other) = (id(&registry, "radio"), id(&registry, "Films"));
    let secret = |scope: Scope| Purpose::Secret("Radio", [scope].into_iter().collect());
    let table = [
        (Purpose::Write("Radio"), [false, false, false], false),
        (secret(Scope::Read), [true, false, false], false),
        (secret(Scope::WritePolicy), [false, true, false], false),
        (secret(Scope::AdminApp), [true, true, true], false),
        (Purpose::Admin, [true, true, true], true),
    ];
    for (purpose, may, elsewhere) in table {
        let new = registry.add_key(purpose, None, NOW).unwrap();
        let access: Access = registry.who(new.text.reveal(), NOW).unwrap();
        assert_eq!(Scope::ALL.map(|scope| access.may(scope, &own)), may, "{purpose:?}");
        assert_eq!(Scope::ALL.map(|scope| access.may(scope, &other)), [elsewhere; 3], "{purpose:?}");
        let sends_to = access.sends_to().map(|app| app.id.clone());
        assert_eq!(sends_to, (purpose == Purpose::Write("Radio")).then(|| own.clone()), "{purpose:?}");
    }
}

#[test]
fn the_key_in_place_of_another_may_do_the_same_for_as_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = registry(folder.path());
    for purpose in PURPOSES() {
        let old = registry.add_key(purpose, Some(NOW.plus(Span::from_hours(24))), NOW).unwrap();
        let later = NOW.plus(HOUR);
        let new = registry.rotate(&old.key.label, later.plus(HOUR), later).unwrap();
        assert_eq!(new.key.expires_at, Some(later.plus(Span::from_hours(24))));
        let who = |key: &KeyText, at| registry.who(key.reveal(), at).map(|access| access.role);
        assert_eq!(who(&old.text, later), Some(role(purpose)));
        assert_eq!(who(&new.text, later), Some(role(purpose)));
        assert_eq!(who(&old.text, later.plus(HOUR)), None);
        assert_eq!(who(&new.text, later.plus(HOUR)), Some(role(purpose)));
        let again = registry.rotate(&old.key.label, later, later).unwrap_err();
        assert!(matches!(again, RegistryError::KeyIsReplaced { .. }), "{again}");
    }
}

#[test]
fn rotation_never_lengthens_a_life() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = registry(folder.path());
    let old = registry.add_key(Purpose::Write("Radio"), Some(NOW.plus(HOUR)), NOW).unwrap();
    registry.rotate(&old.key.label, NOW.plus(Span::from_hours(9)), NOW).unwrap();
    assert!(registry.who(old.text.reveal(), NOW.plus(HOUR)).is_none());
}

#[test]
fn the_first_start_makes_one_admin_key_and_no_later_start_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = registry(folder.path());
    let mut beside = Registry::open(folder.path()).unwrap();
    let admin = registry.first_start(NOW).unwrap().expect("there was none");
    assert!(registry.first_start(NOW).unwrap().is_none());
    assert!(beside.first_start(NOW).unwrap().is_none(), "another process that had not seen it");
    registry.revoke(&admin.key.label, NOW).unwrap();
    assert!(registry.first_start(NOW).unwrap().is_none(), "a restart must not hand out power");
    let second = registry.add_key(Purpose::Admin, None, NOW).unwrap();
    let third = registry.add_key(Purpose::Admin, None, NOW).unwrap_err();
    assert!(matches!(third, RegistryError::AdminThere { label } if label == second.key.label));
}

#[test]
fn no_secret_is_kept_or_shown_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = registry(folder.path());
    for purpose in [Purpose::Secret("Radio", read()), Purpose::Admin] {
        let new = registry.add_key(purpose, None, NOW).unwrap();
        let secret = &new.text.reveal()[13..];
        let file = std::fs::read_to_string(folder.path().join("apps.json")).unwrap();
        assert!(!file.contains(secret) && !format!("{new:?} {registry:?}").contains(secret));
    }
}

#[test]
fn what_cannot_be_changed_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = registry(folder.path());
    let said = |error: RegistryError| error.to_string();
    let twice = said(registry.add_app(NewApp::parse("RADIO", "UTC").unwrap(), NOW).unwrap_err());
    assert!(twice.starts_with("there is an app \"Radio\" already: app_"), "{twice}");
    let nobody = said(registry.add_key(Purpose::Write("Nobody"), None, NOW).unwrap_err());
    assert_eq!(nobody, "there is no app \"Nobody\"; `dwell apps list` shows all");
    let nothing = said(registry.add_key(Purpose::Secret("Radio", Scopes::default()), None, NOW).unwrap_err());
    assert!(nothing.contains("needs a scope"), "{nothing}");
    let unknown = Label::parse("dw_s_00000000").unwrap();
    assert!(said(registry.revoke(&unknown, NOW).unwrap_err()).contains("there is no key dw_s_00000000"));
    let key = registry.add_key(Purpose::Write("Films"), None, NOW).unwrap().key.label;
    registry.revoke(&key, NOW).unwrap();
    assert!(said(registry.revoke(&key, NOW).unwrap_err()).ends_with("is revoked already"));
    assert!(said(registry.rotate(&key, NOW, NOW).unwrap_err()).ends_with("is revoked already"));
}
