// How fast the screens are with many sessions: `cargo xtask bench-screens [--sessions 10000000]`.
//
// Sessions of two events, 50 for each user over 28 days, are sent to the server's own door; then every screen is opened in
// Chromium, and the questions behind it are asked by HTTP.

import fs from 'node:fs'
import path from 'node:path'
import { openBrowser, openDwell, openPage } from '../test/browser/house.mjs'

const BINARY = path.resolve(process.env.DWELL ?? '../../target/release/dwell')
const wanted = process.argv.indexOf('--sessions')
const SESSIONS = wanted < 0 ? 10_000_000 : Number(process.argv[wanted + 1])
const EACH = 50
const USERS = Math.ceil(SESSIONS / EACH)
const DAY = 86_400_000
/** Events in one body, and bodies that are on their way at once. */
const BODY = 3_000
const AT_ONCE = 6
/** How often each screen is opened. */
const TIMES = 5

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const userOf = (number) => `user-${String(number).padStart(9, '0')}`

function* bodies(begin) {
  const slot = Math.floor(28 * DAY / EACH)
  let batch = []
  for (let visit = 0; visit < EACH; visit++) {
    for (let user = 0; user < USERS; user++) {
      const at = begin + visit * slot + Math.floor(user * slot / USERS * 0.9)
      for (const [place, later] of [0, 60_000 + (user + visit) % 600 * 1000].entries()) {
        batch.push(`{"type":"track","userId":"${userOf(user)}","event":"Opened","messageId":"${visit}.${place}.${user}","timestamp":"${new Date(at + later).toISOString()}"}`)
      }
      if (batch.length >= BODY) {
        yield `{"batch":[${batch.join()}]}`
        batch = []
      }
    }
  }
  if (batch.length > 0) yield `{"batch":[${batch.join()}]}`
}

const dwell = await openDwell(BINARY, ['Large'])
const { writeKey } = dwell.apps.Large
const asked = (where) => dwell.get('Large', where)

const begun = Date.now()
const all = bodies(begun - 28.5 * DAY)
const headers = { authorization: `Basic ${btoa(`${writeKey}:`)}`, 'content-type': 'application/json' }
let sent = 0
async function load() {
  for (const body of all) {
    for (;;) {
      const answer = await fetch(`${dwell.url}/v1/batch`, { method: 'POST', headers, body })
      const said = await answer.json()
      if (answer.ok && said.rejected === 0) break
      // The server says so when it is too far behind.
      if (answer.status !== 429 && answer.status !== 503) throw new Error(JSON.stringify(said))
      await sleep(1000)
    }
    sent += BODY
    if (sent % 1_500_000 < BODY) console.log(`${(sent / 1e6).toFixed(1)} M events in ${Math.round((Date.now() - begun) / 1000)} s`)
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, load))
const taken = (Date.now() - begun) / 1000
for (;;) {
  const { events, open_sessions: open } = await asked('/v1/app')
  if (events.read === 2 * USERS * EACH && open === 0) break
  await sleep(1000)
}
const counted = (Date.now() - begun) / 1000
const { total } = await asked('/v1/overview?days=56')
console.log(`${total.sessions} sessions of ${USERS} users: sent in ${taken.toFixed(0)} s, counted after ${counted.toFixed(0)} s`)

const median = (times) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]
const show = (what, times) => console.log(`${what.padEnd(44)} median ${median(times).toFixed(0).padStart(6)} ms, slowest ${Math.max(...times).toFixed(0).padStart(6)} ms`)
const some = Array.from({ length: TIMES * 4 }, (_, place) => userOf((place * 7_919_777 + 13) % USERS))

async function timed(act) {
  const from = performance.now()
  await act()
  return performance.now() - from
}
async function series(what, acts) {
  const times = []
  for (const act of acts) times.push(await timed(act))
  show(what, times)
}

const often = (act) => Array.from({ length: TIMES }, () => act)
await series('GET /v1/overview?days=28', often(() => asked('/v1/overview?days=28')))
await series('GET /v1/lab?timeouts=15m', often(() => asked('/v1/lab?timeouts=15m')))
await series('GET /v1/lab?timeouts=all', often(() => asked('/v1/lab?timeouts=all')))
await series('GET /v1/users', often(() => asked('/v1/users?limit=60')))
await series('GET /v1/users/{user}, sessions and phases', some.map((user) => () =>
  Promise.all(['', '/sessions?limit=1000', '/phases'].map((rest) => asked(`/v1/users/${user}${rest}`)))))

const browser = await openBrowser()
const page = await openPage(browser, dwell.url, { key: dwell.apps.Large.readKey, hash: '#/settings' })
/** Goes to a screen within the page, which is there already, as a click in the menu does. */
const screens = (hash, there) => async () => {
  await page.evaluate((hash) => (location.hash = hash), hash)
  await page.waitForSelector(there, { polling: 5 })
}
const away = async () => {
  await page.evaluate(() => (location.hash = '#/settings'))
  await page.waitForSelector('#policy')
}
for (const [what, hash, there] of [['Overview', '#/overview?days=28', '[data-metric=sessions]'], ['Timeout lab', '#/lab', '[role=slider]']]) {
  const times = []
  for (let time = 0; time < TIMES; time++) {
    await away()
    times.push(await timed(screens(hash, there)))
  }
  show(`${what}, in Chromium`, times)
}
const lanes = []
for (const user of some) {
  await away()
  lanes.push(await timed(screens(`#/users/${user}`, '.lanes g')))
}
show('a user\'s lanes, in Chromium', lanes)
const first = []
for (let time = 0; time < TIMES; time++) {
  first.push(await timed(async () => {
    const fresh = await openPage(browser, dwell.url, { key: dwell.apps.Large.readKey, hash: '#/overview' })
    await fresh.waitForSelector('[data-metric=sessions]', { polling: 5 })
    await fresh.browserContext().close()
  }))
}
show('first load to the overview, a new browser', first)
const bytes = (folder) => fs.readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile()).reduce((sum, entry) => sum + fs.statSync(path.join(entry.parentPath, entry.name)).size, 0)
console.log(`the data folder has ${(bytes(dwell.data) / 1e9).toFixed(1)} GB`)
await browser.close()
await dwell.close()
