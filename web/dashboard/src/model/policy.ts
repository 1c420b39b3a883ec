// The text of a policy, of which single lines are read and changed, so that all that it says besides stays, comments too. No
// network, no page.

import type { components } from '../api/types.ts'
import { m } from '../paraglide/messages.js'
import { count, span, type Locale } from './format.ts'
import { readSpan } from './span.ts'

export type Rules = components['schemas']['PolicyRules']

/** Timeouts that stand before all tables. */
export type Top = 'timeout' | 'background_timeout'

/** What of a policy has fields of its own; a timeout that is not said is left out. Spans as they are written there. */
export interface Fields {
  timeout?: string
  background_timeout?: string
  platforms: { name: string; timeout: string }[]
}

/** A line that says a text under a key: the key, the text, and a comment behind it. */
const SAYS = /^\s*([A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')\s*=\s*(?:"([^"\\]*)"|'([^']*)')\s*(#.*)?$/
const EMPTY = /^\s*(#.*)?$/
const HEAD = /^\s*\[/
const PLATFORMS = /^\s*\[\s*platforms\s*\]\s*(#.*)?$/

function keyIn(text: string): string | undefined {
  if (text.startsWith("'")) return text.slice(1, -1)
  if (!text.startsWith('"')) return text
  try {
    return JSON.parse(text) as string
  } catch {
    return undefined
  }
}

const keyOf = (name: string): string => (/^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name))

/** Where the table of platforms lies: its head, and the line behind its last. */
function platformsIn(lines: string[]): { head: number; end: number } | undefined {
  const head = lines.findIndex((line) => PLATFORMS.test(line))
  if (head < 0) return undefined
  const next = lines.findIndex((line, place) => head < place && HEAD.test(line))
  return { head, end: next < 0 ? lines.length : next }
}

const topOf = (lines: string[]): number => {
  const table = lines.findIndex((line) => HEAD.test(line))
  return table < 0 ? lines.length : table
}

/** Reads the fields; nothing where the text says them in another form than one line for each, or cannot be told for certain. */
export function fieldsOf(text: string): Fields | undefined {
  if (/"""|'''/.test(text)) return undefined
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''))
  const fields: Fields = { platforms: [] }
  for (const line of lines.slice(0, topOf(lines))) {
    const said = SAYS.exec(line)
    const key = said ? keyIn(said[1]!) : undefined
    if (key === 'timeout' || key === 'background_timeout') {
      if (fields[key] !== undefined || said![1] !== key) return undefined
      fields[key] = said![2] ?? said![3]!
    } else if (/^\s*["']?(timeout|background_timeout|platforms)\b/.test(line)) return undefined
  }
  if (lines.some((line) => HEAD.test(line) && /platforms/.test(line.replace(/#.*/, '')) && !PLATFORMS.test(line))) return undefined
  const table = platformsIn(lines)
  for (const line of table ? lines.slice(table.head + 1, table.end) : []) {
    if (EMPTY.test(line)) continue
    const said = SAYS.exec(line)
    const name = said ? keyIn(said[1]!) : undefined
    if (name === undefined) return undefined
    fields.platforms.push({ name, timeout: said![2] ?? said![3]! })
  }
  return fields
}

/** Returns the text with another timeout in a line before all tables, or without that line. */
export function withTop(text: string, key: Top, timeout: string | undefined): string {
  const lines = text.split('\n')
  const top = topOf(lines)
  const at = lines.findIndex((line, place) => place < top && new RegExp(`^\\s*${key}\\s*=`).test(line))
  if (timeout === undefined) return at < 0 ? text : lines.toSpliced(at, 1).join('\n')
  const said = `${key} = "${timeout}"`
  if (at < 0) {
    // Behind the timeout, else before everything.
    const after = key === 'timeout' ? 0 : lines.findIndex((line, place) => place < top && /^\s*timeout\s*=/.test(line)) + 1
    return lines.toSpliced(after, 0, said).join('\n')
  }
  const comment = /["'][^"']*["']\s*(#.*)?$/.exec(lines[at]!)?.[1]
  return lines.with(at, comment === undefined ? said : `${said} ${comment}`).join('\n')
}

/** Returns the text with another timeout for everybody. */
export const withTimeout = (text: string, timeout: string): string => withTop(text, 'timeout', timeout)

/** Returns the text with a timeout for a platform, or without one. It asks for a text of which there are fields. */
export function withPlatform(text: string, platform: string, timeout: string | undefined): string {
  const lines = text.split('\n')
  const table = platformsIn(lines)
  if (!table) {
    if (timeout === undefined) return text
    const before = text === '' || text.endsWith('\n') ? text : `${text}\n`
    return `${before}[platforms]\n${keyOf(platform)} = "${timeout}"\n`
  }
  const isOf = (line: string) => {
    const said = SAYS.exec(line)
    return said !== null && keyIn(said[1]!) === platform
  }
  const at = lines.findIndex((line, place) => table.head < place && place < table.end && isOf(line))
  if (timeout === undefined) return at < 0 ? text : lines.toSpliced(at, 1).join('\n')
  const said = `${keyOf(platform)} = "${timeout}"`
  if (0 <= at) {
    const comment = SAYS.exec(lines[at]!)![4]
    return lines.with(at, comment === undefined ? said : `${said} ${comment}`).join('\n')
  }
  const last = lines.findLastIndex((line, place) => table.head <= place && place < table.end && !EMPTY.test(line))
  return lines.toSpliced(last + 1, 0, said).join('\n')
}

/** Whom a policy gives a timeout of their own, in words: those are not counted by the one of the app. */
export function besides(locale: Locale, { platforms, users }: Rules): string[] {
  const length = (text: string) => {
    const seconds = readSpan(text)
    return seconds === undefined ? text : span(locale, seconds)
  }
  const people = Object.keys(users ?? {}).length
  return [
    ...Object.entries(platforms ?? {}).map(([platform, timeout]) => `${platform} ${length(timeout)}`),
    ...(people === 0 ? [] : [m.rules_users({ count: count(locale, people) }, { locale })]),
  ]
}
