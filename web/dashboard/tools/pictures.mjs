// Makes the pictures of docs/guide/dashboard.md: the same people each time, moved to now.

import path from 'node:path'
import { openBrowser, openDwell, openPage, people, sleep } from '../test/browser/house.mjs'

const IMAGES = new URL('../../../docs/images/', import.meta.url).pathname
const BINARY = path.resolve(process.env.DWELL ?? '../../target/release/dwell')

const dwell = await openDwell(BINARY, ['Reader'])
const browser = await openBrowser()
try {
  const key = dwell.apps.Reader.readKey
  await dwell.send('Reader', people(BINARY, 80, 12))
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
  for (const [name, hash, there, locale, theme, who = key] of [
    ['dashboard-overview', '#/overview', 'canvas', 'en', 'light'],
    ['dashboard-overview-ko', '#/overview?metric=engaged', 'canvas', 'ko', 'dark'],
    ['dashboard-settings', '#/settings', '#policy', 'en', 'light', dwell.adminKey],
    ['dashboard-live', '#/live', 'section li', 'en', 'light'],
    ['dashboard-lab', '#/lab?timeout=15m', '[role=slider]', 'en', 'light'],
    ['dashboard-lab-ko', '#/lab?timeout=5m', '[role=slider]', 'ko', 'dark'],
    ['dashboard-user', `#/users/${most[1]}`, '.lanes g', 'en', 'light'],
  ]) {
    const page = await openPage(browser, dwell.url, { key: who, hash, locale, theme, width: 1100 })
    await page.waitForSelector(there)
    await sleep(1)
    await page.screenshot({ path: `${IMAGES}${name}.png`, fullPage: true })
    await page.browserContext().close()
    console.log(`docs/images/${name}.png`)
  }
} finally {
  await browser.close()
  await dwell.close()
}
