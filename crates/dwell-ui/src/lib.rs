//! The pages of Dwell as bytes: which files there are, of what type, and how long a browser may keep them.
//!
//! There are two sets of [`Pages`]: the dashboard, and the page of `dwell demo`. `web/dashboard` and `web/demo` are built by
//! `cargo xtask dashboard` and `cargo xtask demo`, and what is then in their folders `dist` becomes part of this crate.
//! Where nothing was built, [`Pages::find`] has one plain page, which says how to.
//!
//! What this crate never does: run Node, read a file while the server runs, or know HTTP.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt::Write;

use rust_embed::RustEmbed;

/// What a page of the dashboard may load and do: its own files only, and no script or style within the page itself.
const DASHBOARD_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

/// The same for the page of the demo, which also plays what it has made itself.
const DEMO_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// The pages where nothing was built.
const NO_DASHBOARD: &str = include_str!("not_built.html");
const NO_DEMO: &str = include_str!("demo_not_built.html");

/// The folder of files whose names say what is in them.
const HASHED: &str = "assets/";

#[derive(RustEmbed)]
#[folder = "../../web/dashboard/dist/"]
#[allow_missing = true]
struct Dashboard;

#[derive(RustEmbed)]
#[folder = "../../web/demo/dist/"]
#[allow_missing = true]
struct Demo;

/// Files that belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pages {
    /// What people see who run an app.
    Dashboard,
    /// What people see who try Dwell: an app to use, and what Dwell knows of them meanwhile.
    Demo,
}

/// One file, as it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// What is sent.
    pub bytes: Cow<'static, [u8]>,
    /// For `content-type`.
    pub content_type: &'static str,
    /// For `content-encoding`: how the bytes are compressed, or nothing where they are not.
    pub encoding: Option<&'static str>,
    /// For `etag`, in its quotes: other bytes have another one.
    pub etag: String,
    /// For `cache-control`.
    pub cache_control: &'static str,
}

impl Pages {
    /// Says whether they were built into this program.
    #[must_use]
    pub fn are_built(self) -> bool {
        self.find_built("", "").is_some()
    }

    /// Returns what these pages may load and do, for `content-security-policy`.
    #[must_use]
    pub const fn policy(self) -> &'static str {
        match self {
            Pages::Dashboard => DASHBOARD_POLICY,
            Pages::Demo => DEMO_POLICY,
        }
    }

    /// Returns the file at a path without its first slash, compressed in the best way that `accept_encoding` (the header, or
    /// nothing) allows. The empty path is the first page.
    ///
    /// Where nothing was built, the empty path is a page that says so, and there are no others.
    #[must_use]
    pub fn find(self, path: &str, accept_encoding: &str) -> Option<File> {
        match self.find_built(path, accept_encoding) {
            None if path.is_empty() => Some(File {
                bytes: Cow::Borrowed(self.not_built().as_bytes()),
                content_type: "text/html; charset=utf-8",
                encoding: None,
                etag: "\"not-built\"".to_owned(),
                cache_control: "no-store",
            }),
            found => found,
        }
    }

    fn find_built(self, path: &str, accept_encoding: &str) -> Option<File> {
        match self {
            Pages::Dashboard => find_in::<Dashboard>(path, accept_encoding),
            Pages::Demo => find_in::<Demo>(path, accept_encoding),
        }
    }

    const fn not_built(self) -> &'static str {
        match self {
            Pages::Dashboard => NO_DASHBOARD,
            Pages::Demo => NO_DEMO,
        }
    }
}

fn find_in<F: RustEmbed>(path: &str, accept_encoding: &str) -> Option<File> {
    let path = if path.is_empty() { "index.html" } else { path };
    let content_type = type_of(path)?;
    let plain = F::get(path)?;
    let compressed = [("br", ".br"), ("gzip", ".gz")].into_iter().find_map(|(encoding, end)| {
        let wanted = accepts(accept_encoding, encoding);
        wanted.then(|| F::get(&format!("{path}{end}"))).flatten().map(|file| (file, Some(encoding)))
    });
    let (file, encoding) = compressed.unwrap_or((plain, None));
    // Its own hash, and so each compression has its own tag.
    let mut etag = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        // Text can always be written to memory.
        let written = write!(etag, "{byte:02x}");
        debug_assert!(written.is_ok(), "an etag cannot be written");
    }
    etag.push('"');
    let cache_control = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    Some(File { bytes: file.data, content_type, encoding, etag, cache_control })
}

/// Returns the type of a file by the end of its name. A file of an end that is not here is not sent.
fn type_of(path: &str) -> Option<&'static str> {
    let (_, end) = path.rsplit_once('.')?;
    Some(match end {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

/// Says whether a header `accept-encoding` allows one: it is named and not refused by a weight of zero.
fn accepts(header: &str, encoding: &str) -> bool {
    header.split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a dashboard is built, in small.
    #[derive(RustEmbed)]
    #[folder = "tests/built/"]
    struct Built;

    fn built(path: &str, accept_encoding: &str) -> Option<File> {
        find_in::<Built>(path, accept_encoding)
    }

    #[test]
    fn the_empty_path_is_the_dashboard_which_is_asked_for_each_time() {
        let page = built("", "").unwrap();
        assert_eq!(page, built("index.html", "").unwrap());
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert_eq!(page.cache_control, "no-cache");
        assert_eq!((page.encoding, page.bytes.starts_with(b"<!doctype html>")), (None, true));
    }

    #[test]
    fn files_whose_names_say_what_is_in_them_are_kept_for_good() {
        let script = built("assets/main-1a2b3c.js", "").unwrap();
        assert_eq!(script.content_type, "text/javascript; charset=utf-8");
        assert_eq!(script.cache_control, "public, max-age=31536000, immutable");
    }

    #[test]
    fn the_best_compression_that_a_browser_takes_is_sent() {
        let sent = |accept: &str| built("assets/main-1a2b3c.js", accept).unwrap().encoding;
        assert_eq!(sent("gzip, deflate, br, zstd"), Some("br"));
        assert_eq!(sent("GZIP;q=0.5"), Some("gzip"));
        assert_eq!(sent("br;q=0, gzip;q=0.0, deflate"), None);
        assert_eq!(sent("brotli"), None);
        let of = |accept: &str| built("assets/main-1a2b3c.js", accept).unwrap();
        assert_ne!(of("br").bytes, of("").bytes);
    }

    #[test]
    fn other_bytes_have_another_tag() {
        let tags = ["", "gzip", "br"].map(|accept| built("assets/main-1a2b3c.js", accept).unwrap().etag);
        assert!(tags.iter().all(|tag| tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"')), "{tags:?}");
        assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
        assert_eq!(tags[1], built("assets/main-1a2b3c.js", "gzip").unwrap().etag);
    }

    #[test]
    fn a_file_that_is_not_there_or_is_no_file_of_a_page_is_not_found() {
        for path in ["nothing.html", "assets", "assets/", "assets/main-1a2b3c.js.br", "../Cargo.toml", ".keep"] {
            assert_eq!(built(path, "br"), None, "{path}");
        }
    }

    #[test]
    fn where_nothing_was_built_there_is_a_page_that_says_how_to() {
        for pages in [Pages::Dashboard, Pages::Demo] {
            let page = pages.find("", "").unwrap();
            if pages.are_built() {
                assert!(!page.bytes.windows(9).any(|part| part == b"not built"));
            } else {
                assert_eq!((page.bytes.as_ref(), page.cache_control), (pages.not_built().as_bytes(), "no-store"));
                assert_eq!(pages.find("assets/main.js", ""), None);
            }
        }
        for word in ["cargo xtask dashboard", "cargo build --release"] {
            assert!(NO_DASHBOARD.contains(word), "{word}");
        }
        assert!(NO_DEMO.contains("cargo xtask demo"));
    }

    #[test]
    fn no_page_needs_a_script_or_style_of_its_own() {
        for pages in [Pages::Dashboard, Pages::Demo] {
            for page in [pages.not_built().as_bytes(), pages.find("", "").unwrap().bytes.as_ref()] {
                let page = String::from_utf8_lossy(page);
                for word in ["<style", " style=", "<script>", " onclick"] {
                    assert!(!page.contains(word), "a page of {pages:?} holds {word}");
                }
            }
        }
    }
}
