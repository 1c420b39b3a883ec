// One log, counted five times: on the screen, by the API, by the commands over the archive, and in SQL. All say the same.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openBrowser, openDwell, openPage, people, placeOf, until } from './house.mjs'

const BINARY = path.resolve(process.env.DWELL ?? '../../target/release/dwell')
/** A Python that has DuckDB: that of `tests/oracle`. */
const PYTHON = process.env.PYTHON ?? '../../target/venv/oracle/bin/python'
/** Everybody has left since so many seconds: every session is over, whichever way is counted. */
const AGO = 7200
const APPS = { Reader: 'readers', Music: 'music' }
const TIMEOUTS = [900, 1800]

let dwell, browser
/** What each way says of each app. */
const said = {}

const run = (program, args) => JSON.parse(execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26 }))
const whole = (seconds) => Math.round(seconds * 1e6)

before(async () => {
  dwell = await openDwell(BINARY, Object.keys(APPS), { settings: ['log.archive=parquet', 'log.archive_every=1s'] })
  for (const [app, population] of Object.entries(APPS)) await dwell.send(app, people(BINARY, 80, 10, { population, ago: AGO }))
  const metrics = async () => (await fetch(`${dwell.url}/metrics`)).text()
  const metric = (text, name) => Number(text.match(new RegExp(`^${name} (\\d+)`, 'm'))[1])
  await until('the archive', async () => {
    const text = await metrics()
    return metric(text, 'dwell_log_next') === metric(text, 'dwell_archive_next')
  })
  for (const app of Object.keys(APPS)) {
    await until('the end of every session', async () => (await dwell.get(app, '/v1/app')).open_sessions === 0)
    const events = `${dwell.data}/archive/${dwell.ids[app]}/*.parquet`
    const written = `${dwell.folder}/${app}.parquet`
    const rules = ['-q', events, '--policy', dwell.policy, '--json']
    const { total, rows } = await dwell.get(app, '/v1/overview?days=28&last=today&by=platform,country,version')
    const { points } = await dwell.get(app, `/v1/lab?timeouts=${TIMEOUTS.map((seconds) => `${seconds}s`).join()}`)
    const users = []
    for (let next = ''; next !== null;) {
      const page = await dwell.get(app, `/v1/users?limit=1000${next && `&cursor=${next}`}`)
      users.push(...page.users)
      next = page.next
    }
    said[app] = {
      total, rows, points, users,
      sessions: run(BINARY, ['sessions', ...rules, '--as-of', new Date().toISOString(), '-o', written]),
      lab: run(BINARY, ['lab', ...rules, '--timeout', '15m', '--versus', '30m']),
      sql: run(PYTHON, [new URL('count_in_sql.py', import.meta.url).pathname, events, written]),
    }
  }
  browser = await openBrowser()
})

after(async () => {
  await browser?.close()
  await dwell?.close()
})

const open = (app, hash) => openPage(browser, dwell.url, { key: dwell.apps[app].readKey, hash, width: 1180 })

describe('the numbers', { timeout: 180_000 }, () => {
  for (const app of Object.keys(APPS)) {
    test(`${app}: sessions, users and lengths are the same on the screen, by the API, by the command and in SQL`, async () => {
      const { total, users, sessions, sql } = said[app]
      assert.ok(sessions.sessions > 150 && sessions.open === 0, `${sessions.sessions}`)
      assert.deepEqual([total.sessions, users.length], [sessions.sessions, sessions.users])
      // One rounds a mean to the microsecond, the other cuts it off.
      assert.ok(Math.abs(total.mean_length_seconds * 1e6 - sessions.mean_length_us) <= 1, `${total.mean_length_seconds} s, ${sessions.mean_length_us} us`)
      assert.deepEqual([sql.written.sessions, sql.written.users], [total.sessions, users.length])
      assert.deepEqual([whole(total.playing_seconds), whole(total.foreground_seconds)], [sessions.playing_us, sessions.foreground_us])
      assert.deepEqual([whole(sql.written.playing), whole(sql.written.foreground)], [sessions.playing_us, sessions.foreground_us])
      if (app === 'Music') assert.ok(sessions.playing_us > 0, 'nothing played')
      // The overview keeps lengths by steps, each a sixteenth of itself.
      assert.ok(Math.abs(total.median_length_seconds * 1e6 / sessions.median_length_us - 1) <= 1 / 16, `${total.median_length_seconds} s`)
      if (app === 'Reader') {
        const islands = sql.islands[1800]
        assert.deepEqual([islands.sessions, islands.users, whole(islands.total)], [total.sessions, users.length, sessions.total_length_us])
        assert.equal(Math.floor(islands.mean * 1e6), sessions.mean_length_us)
        assert.equal(whole(islands.median), sessions.median_length_us)
      }
      if (app === 'Reader') {
        const told = said[app].rows.map((row) => [row.facet, row.value, row.sessions, whole(row.total_length_seconds)])
        assert.deepEqual(told.sort(), sql.origins.sort())
        assert.ok(said[app].rows.filter(({ facet }) => facet === 'platform').length > 1, 'all come from one platform')
      }
      const page = await open(app, '#/overview?days=28&last=today')
      await page.waitForSelector('canvas')
      const shown = async (metric) => page.$eval(`[data-metric=${metric}]`, (one) => [Number(one.dataset.value), one.textContent])
      const [[count, text], [mean], [median], [engaged]] = await Promise.all(['sessions', 'mean', 'median', 'engaged'].map(shown))
      assert.deepEqual([count, mean, median, engaged],
        [total.sessions, total.mean_length_seconds, total.median_length_seconds, total.foreground_seconds + total.playing_seconds])
      assert.equal(text, sessions.sessions.toLocaleString('en'))
      await page.evaluate(() => (location.hash = '#/users'))
      await page.waitForSelector('section li')
      for (let more; (more = await page.$('section > button'));) {
        const before = (await page.$$('section li')).length
        await more.click()
        await page.waitForFunction((before) => document.querySelectorAll('section li').length > before || !document.querySelector('section > button'), {}, before)
      }
      assert.deepEqual(await page.$$eval('section li a', (all) => all.map((one) => one.textContent)), users)
      await page.browserContext().close()
    })

    test(`${app}: the lab dragged and stepped to 15 min says what dwell lab says, to the digit`, async () => {
      const { points, lab, sql } = said[app]
      const sides = [lab.compared.from, lab.compared.to]
      assert.deepEqual(sides.map(({ timeout_s }) => timeout_s), TIMEOUTS)
      assert.deepEqual(points.map((point) => [point.sessions, whole(point.total_length_seconds)]),
        sides.map((side) => [side.sessions, side.total_length_us]))
      assert.notEqual(sides[0].sessions, sides[1].sessions, 'the data would not show the timeout')
      if (app === 'Reader') {
        assert.deepEqual(TIMEOUTS.map((timeout) => [sql.islands[timeout].sessions, whole(sql.islands[timeout].total)]),
          sides.map((side) => [side.sessions, side.total_length_us]))
      }
      const page = await open(app, '#/lab')
      // What is counted for it moves what lies below, once.
      await page.waitForSelector('.lanes .lane')
      const now = () => page.$eval('[role=slider]', (slider) => slider.getAttribute('aria-valuenow'))
      const values = () => page.$$eval('[data-value]', (all) => all.map((one) => Number(one.dataset.value)))
      const is = [points[0].sessions, points[0].mean_length_seconds, points[0].total_length_seconds]
      // By the mouse, from 30 min.
      const [from, to] = [await placeOf(page, 1800), await placeOf(page, 900)]
      await page.mouse.move(from.x, from.y)
      await page.mouse.down()
      await page.mouse.move(to.x, to.y, { steps: 20 })
      await page.mouse.up()
      assert.equal(await now(), '900')
      assert.deepEqual(await values(), is)
      // By the keys, from elsewhere.
      await page.keyboard.press('End')
      assert.notDeepEqual(await values(), is)
      await page.keyboard.press('Home')
      await page.type('#timeout', '30m')
      await page.keyboard.press('Enter')
      await page.$eval('[role=slider]', (slider) => slider.focus())
      await page.keyboard.press('PageDown')
      assert.equal(await now(), '900')
      assert.deepEqual(await values(), is)
      assert.ok(Math.abs(is[1] * 1e6 - sides[0].mean_length_us) <= 1, `${is[1]} s, ${sides[0].mean_length_us} us`)
      const words = await page.$eval('#sentence', (one) => one.textContent)
      assert.ok(words.includes(sides[0].sessions.toLocaleString('en')) && words.includes(sides[1].sessions.toLocaleString('en')), words)
      await page.browserContext().close()
    })
  }
})
