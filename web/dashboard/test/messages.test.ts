// Both languages say the same things, with the same gaps to fill.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'

const read = (locale: string) =>
  JSON.parse(fs.readFileSync(new URL(`../messages/${locale}.json`, import.meta.url), 'utf8')) as Record<string, string>
const [en, ko] = [read('en'), read('ko')]
const gaps = (text: string) => [...new Set(text.match(/\{\w+\}/g))].filter((gap) => !gap.endsWith('_particle}')).sort()
const sources = () => {
  const folder = new URL('../src/', import.meta.url).pathname
  return (fs.readdirSync(folder, { recursive: true }) as string[])
    .filter((name) => /\.(svelte|ts)$/.test(name) && !name.startsWith('paraglide'))
    .map((name) => fs.readFileSync(folder + name, 'utf8')).join('\n')
}

test('every message is there in both languages, in the same order', () => {
  assert.deepEqual(Object.keys(ko), Object.keys(en))
})

test('a message has the same gaps in both', () => {
  for (const key of Object.keys(en)) assert.deepEqual(gaps(ko[key]!), gaps(en[key]!), key)
})

test('nothing is empty, and what is Korean is not English', () => {
  for (const key of Object.keys(en)) {
    assert.ok(en[key]!.trim() && ko[key]!.trim(), key)
    assert.match(ko[key]!, /[가-힣]/, key)
    assert.doesNotMatch(en[key]!, /[가-힣]/, key)
  }
})

test('every message is said somewhere', () => {
  const code = sources()
  const unused = Object.keys(en).filter((key) => !new RegExp(`\\bm\\.${key}\\b`).test(code))
  assert.deepEqual(unused, [])
})

test('no Korean particle hangs on what may be any word: whether it fits, its last letter decides', () => {
  // Numbers with their units, shares and spans end in words that are known; names, ids and what servers say do not.
  const any = ['user', 'asked', 'app', 'name', 'platform', 'who', 'why', 'zone', 'parts', 'days', 'role', 'metric']
  const hangs = new RegExp(`\\{(${any.join('|')})\\}[”’]?(은|는|이|가|을|를|와|과|로|으로)(?![가-힣])`)
  assert.deepEqual(Object.keys(ko).filter((key) => hangs.test(ko[key]!)), [])
})
