import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { PIECES, RATE, samples, wav } from '../src/music.ts'
import { words } from '../src/words.ts'

/** What there is to say, as paths: `state.idle`, `steps.0`. */
function paths(value: unknown, before = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${before} ${typeof value}`]
  return Object.entries(value).flatMap(([name, inner]) => paths(inner, `${before}.${name}`))
}

test('both languages say everything, and nothing twice alike', () => {
  assert.deepEqual(paths(words.ko), paths(words.en))
  const said = (locale: 'en' | 'ko') => JSON.stringify(words[locale])
  assert.ok(/[가-힣]/.test(said('ko')) && !/[가-힣]/.test(said('en')))
  assert.equal(words.en.span(200), '3 min 20 s')
  assert.equal(words.ko.span(60), '1분')
})

test('a piece is as long as it says, can be heard, and is never too loud', () => {
  for (const piece of PIECES) {
    const heard = samples(piece)
    assert.equal(heard.length, piece.seconds * RATE)
    const loudest = heard.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    assert.ok(0.2 < loudest && loudest < 1, `the loudest is ${loudest}`)
    const bytes = wav(heard)
    const view = new DataView(bytes.buffer)
    assert.equal(new TextDecoder().decode(bytes.subarray(0, 4)), 'RIFF')
    assert.equal(view.getUint32(28, true) * piece.seconds, view.getUint32(40, true))
    assert.equal(bytes.length, 44 + view.getUint32(40, true))
  }
})

test('the page has no script or style within itself, and asks no other machine', () => {
  const page = fs.readFileSync(new URL('../src/index.html', import.meta.url), 'utf8')
  assert.doesNotMatch(page, /<style|style=|<script>|onclick|https?:/)
  for (const file of ['demo.js', 'demo.css', 'dwell.js']) {
    const text = fs.readFileSync(new URL(`../dist/${file}`, import.meta.url), 'utf8')
    const others = (text.match(/https?:\/\/[^"'`\s)]+/g) ?? []).filter((address) => !address.startsWith('http://www.w3.org/'))
    assert.deepEqual(others, [], file)
  }
})
