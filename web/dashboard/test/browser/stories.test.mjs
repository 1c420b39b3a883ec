// Somebody with the SDK in their browser, and what the dashboard shows of them meanwhile: a real page, a real server, two browsers.

import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openSite } from '../../../sdk/test/browser/house.mjs'
import { logIn, openBrowser, openDwell, openPage, sleep, until } from './house.mjs'

const BINARY = path.resolve(process.env.DWELL ?? '../../target/release/dwell')
/** Short enough to be waited for. The screen of a user asks every five seconds. */
const TIMEOUT = 6
const RULES = `timeout = "${TIMEOUT}s"\nplaying_patience = "60s"\n`
const CASES = ['First', 'Plays', 'Tabs', 'Offline']

let dwell, site, browser

before(async () => {
  dwell = await openDwell(BINARY, CASES, { rules: RULES })
  site = await openSite()
  browser = await openBrowser(['--autoplay-policy=no-user-gesture-required'])
})

after(async () => {
  await browser?.close()
  site?.close()
  await dwell?.close()
})

const dashboard = (app, hash) => openPage(browser, dwell.url, { key: dwell.apps[app].readKey, hash })

/** A browser of somebody who was never here. */
async function visitor(app) {
  const context = await browser.createBrowserContext()
  return {
    context,
    async open() {
      const page = await context.newPage()
      await page.goto(site.page('/', { host: dwell.url, writeKey: dwell.apps[app].writeKey, page: true, progress: 2 }))
      await page.waitForFunction('window.dwell?.track', { polling: 50 })
      return page
    },
  }
}

const says = (page, selector, text) => page.waitForFunction((selector, text) =>
  new RegExp(text).test([...document.querySelectorAll(selector)].map((one) => one.textContent).join(' | ')), { polling: 100 }, selector, text)
const user = (app) => until('somebody', async () => (await dwell.get(app, '/v1/users')).users[0])
const rows = (page) => page.$$eval('main tbody tr', (all) => all.map((row) => [...row.cells].map((cell) => cell.textContent.trim())))

describe('a visitor and the dashboard beside them', { timeout: 240_000, concurrency: 4 }, () => {
  test('who comes for the first time is on the screen within seconds, with their own session', async () => {
    const page = await dashboard('First', '#/live')
    await page.waitForSelector('details[open] .light:not(.on)')
    const { context, open } = await visitor('First')
    const begun = Date.now()
    await open()
    // Where the steps stand, that is: they do not close before it is seen.
    await page.waitForSelector('details[open] .light.on', { polling: 50 })
    await page.waitForSelector('section[aria-labelledby=here] li a')
    const name = await page.$eval('section[aria-labelledby=here] li a', (link) => link.textContent)
    assert.equal(name, await user('First'))
    console.log(`from the visit to its own session on the screen: ${Date.now() - begun} ms`)
    await says(page, 'section[aria-labelledby=news] td', 'came')
    await page.locator('section[aria-labelledby=here] li a').click()
    await says(page, '.lead', 'on the screen')
    await page.waitForSelector('.lanes .frame.open')
    await says(page, 'tbody td', 'still open')
    // It ends by itself, at its deadline, while one looks on.
    await says(page, 'tbody td', 'away too long')
    await says(page, '.lead', 'away')
    const { sessions: [session] } = await dwell.get('First', `/v1/users/${name}/sessions`)
    const [row] = await rows(page)
    assert.match(row.at(-1), new RegExp(`^${TIMEOUT} s, `))
    assert.equal(await page.$('.lanes .frame.open'), null)
    assert.equal(session.end_reason, 'timed_out')
    assert.deepEqual(page.trouble, [])
    await context.close()
    await page.browserContext().close()
  })

  test('who plays and hides the tab is playing past the timeout, in one session, which ends when the tab is closed', async () => {
    const { context, open } = await visitor('Plays')
    const visit = await open()
    const page = await dashboard('Plays', `#/users/${await user('Plays')}`)
    await visit.evaluate('playTone(120)')
    const other = await context.newPage()
    await other.bringToFront()
    await until('the background', () => visit.evaluate(() => document.visibilityState === 'hidden'))
    await says(page, '.lead', 'playing in the background')
    await sleep(3 * TIMEOUT)
    await says(page, '.lead', 'playing in the background')
    const view = await dwell.get('Plays', `/v1/users/${await user('Plays')}`)
    assert.equal(view.closed_sessions.count, 0)
    assert.ok(2 * TIMEOUT < view.open_session.playing_seconds, JSON.stringify(view))
    assert.deepEqual((await rows(page)).length, 1, 'one session')
    const drawn = await page.waitForSelector('.lanes .playing[data-phase]')
    assert.ok(drawn, 'the lane does not show what plays')
    const closed = Date.now()
    await visit.close({ runBeforeUnload: false })
    await says(page, 'tbody td', 'away too long')
    const { sessions } = await dwell.get('Plays', `/v1/users/${await user('Plays')}/sessions`)
    assert.equal(sessions.length, 1)
    assert.equal(sessions[0].end_reason, 'timed_out')
    const late = (Date.parse(sessions[0].ended_at) - closed) / 1000
    assert.ok(-0.5 < late && late < 1.5, `seen until ${late} s after the tab was closed`)
    assert.deepEqual(page.trouble, [])
    await context.close()
    await page.browserContext().close()
  })

  test('two tabs of one browser are one person with one session', async () => {
    const { context, open } = await visitor('Tabs')
    const tabs = [await open(), await open()]
    for (const [number, tab] of [...tabs, ...tabs].entries()) {
      await tab.bringToFront()
      await tab.evaluate((name) => dwell.track(name), `event ${number}`)
      await sleep(1)
    }
    const page = await dashboard('Tabs', '#/users')
    await page.waitForSelector('section li')
    assert.equal((await page.$$('section li')).length, 1)
    await page.locator('section li a').click()
    await page.waitForSelector('.lanes g')
    assert.equal((await rows(page)).length, 1)
    await context.close()
    await page.browserContext().close()
  })

  test('what happened offline is on the screen when there is a way again, at its time and in its session', async () => {
    const { context, open } = await visitor('Offline')
    const visit = await open()
    const name = await user('Offline')
    const page = await dashboard('Offline', `#/users/${name}`)
    await says(page, '.lead', 'on the screen')
    await visit.setOfflineMode(true)
    for (let number = 0; number < 3; number++) {
      await visit.evaluate((name) => dwell.track(name), `event ${number}`)
      await sleep(TIMEOUT / 3)
    }
    const last = Date.now() - TIMEOUT / 3 * 1000
    // Meanwhile it is believed that they have left.
    await says(page, 'tbody td', 'away too long')
    await visit.setOfflineMode(false)
    await says(page, 'tbody td', 'put right')
    const { sessions } = await dwell.get('Offline', `/v1/users/${name}/sessions`)
    assert.ok(sessions[0].amended > 0 && Math.abs(Date.parse(sessions[0].ended_at) - last) < 3000, JSON.stringify(sessions))
    assert.ok(await page.waitForSelector('.lanes .amended'))
    assert.deepEqual(page.trouble, [])
    await context.close()
    await page.browserContext().close()
  })

  test('who guesses passwords is told to wait, and the right one opens no door meanwhile', async () => {
    const page = await openPage(browser, dwell.url, { hash: '' })
    let attempts = 0
    const told = () => page.$eval('#trouble', (one) => one.textContent)
    for (; !/Try again in/.test(await told()); attempts++) {
      assert.ok(attempts < 30, 'nobody is ever told to wait')
      await logIn(page, 'viewer', `guess ${attempts}`)
      await page.waitForFunction(() => document.querySelector('#trouble').textContent !== '')
    }
    assert.ok(2 < attempts, `after ${attempts}`)
    await logIn(page, 'viewer')
    await sleep(0.5)
    assert.match(await told(), /Try again in/)
    assert.equal(await page.$('header nav'), null)
    await page.browserContext().close()
  })
})
