// The SDK in real browsers against a real Dwell: see README.md, "Tests".

import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { BROWSERS, PATIENCE, TIMEOUT, openDwell, openProxy, openSite, sleep, until } from './house.mjs'

const browserName = process.env.BROWSER ?? 'chromium'
const onlyChromium = browserName === 'chromium' ? false : 'Chromium only'
const dwellBinary = path.resolve(process.env.DWELL ?? '../../target/release/dwell')
const CASES = [
  'first', 'background', 'live', 'tabs', 'switch', 'offline', 'gone', 'crash', 'cache', 'consent', 'trouble', 'policy', 'module', 'session',
]

let dwell, proxy, site, browser

before(async () => {
  dwell = await openDwell(dwellBinary, CASES)
  proxy = await openProxy(dwell.url)
  site = await openSite()
  browser = await BROWSERS[browserName]()
})

after(async () => {
  await browser?.close()
  site?.close()
  proxy?.close()
  await dwell?.close()
})

/** A browser of somebody who was never here, and what its pages are told. */
async function visitor(name) {
  const context = await browser.createBrowserContext()
  const app = dwell.app(name)
  const options = { host: proxy.url, writeKey: app.writeKey }
  return {
    app,
    options,
    context,
    async open(more = {}, { where = '/', ...query } = {}) {
      const page = await context.newPage()
      page.trouble = []
      page.on('pageerror', (error) => page.trouble.push(`${error}`))
      await page.goto(site.page(where, { ...options, ...more }, query))
      await page.waitForFunction('window.dwell?.track', { polling: 50 })
      return page
    },
    async blank() {
      const page = await context.newPage()
      await page.bringToFront()
      return page
    },
  }
}

const known = (app) => until('somebody', async () => (await app.users())[0])
const is = (app, state) => until(`presence ${state}`, async () => {
  const user = (await app.users())[0]
  const view = user && (await app.user(user))
  return view?.presence.state === state && view
}, async () => [await app.users(), await app.user((await app.users())[0])])
const joined = (app, count) => until(`${count} events`, async () => {
  const { events } = await app.numbers()
  return events.joined + events.amended + events.silent + events.orphan === count && events
}, () => app.numbers())
const ended = (app, user, count) => until(`the end of ${count} sessions`, async () => {
  const view = await app.user(user)
  return view.open_session === null && view.closed_sessions.count === count && app.sessions(user)
}, async () => [await app.user(user), proxy.told(app).split('\n')])
const seconds = (text) => Date.parse(text) / 1000

// Firefox has one window for all visitors, and only one of its tabs can be seen.
describe(`in ${browserName}`, { concurrency: onlyChromium ? 1 : 4, timeout: 150_000 }, () => {
  test('a first visit is a user in the foreground with an open session, which ends by itself', async () => {
    const { app, context, open } = await visitor('first')
    const page = await open({ page: true })
    const view = await is(app, 'foreground')
    assert.equal(view.open_session.activities, 2)
    assert.equal(view.open_session.ordinal, 1)
    assert.deepEqual(page.trouble, [])
    assert.deepEqual(proxy.of(app).map(({ type }) => type.replace(' ', '').toLowerCase()), ['text/plain;charset=utf-8'])
    assert.equal(proxy.seen.filter(({ method }) => method === 'OPTIONS').length, 0, 'no browser has to ask for leave')
    const [session] = await ended(app, view.user, 1)
    assert.equal(session.end_reason, 'timed_out')
    assert.deepEqual(session.platforms, ['web'])
    await context.close()
  })

  test('what plays in a background tab holds one session together, and closing the tab ends it', async () => {
    const { app, context, open, blank } = await visitor('background')
    const page = await open({ progress: 2 })
    await page.evaluate('playTone(60)')
    await blank()
    await until('the background', () => page.evaluate(() => document.visibilityState === 'hidden'))
    await is(app, 'playing')
    await sleep(3 * TIMEOUT)
    const view = await is(app, 'playing')
    assert.equal(view.closed_sessions.count, 0)
    assert.ok(2 * TIMEOUT < view.open_session.playing_seconds, `${JSON.stringify(view)}\n${proxy.told(app)}`)
    const closed = Date.now() / 1000
    await page.close({ runBeforeUnload: false })
    const [session] = await ended(app, view.user, 1)
    assert.equal(session.end_reason, 'timed_out')
    const late = seconds(session.ended_at) - closed
    assert.ok(-0.5 < late && late < 1, `ended ${late} s after the tab was closed`)
    assert.ok(proxy.names(app).includes('Audio Playback Interrupted'))
    await context.close()
  })

  test('a live stream in a background tab goes on being believed, because it goes on being told', async () => {
    const { app, context, open, blank } = await visitor('live')
    const page = await open({ progress: 2 })
    await page.evaluate('playLive()')
    await blank()
    await sleep(PATIENCE + 2 * TIMEOUT)
    const view = await is(app, 'playing')
    assert.equal(view.closed_sessions.count, 0)
    assert.ok(PATIENCE < view.open_session.playing_seconds, JSON.stringify(view))
    await page.evaluate(() => document.querySelector('audio').pause())
    await ended(app, view.user, 1)
    await context.close()
  })

  test('a Media Session without a media element counts', async () => {
    const { app, context, open, blank } = await visitor('session')
    const page = await open({ mediaSession: 'wrap', progress: 2 })
    await page.evaluate(() => {
      navigator.mediaSession.playbackState = 'playing'
      navigator.mediaSession.setPositionState({ duration: 100, position: 10, playbackRate: 1 })
    })
    await blank()
    const view = await is(app, 'playing')
    assert.ok(20 < seconds(view.open_session.ends_at_unless_seen) - Date.now() / 1000, JSON.stringify(view))
    await context.close()
  })

  test('several tabs are one user, and nothing comes twice', async () => {
    const { app, context, open } = await visitor('tabs')
    const tabs = [await open(), await open(), await open()]
    await tabs[0].evaluate(() => dwell.identify('ada'))
    for (let number = 0; number < 12; number++) {
      const tab = tabs[number % 3]
      if (number % 4 === 0) await tab.bringToFront()
      await tab.evaluate((name) => dwell.track(name), `event ${number}`)
      await sleep(0.15)
    }
    await until('every event', () => proxy.names(app).filter((name) => name.startsWith('event')).length === 12)
    await sleep(1.5)
    const ids = proxy.ids(app)
    assert.equal(new Set(ids).size, ids.length, 'nothing was sent twice')
    const events = await joined(app, ids.length)
    assert.deepEqual([events.duplicate, events.late], [0, 0])
    assert.deepEqual(await app.users(), ['ada'])
    const { open_session: session } = await app.user('ada')
    assert.equal(session.activities, ids.length - 1, 'all but the identify are in one session')
    assert.deepEqual(await tabs[1].evaluate(() => stored().filter((key) => /\.[qc]/.test(key))), [])
    await context.close()
  })

  test('from one tab to another is no way out', async () => {
    const { app, context, open } = await visitor('switch')
    const tabs = [await open(), await open()]
    for (const tab of [tabs[0], tabs[1], tabs[0], tabs[1]]) {
      await tab.bringToFront()
      await sleep(0.3)
    }
    await sleep(2)
    const [user] = await app.users()
    const view = await app.user(user)
    assert.equal(view.presence.state, 'foreground', `${JSON.stringify(view)}\n${proxy.told(app)}`)
    assert.ok(proxy.names(app).includes('Application Backgrounded'))
    await context.close()
  })

  test('what was said offline comes when there is a way again, each once and at its time', async () => {
    const { app, context, open } = await visitor('offline')
    const page = await open()
    await joined(app, 1)
    await page.setOfflineMode(true)
    const began = Date.now() / 1000
    for (let number = 0; number < 5; number++) {
      await page.evaluate((name) => dwell.track(name), `event ${number}`)
      await sleep(0.5)
    }
    await sleep(1)
    assert.equal((await app.numbers()).events.read, 1)
    await page.setOfflineMode(false)
    const events = await joined(app, 6)
    assert.equal(events.duplicate, 0)
    const view = await app.user(await known(app))
    const last = seconds(view.last_seen_at)
    assert.ok(Math.abs(last - began - 2) < 0.5, `last seen ${last - began} s after it went offline`)
    await context.close()
  })

  test('what an offline page leaves behind is sent by the next one', { skip: onlyChromium }, async () => {
    const { app, context, open } = await visitor('gone')
    const page = await open()
    await joined(app, 1)
    await page.setOfflineMode(true)
    await page.evaluate(() => dwell.track('Bought'))
    await page.close({ runBeforeUnload: false })
    await sleep(0.3)
    assert.equal((await app.numbers()).events.read, 1)
    const next = await open()
    // The beacon's claim has to run out first: half a minute.
    await next.evaluate(() => stored().filter((key) => /\.c/.test(key)).forEach((key) => localStorage.removeItem(key)))
    await sleep(5)
    await next.evaluate(() => dwell.flush())
    const events = await joined(app, 4)
    assert.equal(events.duplicate, 0)
    assert.deepEqual(proxy.names(app).sort(), ['Application Backgrounded', 'Application Foregrounded', 'Application Foregrounded', 'Bought'])
    await context.close()
  })

  test('what a page that crashed had not sent is sent by another', { skip: onlyChromium }, async () => {
    const { app, context, open } = await visitor('crash')
    const page = await open()
    await joined(app, 1)
    const other = await open()
    await page.evaluate(() => dwell.track('Bought'))
    await page.goto('chrome://crash').catch(() => {})
    await sleep(6)
    await other.evaluate(() => dwell.flush())
    await until('the event', () => proxy.names(app).includes('Bought'), () => proxy.names(app))
    await context.close()
  })

  test('a page that comes back from the back-forward cache is there again', async () => {
    const { app, context, open } = await visitor('cache')
    const page = await open()
    await page.evaluate('playTone(60)')
    await joined(app, 2)
    await page.goto(site.page('/2', {})).catch(() => {})
    await page.evaluate(() => void setTimeout(() => history.back()))
    await until('the way back', () => page.evaluate(() => location.pathname === '/' && persisted.length === 2).catch(() => false))
    assert.deepEqual(await page.evaluate('persisted'), [false, true])
    const names = () => proxy.names(app)
    await until('the foreground', () => names().filter((name) => name === 'Application Foregrounded').length === 2, names)
    assert.ok(names().includes('Audio Playback Interrupted') && names().includes('Application Backgrounded'), `${names()}`)
    const view = await is(app, 'foreground')
    assert.equal(view.closed_sessions.count, 0)
    await context.close()
  })

  test('without consent nothing is stored and nothing is sent; whoever takes it back is forgotten', async () => {
    const { app, context, open } = await visitor('consent')
    const page = await open({ consent: false, page: true })
    await page.evaluate(() => dwell.track('Looked'))
    await page.evaluate('playTone(9)')
    await sleep(1.5)
    assert.deepEqual(await page.evaluate('stored()'), [])
    assert.deepEqual(proxy.of(app), [])
    await page.evaluate(() => dwell.optIn())
    await is(app, 'foreground')
    // In one breath: a second later it would be sent, and rightly so.
    await page.evaluate(() => {
      dwell.track('Said and taken back')
      dwell.optOut()
    })
    const before = proxy.of(app).length
    await page.evaluate(() => dwell.track('Looked'))
    await sleep(1.5)
    assert.deepEqual(await page.evaluate('stored()'), [`dwell.${app.writeKey}.o`])
    await page.goto(site.page('/3', { host: proxy.url, writeKey: app.writeKey }))
    await sleep(1.5)
    assert.equal(proxy.of(app).length, before)
    assert.deepEqual(proxy.names(app).filter((name) => /Looked|taken/.test(name)), [])
    await context.close()
  })

  test('a server in trouble is tried again, at the time it asks for, and every event counts once', async () => {
    const { app, context, open } = await visitor('trouble')
    const trouble = (proxy.trouble[app.writeKey] = [{ status: 500 }, 'break', { status: 429, headers: { 'retry-after': '6' } }])
    const page = await open()
    await page.evaluate(() => dwell.track('Bought'))
    await until('the trouble', () => trouble.length === 0)
    await page.evaluate(() => dwell.track('Bought More'))
    await joined(app, 3)
    const seen = proxy.of(app)
    assert.deepEqual(seen.map(({ status }) => status), [500, 0, 429, 200])
    assert.ok(6000 <= seen[3].at - seen[2].at, `came back after ${seen[3].at - seen[2].at} ms`)
    assert.equal(new Set(seen.map(({ sentAt }) => sentAt)).size, 4)
    assert.equal((await app.numbers()).events.duplicate, 0)
    await context.close()
  })

  for (const [name, query] of [['policy', {}], ['module', { module: '' }]]) {
    test(`a strict policy of contents lets it work, as a ${name === 'policy' ? 'script' : 'module'}`, async () => {
      const csp = `default-src 'none'; script-src 'self'; img-src 'self'; connect-src ${proxy.url}`
      const { app, context, open } = await visitor(name)
      const page = await open({}, { csp, ...query })
      await page.evaluate(() => dwell.track('Bought'))
      await joined(app, 2)
      assert.deepEqual(await page.evaluate('violations'), [])
      assert.deepEqual(page.trouble, [])
      await context.close()
    })
  }
})
