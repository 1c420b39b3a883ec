//! What is written becomes what is meant, or is refused with its place.

use std::ffi::OsString;
use std::path::Path;

use expect_test::expect;

use super::raw::{Origin, RawConfig, variable};
use super::*;

fn from_file(text: &str) -> anyhow::Result<RawConfig> {
    let mut raw = RawConfig::defaults()?;
    raw.lay_file(Path::new("my.toml"), text)?;
    Ok(raw)
}

fn meant(text: &str) -> anyhow::Result<Config> {
    Config::meant(&from_file(text)?)
}

fn refused(text: &str) -> String {
    format!("{:#}", meant(text).unwrap_err())
}

fn environment(pairs: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)))
}

#[test]
fn the_manual_is_what_holds_when_nothing_is_written() {
    let config = serde_json::to_string_pretty(&meant("").unwrap()).unwrap();
    expect![[r#"
        {
          "server": {
            "listen": "127.0.0.1:8080",
            "data": "dwell-data",
            "tls": null,
            "connections": 10000,
            "first_byte_timeout_us": 10000000,
            "header_timeout_us": 10000000,
            "body_timeout_us": 10000000,
            "idle_timeout_us": 75000000,
            "stop_timeout_us": 30000000,
            "workers": null
          },
          "ingest": {
            "event_bytes": 32768,
            "batch_bytes": 512000,
            "batch_events": 5000,
            "depth": 64,
            "remembered": 500000
          },
          "log": {
            "segment_bytes": 67108864,
            "queue_bytes": 67108864,
            "group_bytes": 8388608,
            "check": "ends",
            "on_damage": "refuse",
            "retention_us": 604800000000,
            "archive": "awaited",
            "archive_folder": null,
            "archive_every_us": 3600000000
          },
          "sessions": {
            "policy": null
          },
          "books": {
            "cache_bytes": 268435456,
            "buffer_bytes": 67108864
          },
          "feed": {
            "keep_us": 2592000000000
          },
          "telemetry": {
            "format": "text",
            "level": "info"
          },
          "otlp": {
            "endpoint": null,
            "one_in": 100
          },
          "webhooks": {
            "allow_http": "no",
            "allow_private": "",
            "connect_timeout_us": 5000000,
            "timeout_us": 15000000,
            "concurrency": 32,
            "dead_letters": 1000
          }
        }"#]]
    .assert_eq(&config);
}

#[test]
fn the_manual_written_out_as_a_file_changes_nothing() {
    let (without, with) = (meant("").unwrap(), meant(DEFAULTS).unwrap());
    assert_eq!(serde_json::to_value(without).unwrap(), serde_json::to_value(with).unwrap());
}

#[test]
fn every_key_of_the_manual_is_explained_and_can_be_set_in_three_ways() {
    let raw = RawConfig::defaults().unwrap();
    for setting in raw.settings() {
        let name = setting.key.rsplit('.').next().unwrap();
        let place = DEFAULTS.find(&format!("\n{name} = ")).unwrap();
        let block = DEFAULTS[..place].rsplit("\n[").next().unwrap();
        assert!(block.lines().any(|line| line.starts_with("# ")), "{} is not explained", setting.key);
        let mut raw = RawConfig::defaults().unwrap();
        raw.lay_environment(environment(&[(&variable(&setting.key), "seven")])).unwrap();
        assert_eq!(raw.setting(&setting.key).unwrap().value, "seven");
        raw.lay_flag(&setting.key, "eight", "--set").unwrap();
        assert_eq!(raw.setting(&setting.key).unwrap().value, "eight");
    }
}

#[test]
fn flags_go_over_the_environment_and_that_over_the_file() {
    let mut raw = from_file("[server]\nlisten = \"127.0.0.1:1\"\ndata = \"file\"\nworkers = 1\n").unwrap();
    let shell = [("DWELL_SERVER_DATA", "variable"), ("DWELL_SERVER_WORKERS", "2"), ("DWELL_CASES", "9"), ("HOME", "/")];
    raw.lay_environment(environment(&shell)).unwrap();
    raw.lay_flag("server.workers", "3", "--set").unwrap();
    let origin = |key| raw.setting(key).unwrap().origin.to_string();
    let origins = ["server.listen", "server.data", "server.workers", "server.connections"].map(origin);
    assert_eq!(origins, ["my.toml:2", "DWELL_SERVER_DATA", "--set", "default"]);
    let config = Config::meant(&raw).unwrap();
    assert_eq!((config.server.listen.port(), config.server.workers), (1, Some(3)));
    assert_eq!(config.server.data, Path::new("variable"));
}

#[test]
fn an_unknown_key_is_an_error_with_its_line_and_what_was_meant() {
    let table = [
        (
            "[server]\nlisten = \"127.0.0.1:1\"\nconections = 1\n",
            "my.toml:3: there is no key `server.conections`; did you mean `server.connections`?",
        ),
        ("listen = \"127.0.0.1:1\"\n", "my.toml:1: there is no key `listen`; did you mean `server.listen`?"),
        (
            "\n[books]\nretention = \"1d\"\n",
            "my.toml:3: there is no key `books.retention`; did you mean `log.retention`?",
        ),
        ("[sever]\nlisten = \"x\"\n", "my.toml:2: there is no key `sever.listen`; did you mean `server.listen`?"),
        ("colour = \"red\"\n", "my.toml:1: there is no key `colour`; `dwell config default` shows all keys"),
        ("[server.tls]\nkey = \"a\"\n", "my.toml:2: there is no key `server.tls.key`; did you mean `server.tls_key`?"),
    ];
    for (text, says) in table {
        assert_eq!(refused(text), says);
    }
    let mut raw = RawConfig::defaults().unwrap();
    let said = raw.lay_environment(environment(&[("DWELL_SERVER_LISTENS", "x")])).unwrap_err().to_string();
    assert_eq!(said, "the variable DWELL_SERVER_LISTENS sets no key; did you mean `DWELL_SERVER_LISTEN`?");
    let said = raw.lay_flag("server.worker", "1", "--set").unwrap_err().to_string();
    assert_eq!(said, "--set: there is no key `server.worker`; did you mean `server.workers`?");
}

#[test]
fn a_value_that_cannot_be_is_refused_with_its_line_and_the_bounds() {
    let table = [
        ("[server]\nlisten = \"here\"\n", "my.toml:2: server.listen: \"here\" is no address and port like"),
        ("[server]\nlisten = 8080\n", "my.toml:2: server.listen must be a text in quotes, not a whole number"),
        ("[server]\nworkers = \"4\"\n", "my.toml:2: server.workers must be a whole number without quotes, not a text"),
        ("[server]\nworkers = 4.5\n", "must be a whole number without quotes, not a number with a point"),
        ("[server]\nworkers = -1\n", "my.toml:2: server.workers: \"-1\" is no whole number"),
        ("[server]\nworkers = [1]\n", "not a list"),
        ("[server]\nconnections = 0\n", "server.connections: 0 is out of bounds: from 1 to 1000000"),
        ("[server]\nbody_timeout = \"10\"\n", "server.body_timeout: `10` is no span: write a number and its unit"),
        ("[server]\nbody_timeout = \"999ms\"\n", "\"999ms\" is out of bounds: from 1 s to 1 h"),
        ("[server]\nbody_timeout = \"61m\"\n", "\"61m\" is out of bounds: from 1 s to 1 h"),
        ("[server]\ndata = \"\"\n", "server.data is empty"),
        ("[server]\ntls_key = \"k.pem\"\n", "server.tls_key is given, and server.tls_certificate is not"),
        ("[server]\ntls_certificate = \"c.pem\"\n", "server.tls_certificate is given, and server.tls_key is not"),
        ("[ingest]\nevent_bytes = \"much\"\n", "my.toml:2: ingest.event_bytes: `much` is no size"),
        ("[ingest]\nevent_bytes = \"1023\"\n", "1023B is out of bounds: from 1KiB to 16MiB"),
        (
            "[ingest]\nevent_bytes = \"1MiB\"\n",
            "ingest.event_bytes (1MiB, my.toml:2) is larger than ingest.batch_bytes (500KiB, default)",
        ),
        ("[feed]\nkeep = \"59m\"\n", "my.toml:2: feed.keep: \"59m\" is out of bounds: from 1 h to"),
        ("[feed]\nkeep = 30\n", "my.toml:2: feed.keep must be a text in quotes, not a whole number"),
        ("[log]\ncheck = \"none\"\n", "my.toml:2: log.check: \"none\" is none of ends, all"),
        ("[webhooks]\nallow_http = \"maybe\"\n", "my.toml:2: webhooks.allow_http: \"maybe\" is none of yes, no"),
        ("[webhooks]\nallow_private = \"here\"\n", "webhooks.allow_private: \"here\" is no network like 10.0.0.0/8"),
        (
            "[otlp]\nendpoint = \"https://127.0.0.1:4318\"\n",
            "my.toml:2: otlp.endpoint: \"https://127.0.0.1:4318\" is no address of a collector like http://127.0.0.1:4318",
        ),
        ("[telemetry]\nlevel = \"loud\"\n", "my.toml:2: telemetry.level: \"loud\" is none of error, warn, info, debug"),
        ("[server]\nlisten = \"a\"\nlisten = \"b\"\n", "my.toml is not TOML: TOML parse error at line 3"),
        ("[server\n", "my.toml is not TOML: TOML parse error at line 1"),
        ("server = 1\n", "my.toml:1: there is no key `server`"),
    ];
    for (text, says) in table {
        let said = refused(text);
        assert!(said.contains(says), "{text:?} says {said:?}, not {says:?}");
    }
}

#[test]
fn bounds_belong_to_what_may_be() {
    for (text, key) in [
        ("[server]\nbody_timeout = \"1s\"\n", "server.body_timeout"),
        ("[server]\nbody_timeout = \"60m\"\n", "server.body_timeout"),
        ("[ingest]\nevent_bytes = \"1KiB\"\nbatch_bytes = \"1KiB\"\n", "ingest.batch_bytes"),
        ("[server]\nconnections = 1_000_000\n", "server.connections"),
        ("[log]\nretention = \"2 days\"\n", "log.retention"),
        ("[feed]\nkeep = \"1h\"\n", "feed.keep"),
        ("log.retention = \"3d\"\n", "log.retention"),
        ("[log]\n[server]\n", "log.retention"),
    ] {
        let raw = from_file(text).unwrap();
        Config::meant(&raw).unwrap();
        assert_eq!(raw.setting(key).unwrap().origin == Origin::Default, text == "[log]\n[server]\n", "{text}");
    }
}
