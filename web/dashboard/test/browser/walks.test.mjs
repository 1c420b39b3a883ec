// Ways through the screens as people go them: a marketer who looks for a timeout, somebody who may only look, somebody whose server is gone.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openBrowser, openDwell, openPage, people, until } from './house.mjs'

const BINARY = path.resolve(process.env.DWELL ?? '../../target/release/dwell')
const POLICY = '# as agreed\ntimeout = "30m" # for now\nallowed_lateness = "30d"\n\n[users]\nada = "2h"\n'

let dwell, browser, key, somebody

/** Puts a version over HTTP, as a program does. */
async function put(text, note, replaces) {
  const answer = await fetch(`${dwell.url}/v1/policy?app=${dwell.ids.Reader}`, {
    method: 'PUT', headers: { authorization: `Bearer ${dwell.adminKey}`, 'if-match': `"${replaces}"` }, body: JSON.stringify({ text, note }),
  })
  if (!answer.ok) throw new Error(await answer.text())
}

before(async () => {
  dwell = await openDwell(BINARY, ['Reader'])
  await put(POLICY, 'to begin with', 0)
  await until('the first version', async () => (await dwell.get('Reader', '/v1/policy')).in_force === 1)
  await dwell.send('Reader', people(BINARY, 60, 30))
  key = dwell.apps.Reader.readKey
  // Somebody who was here before the policy was put, and comes after it.
  somebody = 'still here'
  await dwell.send('Reader', [86_400, 0].map((ago) => ({
    type: 'track', userId: somebody, event: 'Article Opened', messageId: `somebody ${ago}`, originalTimestamp: new Date(Date.now() - ago * 1000).toISOString(),
  })))
  browser = await openBrowser()
})

after(async () => {
  await browser?.close()
  await dwell?.close()
})

const open = (options) => openPage(browser, dwell.url, { key, ...options })
const text = (page, selector) => page.$eval(selector, (element) => element.textContent.trim())
const says = (page, selector, pattern) => page.waitForFunction((selector, pattern) =>
  new RegExp(pattern).test([...document.querySelectorAll(selector)].map((one) => one.textContent).join(' | ')), { polling: 100 }, selector, pattern)
const number = (text) => Number(text.replaceAll(',', ''))

/** What a button puts where things are pasted from. */
async function copied(page, word) {
  await page.evaluate(() => { navigator.clipboard.writeText = async (text) => { window.copied = text } })
  await page.locator(`::-p-xpath(//section[@aria-labelledby="along"]//button[text()="${word}"])`).click()
  return page.evaluate(() => window.copied)
}

describe('ways through the screens', { timeout: 240_000 }, () => {
  test('the overview by week and by month adds up to what the API says, and a week opens its days', async () => {
    const page = await open({ hash: '#/overview?days=28&last=today' })
    await page.waitForSelector('canvas')
    const { total, places } = await dwell.get('Reader', '/v1/overview?days=28&last=today')
    await page.locator('::-p-xpath(//nav[contains(@class,"steps")]/a[text()="Weeks"])').click()
    await says(page, '#chart', '^Sessions by week')
    assert.ok(page.url().includes('by=week'), page.url())
    await page.locator('details summary').click()
    const rows = () => page.$$eval('details tbody tr', (all) => all.map((row) => [...row.cells].map((cell) => cell.textContent.trim())))
    const weeks = await rows()
    assert.equal(weeks.length, 4)
    assert.equal(weeks.reduce((sum, [, sessions]) => sum + number(sessions), 0), total.sessions)
    const last = places.slice(-7)
    assert.equal(number(weeks.at(-1)[1]), last.reduce((sum, { sessions }) => sum + sessions, 0))
    await (await page.$$('details tbody a')).at(-1).click()
    await page.waitForFunction((day) => location.hash.includes(`last=${day}`) && /by day/.test(document.querySelector('#chart')?.textContent), {}, last.at(-1).day)
    assert.equal(number(await text(page, '[data-metric=sessions]')), last.reduce((sum, { sessions }) => sum + sessions, 0))
    // Any days, by their fields: those two that were just seen, and none the wrong way round.
    const fill = (id, value) => page.$eval(id, (field, value) => { field.value = value; field.dispatchEvent(new Event('input', { bubbles: true })) }, value)
    await fill('#first-day', last[6].day)
    await fill('#last-day', last[0].day)
    await says(page, '.other [role=alert]', 'Choose a first day')
    assert.ok(await page.$eval('.other button', (button) => button.disabled))
    await fill('#first-day', last[3].day)
    await fill('#last-day', last[4].day)
    await page.locator('.other button').click()
    await page.waitForFunction((day) => location.hash.includes('days=2') && location.hash.includes(`last=${day}`), {}, last[4].day)
    const two = await dwell.get('Reader', `/v1/overview?days=2&last=${last[4].day}`)
    await page.waitForFunction((sessions) => Number(document.querySelector('[data-metric=sessions]')?.dataset.value) === sessions, {}, two.total.sessions)
    await page.evaluate(() => (location.hash = '#/overview?days=365&last=today'))
    await says(page, '#chart', '^Sessions by month')
    await page.waitForSelector('canvas')
    assert.deepEqual(page.trouble, [])
    await page.browserContext().close()
  })

  test('a link opens the lab as it was seen, also in the tab where it is open', async () => {
    const page = await open({ hash: '#/lab?timeout=15m&by=country&kind=game&curves=sessions%2Cmedian' })
    await page.waitForSelector('.lanes .lane')
    const now = () => page.$eval('[role=slider]', (slider) => Number(slider.getAttribute('aria-valuenow')))
    const shown = () => page.$$eval('.choose input:checked', (all) => all.map((one) => one.value))
    assert.deepEqual([await now(), await shown(), await page.$eval('#kind', (one) => one.value)], [900, ['sessions', 'median'], 'game'])
    assert.equal(await text(page, 'section[aria-labelledby=hurt] [aria-pressed=true]'), 'Country')
    // As names, like on the overview, not as two letters.
    assert.match(await text(page, 'section[aria-labelledby=hurt] tbody'), /South Korea|United States|Germany|United Kingdom/)
    await page.$eval('[role=slider]', (slider) => slider.focus())
    await page.keyboard.press('ArrowLeft')
    await until('the address', () => page.url().endsWith('#/lab?timeout=14m30s&by=country&kind=game&curves=sessions%2Cmedian'))
    await page.evaluate(() => (location.hash = '#/lab?timeout=15m'))
    await until('the link', async () => (await now()) === 900)
    assert.deepEqual(await shown(), ['sessions', 'mean', 'total'])
    assert.deepEqual(page.trouble, [])
    await page.browserContext().close()
  })

  test('what the lab copies runs as it is pasted, and says what is on the screen', async () => {
    const page = await open({ hash: '#/lab?timeout=12m' })
    await page.waitForSelector('.lanes .lane')
    const screen = await page.$$eval('[data-value]', (all) => all.map((one) => Number(one.dataset.value)))
    const said = ({ points: [point], versus }) => [[point.sessions, point.mean_length_seconds, point.total_length_seconds], versus.timeout_seconds]
    const run = (command, env = {}) => execFileSync('sh', ['-c', command], { encoding: 'utf8', cwd: dwell.folder, env: { ...process.env, ...env, PATH: `${path.dirname(BINARY)}:${process.env.PATH}` } })
    const command = await copied(page, 'As a command')
    assert.deepEqual(said(JSON.parse(run(`${command} --data data --json`))), [screen, 1800])
    const words = run(`${command} --data data`)
    assert.match(words, new RegExp(`^12 min +${screen[0].toLocaleString('en')} `, 'm'))
    assert.ok(words.includes(await text(page, '[data-card]:nth-child(2) .large')), words)
    assert.deepEqual(said(JSON.parse(run(await copied(page, 'As a question to the API'), { READ_KEY: key }))), [screen, 1800])
    const csv = (await copied(page, 'As CSV')).trim().split('\n').map((line) => line.split(','))
    const row = csv.find(([timeout]) => timeout === '720').map(Number)
    assert.deepEqual([row[1], row[3], row[2]], screen)
    const other = await open({ hash: new URL(await copied(page, 'Link to this')).hash })
    await other.waitForSelector('[role=slider]')
    assert.deepEqual(await other.$$eval('[data-value]', (all) => all.map((one) => Number(one.dataset.value))), screen)
    await other.browserContext().close()
    await page.browserContext().close()
  })

  test('times away stand in a table, each once, and the lab says whom its one timeout passes over', async () => {
    const page = await open({ hash: '#/lab?timeout=12m' })
    await page.waitForSelector('[role=slider]')
    await page.locator('details summary').click()
    const rows = await page.$$eval('table.away tbody tr', (all) => all.map((row) => [...row.cells].map((cell) => cell.textContent.trim())))
    const sum = (fate) => rows.filter((row) => row[2] === fate).reduce((sum, [, many]) => sum + number(many), 0)
    const { gaps } = await dwell.get('Reader', '/v1/lab?timeouts=12m')
    const times = (is) => gaps.filter(([second]) => is(second)).reduce((sum, [, many]) => sum + many, 0)
    assert.deepEqual([sum('stay one visit'), sum('begin a new visit')], [times((second) => second < 720), times((second) => 720 <= second)])
    await says(page, '.besides', 'single people: 1')
    await page.browserContext().close()
  })

  test('an engineer sees what became of the events, and a person’s days are marked where the policy changed', async () => {
    const page = await open({ hash: '#/live' })
    await page.waitForSelector('[data-fate=joined]')
    const { events } = await dwell.get('Reader', '/v1/app')
    for (const fate of ['joined', 'amended', 'silent', 'orphan', 'duplicate', 'late']) {
      assert.equal(number(await text(page, `[data-fate=${fate}]`)), events[fate], fate)
    }
    await page.evaluate((user) => (location.hash = `#/users/${encodeURIComponent(user)}`), somebody)
    await page.waitForSelector('.lanes .mark')
    assert.match(await text(page, '.policies'), /Version 1 of the policy holds from/)
    assert.match(await page.title(), /^still here · Users · Reader · Dwell$/)
    assert.deepEqual(page.trouble, [])
    await page.browserContext().close()
  })

  test('an engineer sees each message arrive, and what its sender was told', async () => {
    const page = await open({ hash: '#/live', locale: 'ko' })
    await page.waitForSelector('[data-fate=joined]')
    const said = { type: 'track', userId: 'newcomer', event: 'Song Played', messageId: 'arrives once' }
    const answer = await fetch(`${dwell.url}/v1/batch?writeKey=${dwell.apps.Reader.writeKey}`, {
      method: 'POST', body: JSON.stringify({ batch: [said, said, { type: 'track', event: 'Whose' }] }),
    })
    assert.deepEqual(await answer.json().then(({ accepted, duplicate, rejected }) => [accepted, duplicate, rejected]), [1, 1, 1])
    await page.waitForFunction(() => document.querySelector('tr[data-told]')?.dataset.told === 'rejected')
    const rows = await page.$$eval('tr[data-told]', (rows) => rows.slice(0, 3).map((row) => [...row.cells].slice(1).map((cell) => cell.textContent.trim())))
    assert.deepEqual(rows[2], ['newcomer', 'Song Played', 'Segment', '접수'])
    assert.deepEqual(rows[1], ['newcomer', 'Song Played', 'Segment', '중복'])
    assert.match(rows[0].at(-1), /^거부: missing_user ?message 2: /)
    assert.deepEqual(page.trouble, [])
    await page.browserContext().close()
  })

  test('where the server is gone the screens say so in both languages, keep what they have, and go on when it is back', async () => {
    for (const [locale, gone] of [['en', 'cannot be reached'], ['ko', '연결할 수 없습니다']]) {
      for (const [hash, there] of [['#/overview?days=28&last=today', 'canvas'], ['#/live', '[data-fate]'], [`#/users/${encodeURIComponent(somebody)}`, '.lanes g']]) {
        const page = await open({ hash, locale })
        await page.waitForSelector(there)
        await page.setOfflineMode(true)
        await says(page, 'main [role=alert]', gone)
        assert.doesNotMatch(await text(page, 'main'), /Failed to fetch|NetworkError/)
        assert.ok(await page.$(there), `${hash} shows nothing of what it had`)
        await page.setOfflineMode(false)
        await page.waitForFunction(() => document.querySelector('main [role=alert] button') === null, { polling: 100 }).catch((error) => { throw new Error(`${hash} does not go on`, { cause: error }) })
        await page.browserContext().close()
      }
    }
    // Who comes while nobody answers is not left with a page that only says that it tries.
    const page = await open({ hash: '#/settings' })
    await page.waitForSelector('#policy')
    await page.setOfflineMode(true)
    await page.evaluate(() => (location.hash = '#/live'))
    await says(page, 'main', 'Trying again')
    await page.setOfflineMode(false)
    await page.waitForSelector('.light.on')
    await page.waitForSelector('section[aria-labelledby=news] td')
    await page.browserContext().close()
  })

  test('who may only look is told so where others apply and change', async () => {
    const page = await open({ key: null, account: 'viewer', hash: '#/lab?timeout=15m' })
    await page.waitForSelector('[role=slider]')
    await says(page, 'section[aria-labelledby=apply-not]', 'You may look, and not apply')
    await page.evaluate(() => (location.hash = '#/settings'))
    await says(page, 'main', 'You may look at everything here and change nothing')
    await says(page, 'details.begin summary', '^Try another policy$')
    await page.browserContext().close()
    const other = await open({ key: null, account: 'analyst', hash: '#/settings' })
    await says(other, 'main', 'You may change the policy')
    await says(other, 'details.begin summary', '^Change the policy$')
    await other.browserContext().close()
  })

  test('a question that is cancelled gives the keys back to the button that asked it', async () => {
    const page = await open({ key: null, account: 'analyst', hash: '#/lab?timeout=15m' })
    await page.waitForSelector('.lanes .lane')
    await page.locator('::-p-xpath(//button[text()="Go on to apply it"])').click()
    assert.equal(await page.evaluate(() => document.activeElement.id), 'apply')
    const focused = () => page.evaluate(() => document.activeElement.textContent)
    for (const close of [() => page.keyboard.press('Escape'), async () => { await page.keyboard.press('Tab'); await page.keyboard.press('Tab'); await page.keyboard.press('Enter') }]) {
      await page.focus('section[aria-labelledby=apply] button.strong')
      await page.keyboard.press('Enter')
      await page.waitForSelector('section[aria-labelledby=apply] form input')
      await close()
      await page.waitForFunction(() => document.querySelector('section[aria-labelledby=apply] form') === null)
      assert.equal(await focused(), 'Apply 15 min from now on')
    }
    await page.browserContext().close()
  })

  test('a policy is changed by its fields: another timeout, and one for a platform; all else stays, comments too', async () => {
    const page = await open({ key: null, account: 'analyst', hash: '#/settings', locale: 'ko' })
    await page.locator('details.begin summary').click()
    const field = async (name, typed) => {
      const input = await page.waitForSelector(name)
      await input.click({ count: 3 })
      await page.keyboard.press('Backspace')
      if (typed) await input.type(typed)
      await page.keyboard.press('Tab')
    }
    const written = () => page.$eval('.draft textarea', (area) => area.value)
    await page.waitForSelector('[data-field=timeout]')
    assert.equal(await page.$eval('[data-field=timeout]', (input) => input.value), '30분')
    await field('[data-field=timeout]', '3일')
    await says(page, '.fields [role=alert]', '1초와 24시간 사이')
    assert.equal(await written(), POLICY, 'what is no timeout was taken')
    await field('[data-field=timeout]', '20분')
    await field('.add .name', 'ios')
    await page.type('.add input:not(.name)', '1시간 30분')
    await page.keyboard.press('Enter')
    await page.waitForSelector('[data-platform=ios]')
    const text = POLICY.replace('"30m"', '"20m"') + '[platforms]\nios = "1h30m"\n'
    assert.equal(await written(), text)
    await page.locator('.draft .whole button').click()
    await page.waitForSelector('.draft table.measures')
    await page.locator('.draft > button.strong').click()
    await page.waitForSelector('.draft > form input')
    await page.keyboard.press('Enter')
    await until('the version', async () => (await dwell.get('Reader', '/v1/policy')).newest.number === 2)
    const { newest } = await dwell.get('Reader', '/v1/policy')
    assert.deepEqual([newest.text, newest.policy.platforms, newest.policy.users], [text, { ios: '1h30m' }, { ada: '2h' }])
    // The lab says who has a timeout of their own now.
    await until('it holds', async () => (await dwell.get('Reader', '/v1/policy')).in_force === 2)
    await page.evaluate(() => (location.hash = '#/lab'))
    await says(page, '.besides', 'ios 1시간 30분')
    assert.deepEqual(page.trouble, [])
    await page.browserContext().close()
  })
})
