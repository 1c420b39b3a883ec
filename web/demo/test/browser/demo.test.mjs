// The page in a browser against a running demo: `DWELL=../../target/release/dwell npm run browser`.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import puppeteer from 'puppeteer-core'
import { openDemo } from './house.mjs'

/** How long anything may take to be known, in milliseconds. */
const LONGEST = 60_000

const axe = fs.readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

async function until(what, asked, show = () => '') {
  const deadline = Date.now() + LONGEST
  for (;;) {
    const found = await asked()
    if (found) return found
    if (deadline < Date.now()) throw new Error(`${what} did not happen: ${JSON.stringify(await show())}`)
    await sleep(0.2)
  }
}

let demo, browser

before(async () => {
  demo = await openDemo(process.env.DWELL, '--seed', '3')
  browser = await puppeteer.launch({
    protocolTimeout: LONGEST,
    executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'],
  })
})

after(async () => {
  await browser?.close()
  assert.equal(await demo.close(), 0, 'the demo did not stop well')
})

/** Opens the page in a browser of its own, so that nobody else is its visitor's device. */
async function open(language = 'en', theme = 'light') {
  const page = await (await browser.createBrowserContext()).newPage()
  page.said = []
  page.on('console', (message) => {
    // Before the first event of a visitor has been counted, nobody is known by that name.
    if (message.type() === 'error' && message.location().url?.includes('/v1/users/') && message.text().includes('404')) return
    if (['error', 'warn'].includes(message.type())) page.said.push(message.text())
  })
  page.on('pageerror', (error) => page.said.push(String(error)))
  await page.setViewport({ width: 1280, height: 900 })
  await page.evaluateOnNewDocument((language, theme) => {
    localStorage.setItem('dwell.demo.language', language)
    localStorage.setItem('dwell.theme', theme)
  }, language, theme)
  await page.goto(`${demo.url}/demo`)
  await page.waitForSelector('.state')
  return page
}

const state = (page) => page.$eval('.state', (state) => state.textContent)
const is = (page, wanted) => until(`“${wanted}”`, async () => (await state(page)) === wanted, () => state(page))

test('who plays and goes away is playing, and their session ends by itself when they fall silent', async () => {
  const page = await open()
  await is(page, 'On the screen')
  await page.locator('.pieces button').click()
  await until('music', () => page.$eval('audio', (audio) => !audio.paused && audio.currentTime > 0.5))
  await until('a deadline behind the piece', () => page.$eval('.until', (until) => until.textContent.startsWith('The music holds')))
  const other = await page.browserContext().newPage()
  await other.bringToFront()
  const { read_key, user } = await (await fetch(`${demo.url}/demo/keys.json`)).json()
  const known = async () => (await fetch(`${demo.url}/v1/users/${user}`, { headers: { authorization: `Bearer ${read_key}` } })).json()
  await until('playing in the background', async () => (await known()).presence.state === 'playing', known)
  await until('the title of the tab', async () => (await page.title()).includes('playing'), () => page.title())
  await sleep(3)
  await page.bringToFront()
  await is(page, 'On the screen')
  assert.ok(await page.$('.lane rect.playing'), 'the lane does not show that something played')
  await page.locator('.pieces button').click()
  await is(page, 'Not here')
  await until('the session in the list', () => page.$('tbody tr'))
  const row = await page.$eval('tbody tr', (row) => row.textContent)
  assert.match(row, /30 s of silence/)
  assert.equal(await page.$$eval('.steps .done', (done) => done.length), 3, 'steps that were done')
  // The next piece, of two minutes: what is believed of it is no longer than that, and nothing is left of the one before.
  await page.locator('.pieces button:nth-of-type(2)').click()
  await until('the next session', async () => (await known()).open_session, known)
  await sleep(3)
  const left = (Date.parse((await known()).open_session.ends_at_unless_seen) - Date.now()) / 1000
  assert.ok(60 < left && left < 152, `it would end in ${left} s`)
  assert.deepEqual(page.said, [])
  await page.close()
})

test('who scrolls and likes is on the screen, and the feed goes on', async () => {
  const page = await open()
  await is(page, 'On the screen')
  for (let step = 0; step < 4; step += 1) {
    await page.mouse.wheel({ deltaY: 600 })
    await sleep(0.3)
  }
  await page.keyboard.press('Tab')
  await until('the first step', () => page.$('.steps li:first-child.done'))
  assert.ok(8 < (await page.$$('.post')).length, 'the feed does not go on')
  // The key has led back to the top. Whoever scrolls over posts that they have seen does something, too.
  const { read_key, user } = await (await fetch(`${demo.url}/demo/keys.json`)).json()
  const done = async () => (await (await fetch(`${demo.url}/v1/users/${user}`, { headers: { authorization: `Bearer ${read_key}` } })).json()).open_session?.activities ?? 0
  await sleep(2)
  const before = await done()
  for (let step = 0; step < 4; step += 1) {
    await page.mouse.wheel({ deltaY: 600 })
    await sleep(0.3)
  }
  await until('posts that are seen again', async () => before < (await done()))
  assert.deepEqual(page.said, [])
  await page.close()
})

test('it speaks both languages, in both themes, without a barrier that axe knows', async () => {
  for (const [language, theme, word] of [['en', 'light', 'On the screen'], ['ko', 'dark', '화면 보는 중']]) {
    const page = await open(language, theme)
    await is(page, word)
    assert.equal(await page.$eval('html', (html) => html.lang), language)
    // The policy of the page forbids scripts of others, and so it should.
    const found = await page.evaluate(`${axe}; axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.html).join(' ')))`)
    assert.deepEqual(found, [], `${language}, ${theme}`)
    await page.select('header label:nth-of-type(1) select', language === 'en' ? 'ko' : 'en')
    assert.equal(await page.$eval('h1', (title) => title.textContent), language === 'en' ? '사용자가 되어 보기' : 'Be a user')
    await page.setViewport({ width: 360, height: 740 })
    const wide = await page.evaluate(() => document.documentElement.scrollWidth)
    assert.ok(wide <= 360, `${wide} pixels on a phone of 360`)
    await page.close()
  }
})

test('what is said under the name of the visitor runs nothing, and an address does nothing', async () => {
  const strings = Object.values(JSON.parse(fs.readFileSync(new URL('../../../../tests/hostile/strings.json', import.meta.url), 'utf8'))).flat()
  const { write_key, user } = await (await fetch(`${demo.url}/demo/keys.json`)).json()
  const batch = strings.map((text) => ({
    type: 'track', userId: user, event: text, messageId: `hostile ${text}`, context: { os: { name: text }, device: { id: text } }, properties: { title: text },
  }))
  const answer = await fetch(`${demo.url}/v1/batch`, {
    method: 'POST', headers: { authorization: `Basic ${btoa(`${write_key}:`)}` }, body: JSON.stringify({ batch }),
  })
  assert.equal((await answer.json()).rejected, 0)
  const page = await open()
  const dialogs = []
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  await is(page, 'On the screen')
  await page.evaluate((strings) => {
    for (const text of strings) history.replaceState(null, '', `#${encodeURIComponent(text)}`)
  }, strings)
  await page.goto(`${demo.url}/demo?q=${encodeURIComponent(strings[0])}#${encodeURIComponent(strings[4])}`)
  await is(page, 'On the screen')
  assert.equal(await page.evaluate(() => window.__hit), undefined)
  assert.deepEqual([dialogs, page.said], [[], []])
  await page.close()
})
