// The text of a policy, of which one line is changed. No network, no page.

/** Returns the text with another timeout for everybody; all that it says besides stays, comments too. */
export function withTimeout(text: string, timeout: string): string {
  const lines = text.split('\n')
  const table = lines.findIndex((line) => /^\s*\[/.test(line))
  const top = table < 0 ? lines.length : table
  const at = lines.findIndex((line, place) => place < top && /^\s*timeout\s*=/.test(line))
  const said = `timeout = "${timeout}"`
  if (at < 0) return `${said}\n${text}`
  const comment = /"[^"]*"\s*(#.*)?$/.exec(lines[at]!)?.[1]
  return [...lines.slice(0, at), comment === undefined ? said : `${said} ${comment}`, ...lines.slice(at + 1)].join('\n')
}
