import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { test } from 'node:test'

const MOST = 4096

for (const name of ['index.js', 'dwell.js']) {
  test(`${name} has at most ${MOST} bytes after gzip -9`, (context) => {
    const file = new URL(`../dist/${name}`, import.meta.url).pathname
    const size = execFileSync('gzip', ['-9', '-n', '-c', file]).length
    context.diagnostic(`${size} bytes`)
    assert.ok(size <= MOST, `${size} bytes`)
    const text = fs.readFileSync(file, 'utf8')
    assert.ok(!/\bimport\b|require\(|\beval\(|new Function/.test(text), 'no dependency, and nothing that a CSP forbids')
    assert.ok(!/["'`](before)?unload["'`]/.test(text), 'unload keeps a page out of the back-forward cache')
  })
}
