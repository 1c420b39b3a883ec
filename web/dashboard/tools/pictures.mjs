// Makes the pictures of docs/guide/dashboard.md: the same people each time, moved to now.

import path from 'node:path'
import { openBrowser, openDwell, openPage, PASSWORD, people, sleep } from '../test/browser/house.mjs'

const IMAGES = new URL('../../../docs/images/', import.meta.url).pathname
const BINARY = path.resolve(process.env.DWELL ?? '../../target/release/dwell')

const dwell = await openDwell(BINARY, ['Reader'])
const browser = await openBrowser()
try {
  const key = dwell.apps.Reader.readKey
  await dwell.send('Reader', people(BINARY, 80, 16, { zones: 'five' }))
  // Who of all comes again just now.
  const { users } = await dwell.get('Reader', '/v1/users?limit=1000')
  const again = (user, place) => ({
    type: 'track', userId: user, event: 'Application Opened', messageId: `again ${place}`,
    originalTimestamp: new Date(Date.now() - (9 - place) * 55_000).toISOString(),
  })
  await sleep(3)
  await dwell.send('Reader', users.filter((_, place) => place % 8 === 1).slice(0, 9).map(again))
  let most = [-1, '']
  for (const user of users) {
    const { closed_sessions: { count, playing_seconds } } = await dwell.get('Reader', `/v1/users/${user}`)
    if (count <= 12 && playing_seconds > most[0]) most = [playing_seconds, user]
  }
  const take = async (name, hash, there, locale, theme, who) => {
    const page = await openPage(browser, dwell.url, { ...who, hash, locale, theme, width: 1100 })
    await page.waitForSelector(there)
    await sleep(1)
    await page.screenshot({ path: `${IMAGES}${name}.png`, fullPage: true })
    await page.browserContext().close()
    console.log(`docs/images/${name}.png`)
  }
  for (const [name, hash, there, locale, theme] of [
    ['dashboard-overview', '#/overview', 'canvas', 'en', 'light'],
    ['dashboard-overview-ko', '#/overview?metric=engaged&platform=ios', 'canvas', 'ko', 'dark'],
    ['dashboard-live', '#/live', 'section li', 'en', 'light'],
    ['dashboard-lab', '#/lab?timeout=15m', '.lanes .lane', 'en', 'light'],
    ['dashboard-lab-ko', '#/lab?timeout=5m', '.lanes .lane', 'ko', 'dark'],
    ['dashboard-user', `#/users/${most[1]}`, '.lanes g', 'en', 'light'],
  ]) {
    await take(name, hash, there, locale, theme, { key })
  }
  // Somebody changes the policy, and takes it back.
  const said = (headers, body) => ({ method: body.policy ? 'PUT' : 'POST', headers: { origin: dwell.url, ...headers }, body: JSON.stringify(body) })
  const login = await fetch(`${dwell.url}/v1/login`, said({}, { name: 'analyst', password: PASSWORD }))
  const cookie = login.headers.get('set-cookie').split(';')[0]
  for (const [number, timeout, note] of [[0, '20m', 'people read longer than we thought'], [1, '30m', 'not after all']]) {
    const put = await fetch(`${dwell.url}/v1/policy?app=${dwell.ids.Reader}`, said({ cookie, 'if-match': `"${number}"` }, { policy: { timeout }, note }))
    if (!put.ok) throw new Error(await put.text())
    await sleep(4)
  }
  await take('dashboard-settings', '#/settings', '#keys', 'en', 'light', { account: 'admin' })
} finally {
  await browser.close()
  await dwell.close()
}
