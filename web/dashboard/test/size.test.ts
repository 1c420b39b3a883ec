// How much a browser fetches before the first screen is there.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import zlib from 'node:zlib'

const DIST = new URL('../dist/', import.meta.url).pathname
const MOST = 200 * 1024

test('the first load is under 200 KB of gzip', () => {
  const page = fs.readFileSync(`${DIST}index.html`, 'utf8')
  const files = [...page.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, name]) => name!)
  assert.ok(files.some((name) => name.endsWith('.js')) && files.some((name) => name.endsWith('.css')), files.join())
  const bytes = ['index.html', ...files].reduce((sum, name) => sum + zlib.gzipSync(fs.readFileSync(DIST + name), { level: 9 }).length, 0)
  console.log(`first load: ${bytes} bytes of gzip`)
  assert.ok(bytes < MOST, `${bytes}`)
})

test('the page has no script or style within it, and files have names that say what is in them', () => {
  const page = fs.readFileSync(`${DIST}index.html`, 'utf8')
  assert.doesNotMatch(page, /<style|<script(?![^>]* src=)| style=| on\w+=/)
  for (const name of fs.readdirSync(`${DIST}assets`)) assert.match(name, /-[\w-]{8}\.(js|css|svg)(\.br|\.gz)?$/)
})
