// Makes the pictures of the guides: every screen and the page of the demo, in both languages, of the same people each time, moved
// to now. `PICTURES` names another folder than docs/images, and `THEME=dark` another dress: to be looked at, not to be kept.

import fs from 'node:fs'
import path from 'node:path'
import sharp from 'sharp'
import { openBrowser, openDwell, openPage, PASSWORD, people, sleep, until } from '../test/browser/house.mjs'
import { openDemo } from '../../demo/test/browser/house.mjs'

const IMAGES = path.resolve(process.env.PICTURES ?? new URL('../../../docs/images/', import.meta.url).pathname)
const THEME = process.env.THEME ?? 'light'
const BINARY = path.resolve(process.env.DWELL ?? '../../target/release/dwell')
const LOCALES = ['en', 'ko']

fs.mkdirSync(IMAGES, { recursive: true })

/** Keeps a picture under its name; that of the Korean page says so. */
async function keep(name, locale, png) {
  const file = `${name}${locale === 'en' ? '' : `-${locale}`}.png`
  // Of all its shades 256 are kept, so that it stays small.
  const small = await sharp(png).png({ palette: true, colours: 256, dither: 0, effort: 10, compressionLevel: 9 }).toBuffer()
  fs.writeFileSync(path.join(IMAGES, file), small)
  console.log(`${file}: ${Math.round(small.length / 1024)} KB`)
}

/** Who of all comes again just now. */
const again = (user, place) => ({
  type: 'track', userId: user, event: 'Application Opened', messageId: `again ${place}`,
  context: { os: { name: ['ios', 'android', 'web'][place % 3] }, location: { country: ['KR', 'US', 'DE'][place % 3] }, app: { version: '4.2.0' } },
  originalTimestamp: new Date(Date.now() - (9 - place) * 55_000).toISOString(),
})

/** Somebody with some days behind them, of which much was heard with the screen off. */
async function somebody(dwell, users) {
  let most = [-1, '']
  for (const user of users) {
    const { closed_sessions: { count, playing_seconds } } = await dwell.get('Reader', `/v1/users/${user}`)
    if (4 <= count && count <= 14 && playing_seconds > most[0]) most = [playing_seconds, user]
  }
  return most[1]
}

/** The policy is changed, and that is taken back. */
async function changePolicy(dwell) {
  const said = (headers, body) => ({ method: body.policy ? 'PUT' : 'POST', headers: { origin: dwell.url, ...headers }, body: JSON.stringify(body) })
  const login = await fetch(`${dwell.url}/v1/login`, said({}, { name: 'analyst', password: PASSWORD }))
  const cookie = login.headers.get('set-cookie').split(';')[0]
  for (const [number, timeout, note] of [[0, '20m', 'people read longer than we thought'], [1, '30m', 'not after all']]) {
    const put = await fetch(`${dwell.url}/v1/policy?app=${dwell.ids.Reader}`, said({ cookie, 'if-match': `"${number}"` }, { policy: { timeout }, note }))
    if (!put.ok) throw new Error(await put.text())
    await sleep(4)
  }
}

async function takeDashboard(browser) {
  const dwell = await openDwell(BINARY, ['Reader'])
  try {
    const key = dwell.apps.Reader.readKey
    await dwell.send('Reader', people(BINARY, 80, 16, { zones: 'five' }))
    const { users } = await dwell.get('Reader', '/v1/users?limit=1000')
    await sleep(3)
    await dwell.send('Reader', users.filter((_, place) => place % 8 === 1).slice(0, 9).map(again))
    const take = async (name, hash, there, who, before = async () => {}) => {
      for (const locale of LOCALES) {
        const page = await openPage(browser, dwell.url, { ...who, hash, locale, theme: THEME, width: 1100 })
        await page.waitForSelector(there)
        await before(page)
        await sleep(1)
        await keep(`dashboard-${name}`, locale, await page.screenshot({ fullPage: name !== 'sign-in' }))
        await page.browserContext().close()
      }
    }
    await take('sign-in', '', '#name', {})
    for (const [name, hash, there] of [
      ['overview', '#/overview', 'canvas'],
      ['live', '#/live', 'section td'],
      ['lab', '#/lab?timeout=15m', '.lanes .lane'],
      ['users', '#/users', 'section li'],
      ['user', `#/users/${await somebody(dwell, users)}`, '.lanes g'],
    ]) {
      await take(name, hash, there, { key })
    }
    await changePolicy(dwell)
    await take('settings', '#/settings', '#keys', { account: 'admin' }, (page) => page.locator('details.begin summary').click())
  } finally {
    await dwell.close()
  }
}

/** Two minutes of a visitor: they scroll, play, look at another tab, come back, pause, are gone, and come again. */
async function takeDemo(browser) {
  const demo = await openDemo(BINARY)
  try {
    const context = await browser.createBrowserContext()
    const page = await context.newPage()
    await page.setViewport({ width: 1280, height: 1120 })
    await page.evaluateOnNewDocument((theme) => {
      localStorage.setItem('dwell.demo.language', 'en')
      localStorage.setItem('dwell.theme', theme)
    }, THEME)
    await page.goto(`${demo.url}/demo`)
    const is = (word) => until(`“${word}”`, () => page.$eval('.state', (state, word) => state.textContent === word, word).catch(() => false))
    await is('On the screen')
    const scroll = async () => {
      for (let step = 0; step < 4; step++) {
        await page.mouse.wheel({ deltaY: 500 })
        await sleep(1)
      }
      await page.evaluate(() => scrollTo(0, 0))
    }
    const inBoth = async (take) => {
      // The language that words are waited for in comes last.
      for (const locale of LOCALES.toReversed()) {
        await page.select('header label:nth-of-type(1) select', locale)
        await sleep(1)
        await take(locale)
      }
    }
    await scroll()
    await page.click('.pieces button')
    await sleep(5)
    const other = await context.newPage()
    await other.bringToFront()
    await sleep(35)
    await page.bringToFront()
    await is('On the screen')
    await sleep(5)
    // The SDK's part of it: a stretch of which others would have said that nobody was there.
    await inBoth(async (locale) => keep('web-sdk', locale, await (await page.$('.you')).screenshot()))
    await page.click('.pieces button')
    await sleep(30)
    await is('Not here')
    await sleep(4)
    await scroll()
    await page.click('.pieces button:nth-of-type(2)')
    await sleep(6)
    await inBoth(async (locale) => keep('demo', locale, await page.screenshot()))
  } finally {
    await demo.close()
  }
}

const browser = await openBrowser(['--autoplay-policy=no-user-gesture-required', '--mute-audio'])
try {
  await takeDashboard(browser)
  await takeDemo(browser)
} finally {
  await browser.close()
}
