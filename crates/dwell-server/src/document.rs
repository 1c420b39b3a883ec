//! What can be asked, for machines (`/openapi.json`) and for people (`/docs`). The page is made from the document.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use serde_json::Value;

/// The document as it lies in the repository, where people write it.
const OPENAPI: &str = include_str!("openapi.json");

/// The page is always the same: it is made once.
static PAGE: LazyLock<String> = LazyLock::new(|| page(OPENAPI));

/// Plain, readable, light or dark as the reader likes it.
const STYLE: &str = "
:root { color-scheme: light dark; --line: light-dark(#d8d8d8, #3a3a3a); --soft: light-dark(#f4f4f2, #1f1f1f); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
  background: light-dark(#fff, #161616); color: light-dark(#1b1b1b, #e4e4e4); }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); } h3 { margin: 2rem 0 .25rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; } pre { background: var(--soft); padding: .75rem; overflow-x: auto; }
table { border-collapse: collapse; } td { padding: .15rem 1rem .15rem 0; vertical-align: top; } nav li { list-style: none; }
a { color: inherit; }
";

/// Gives the document.
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

/// Gives the page. It asks for nothing from elsewhere and runs nothing.
pub(crate) async fn docs() -> impl IntoResponse {
    let kept_in = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, kept_in)];
    (headers, PAGE.as_str())
}

/// Makes the page of a document.
fn page(document: &str) -> String {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let title = escaped(text(&document, "/info/title"));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n{}",
        paragraphs(text(&document, "/info/description"))
    );
    let mut body = String::new();
    let written = contents(&mut out, &document).and_then(|()| sections(&mut body, &document));
    // Text can always be written to memory.
    assert!(written.is_ok(), "a page cannot be written");
    out + &body
}

fn contents(out: &mut String, document: &Value) -> std::fmt::Result {
    out.push_str("<nav><ul>\n");
    for tag in list(document, "/tags") {
        for (path, method, operation) in operations_of(document, tag) {
            let (name, summary) = (text(operation, "/operationId"), coded(text(operation, "/summary")));
            writeln!(out, "<li><a href=\"#{name}\"><code>{method} {}</code></a> {summary}</li>", escaped(path))?;
        }
    }
    out.push_str("</ul></nav>\n");
    Ok(())
}

fn sections(out: &mut String, document: &Value) -> std::fmt::Result {
    for tag in list(document, "/tags") {
        writeln!(out, "<h2>{}</h2>\n{}", escaped(text(tag, "/name")), paragraphs(text(tag, "/description")))?;
        for operation in operations_of(document, tag) {
            section(out, document, operation)?;
        }
    }
    Ok(())
}

fn section(out: &mut String, document: &Value, (path, method, operation): (&str, &str, &Value)) -> std::fmt::Result {
    let says = |one| text(meant(document, one), "/description");
    writeln!(out, "<h3 id=\"{}\"><code>{method} {}</code></h3>", text(operation, "/operationId"), escaped(path))?;
    out.push_str(&paragraphs(text(operation, "/summary")));
    out.push_str(&paragraphs(text(operation, "/description")));
    rows(out, list(operation, "/parameters").iter().map(|one| (text(meant(document, one), "/name"), says(one))))?;
    let answers = operation.get("responses").and_then(Value::as_object).into_iter().flatten();
    rows(out, answers.map(|(status, one)| (status.as_str(), says(one))))?;
    for sample in list(operation, "/x-codeSamples") {
        writeln!(out, "<pre>{}</pre>", escaped(text(sample, "/source")))?;
    }
    Ok(())
}

fn rows<'a>(out: &mut String, rows: impl Iterator<Item = (&'a str, &'a str)>) -> std::fmt::Result {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    out.push_str("<table>\n");
    for (name, says) in rows {
        writeln!(out, "<tr><td><code>{}</code></td><td>{}</td></tr>", escaped(name), coded(says))?;
    }
    out.push_str("</table>\n");
    Ok(())
}

/// All that can be asked: path, method, and what is said of it.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &'static str, &Value)> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = [("get", "GET"), ("put", "PUT"), ("post", "POST"), ("delete", "DELETE")].into_iter();
        methods.filter_map(move |(key, method)| item.get(key).map(|operation| (path.as_str(), method, operation)))
    })
}

/// Those of one tag.
fn operations_of<'a>(document: &'a Value, tag: &Value) -> impl Iterator<Item = (&'a str, &'static str, &'a Value)> {
    let name = text(tag, "/name").to_owned();
    operations(document).filter(move |(_, _, operation)| text(operation, "/tags/0") == name)
}

/// Follows a reference to where the thing is written.
fn meant<'a>(document: &'a Value, one: &'a Value) -> &'a Value {
    let place = one.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    place.and_then(|place| document.pointer(place)).unwrap_or(one)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn paragraphs(text: &str) -> String {
    text.split("\n\n").filter(|part| !part.is_empty()).map(|part| format!("<p>{}</p>\n", coded(part))).collect()
}

/// Makes code of what stands between backticks.
fn coded(text: &str) -> String {
    let parts = escaped(text);
    let parts = parts.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dwell_dialect::endpoint::Endpoint;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(OPENAPI).unwrap()
    }

    #[test]
    fn every_route_is_in_the_document_and_nothing_else_is() {
        let read = crate::routes().map(|(path, _)| path);
        let others: Vec<_> = {
            let (policy, login, keys) = (crate::policy::routes(), crate::login::routes(), crate::keys::routes());
            policy.into_iter().chain(login).chain(keys).chain(crate::erase::routes()).collect()
        };
        let routes: BTreeSet<(&str, &str)> = read
            .iter()
            .map(|path| (*path, "GET"))
            .chain(others.iter().flat_map(|(path, _, methods)| methods.iter().map(|method| (*path, *method))))
            .chain(crate::ingest::NAMED_PATHS.iter().map(|path| (*path, "POST")))
            .collect();
        let document = document();
        let written: BTreeSet<(&str, &str)> = operations(&document).map(|(path, method, _)| (path, method)).collect();
        assert_eq!(routes, written);
    }

    #[test]
    fn paths_for_events_that_are_named_take_events() {
        for path in crate::ingest::NAMED_PATHS {
            assert!(Endpoint::from_path(path).is_some(), "{path}");
        }
    }

    #[test]
    fn everything_that_can_be_asked_is_described() {
        let document = document();
        let tags: Vec<&str> = list(&document, "/tags").iter().map(|tag| text(tag, "/name")).collect();
        let mut names = BTreeSet::new();
        for (path, method, operation) in operations(&document) {
            let what = format!("{method} {path}");
            assert!(names.insert(text(operation, "/operationId")), "{what}: its name is missing, or taken");
            assert!(tags.contains(&text(operation, "/tags/0")), "{what} has no tag");
            assert!(!text(operation, "/summary").is_empty(), "{what} has no summary");
            assert!(!list(operation, "/x-codeSamples").is_empty(), "{what} has no example");
            let answers = ["/responses/200", "/responses/202"];
            assert!(answers.iter().any(|answer| operation.pointer(answer).is_some()), "{what} has no answer");
            let written: Vec<&str> =
                list(operation, "/parameters").iter().map(|one| text(meant(&document, one), "/name")).collect();
            for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                assert!(written.contains(&name), "{what} does not describe {name}");
            }
        }
    }

    #[test]
    fn references_in_the_document_lead_somewhere() {
        let document = document();
        for reference in OPENAPI.split("\"$ref\": \"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }

    #[test]
    fn the_page_asks_for_nothing_and_runs_nothing() {
        let page = page(OPENAPI);
        for word in ["<script", " src=", "<link", "@import", "url(", "onclick"] {
            assert!(!page.contains(word), "the page holds {word}");
        }
        let document = document();
        for (path, method, _) in operations(&document) {
            assert!(page.contains(&format!("<code>{method} {}</code>", escaped(path))), "{method} {path}");
        }
    }

    #[test]
    fn what_is_written_in_a_document_is_shown_and_never_done() {
        let page = page(r#"{"info": {"title": "<b>&\"", "description": "one `x`\n\n<script>two"}}"#);
        let shown = "<h1>&lt;b&gt;&amp;&quot;</h1>\n<p>one <code>x</code></p>\n<p>&lt;script&gt;two</p>";
        assert!(page.contains(shown), "{page}");
    }
}
