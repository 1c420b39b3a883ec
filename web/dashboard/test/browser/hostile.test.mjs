// What anybody may call themselves, their apps and their doings is text on every screen, and never more.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { logIn, openBrowser, openDwell, openPage, until } from './house.mjs'

const BINARY = path.resolve(process.env.DWELL ?? '../../target/release/dwell')
const CORPUS = JSON.parse(fs.readFileSync(new URL('../../../../tests/hostile/strings.json', import.meta.url), 'utf8'))
const STRINGS = Object.values(CORPUS).flat()

/** What the server takes as a user, a note, the name of an app or of an account; that it does is part of what is tested. */
const isUser = (text) => !/^[\t\n\f\r ]*$/.test(text)
const isNote = (text) => [...text].length <= 500 && !/\p{Cc}/u.test(text)
const isName = (text) => [...text].length <= 64 && isNote(text) && text.trim() === text && text !== '' && !/^[\u0085\ufeff]|[\u0085\ufeff]$/.test(text)
const isAccount = (text) => isName(text) && !/\s|\p{Zs}/u.test(text)
/** A browser takes these for steps in a path, however they are written: nobody can be asked about by them. */
const isSteps = (text) => text === '.' || text === '..'

const USERS = STRINGS.filter(isUser)
const ACCOUNTS = STRINGS.filter(isAccount).filter((_, place) => place % 20 === 0)

let dwell, browser, key
const names = []

/** Two sightings a day ago, which are a session, and one now. */
function events(user, number) {
  const then = Date.now() - 86_400_000
  const at = (when) => new Date(when).toISOString()
  const context = { os: { name: user }, device: { id: `device ${user}` }, platform: user, locale: user, traits: { name: user } }
  const properties = { [user]: user, name: user, url: user }
  const say = (rest) => ({ type: 'track', userId: user, event: user, context, properties, ...rest })
  return [
    say({ messageId: user, timestamp: at(then) }),
    say({ messageId: `${user} 2`, timestamp: at(then + 300_000) }),
    { type: 'track', anonymousId: `nobody ${user}`, event: user, messageId: `nobody ${user}`, timestamp: at(then + number) },
  ]
}

before(async () => {
  dwell = await openDwell(BINARY, ['Reader', 'Later'])
  key = dwell.apps.Reader.readKey
  await dwell.send('Reader', USERS.flatMap(events))
  const send = (where, method, body, headers = {}) => fetch(dwell.url + where, {
    method, body: JSON.stringify(body), headers: { authorization: `Bearer ${dwell.adminKey}`, 'content-type': 'application/json', ...headers },
  })
  const app = `app=${dwell.ids.Reader}`
  const notes = STRINGS.filter(isNote)
  for (const [place, note] of notes.entries()) {
    const text = `timeout = "30m" # ${note}\n[users]\n${JSON.stringify(note)} = "10m"\n`
    const answer = await send(`/v1/policy?${app}`, 'PUT', { text, note }, { 'if-match': `"${place}"` })
    assert.equal(answer.status, 200, `${note}: ${await answer.text()}`)
  }
  const like = new Set()
  for (const name of STRINGS.filter(isName)) {
    if (like.has(name.toLowerCase()) || like.size === 60) continue
    like.add(name.toLowerCase())
    const answer = await send('/v1/apps', 'POST', { name, zone: 'UTC' })
    assert.equal(answer.status, 200, `${name}: ${await answer.text()}`)
    names.push(name)
  }
  for (const account of ACCOUNTS) dwell.addAccount(account, 'analyst')
  browser = await openBrowser()
})

after(async () => {
  await browser?.close()
  await dwell?.close()
})

/** A page that notes everything a string could do but be read. */
async function open(options) {
  const page = await openPage(browser, dwell.url, { key, watch: true, ...options })
  page.on('dialog', (dialog) => {
    page.trouble.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  return page
}

/** Closes a page on which nothing was to happen, and says what did. */
async function close(page) {
  const { hit, violations } = await page.evaluate(() => ({ hit: window.__hit, violations: window.__violations }))
  assert.equal(hit, undefined, 'a script of the corpus has run')
  assert.deepEqual(violations, [])
  assert.deepEqual(page.trouble.filter((one) => !/ 40[04] /.test(one)), [])
  assert.deepEqual(page.foreign, [], 'somebody else was asked')
  await page.browserContext().close()
}

const texts = (page, selector) => page.$$eval(selector, (all) => all.map((one) => one.textContent))
const go = (page, hash) => page.evaluate((hash) => (location.hash = hash), hash)

async function allPages(page, region) {
  for (;;) {
    const before = (await page.$$(`${region} li, ${region} tbody tr`)).length
    const more = await page.$(`${region} > button`)
    if (!more) return
    await more.click()
    await page.waitForFunction((region, before) =>
      document.querySelectorAll(`${region} li, ${region} tbody tr`).length > before || !document.querySelector(`${region} > button`), {}, region, before)
  }
}

describe(`${STRINGS.length} hostile strings`, { timeout: 300_000 }, () => {
  test('the corpus is what it says', () => {
    assert.ok(200 <= STRINGS.length && new Set(STRINGS).size === STRINGS.length, `${STRINGS.length}`)
    assert.ok(0.9 * STRINGS.length < USERS.length, `only ${USERS.length} are users`)
    assert.ok(40 < names.length && 4 < ACCOUNTS.length, `${names.length} apps, ${ACCOUNTS.length} accounts`)
  })

  test('everybody stands in the list of users, and can be looked at', async () => {
    const page = await open({ hash: '#/users' })
    await page.waitForSelector('section li')
    await allPages(page, 'section')
    const shown = new Set(await texts(page, 'section li a'))
    assert.deepEqual(USERS.filter((user) => !shown.has(user)), [])
    assert.deepEqual(USERS.filter((user) => !shown.has(`nobody ${user}`)), [])
    const links = await page.$$eval('section li a', (all) => all.map((one) => [one.textContent, one.getAttribute('href')]))
    for (const [user, link] of links.filter(([user]) => USERS.includes(user))) {
      await go(page, link)
      if (isSteps(user)) {
        await page.waitForFunction(() => document.querySelector('[role=alert]')?.textContent.includes('nobody can be asked about'))
        continue
      }
      await page.waitForFunction((user) => document.querySelector('h1')?.textContent === user && document.querySelector('.lanes g') !== null, {}, user)
    }
    await close(page)
  })

  test('who is not there is named in words', async () => {
    const page = await open({ hash: '#/users/x' })
    for (const text of STRINGS.filter((text) => text !== '' && !isSteps(text))) {
      await go(page, `#/users/${encodeURIComponent(`?${text}`)}`)
      await page.waitForFunction((text) => document.querySelector('[role=alert]')?.textContent.includes(`?${text}`), {}, text)
    }
    await close(page)
  })

  test('who comes while one looks stands on the live screen', async () => {
    const page = await open({ key: dwell.apps.Later.readKey, hash: '#/live' })
    for (let from = 0; from < USERS.length; from += 12) {
      const some = USERS.slice(from, from + 12)
      await dwell.send('Later', some.map((user) => ({ type: 'track', userId: user, event: user, messageId: user, context: { os: { name: user } } })))
      for (const place of ['section[aria-labelledby=here] li a', 'section[aria-labelledby=news] td a']) {
        await page.waitForFunction((place, some) => {
          const shown = new Set([...document.querySelectorAll(place)].map((one) => one.textContent))
          return some.every((user) => shown.has(user))
        }, {}, place, some)
      }
    }
    await close(page)
  })

  test('notes, texts of policies, apps and authors stand in the settings', async () => {
    const page = await open({ key: dwell.adminKey, hash: `#/settings?app=${dwell.ids.Reader}` })
    await page.waitForSelector('#policy')
    await page.waitForSelector('section[aria-labelledby=policy] tbody tr')
    await allPages(page, 'section[aria-labelledby=policy]')
    const notes = STRINGS.filter(isNote)
    const rows = await page.$$eval('section[aria-labelledby=policy] tbody tr', (all) => all.map((row) => row.cells[3].childNodes[0].textContent.trim() || row.cells[3].textContent))
    const shown = rows.join('\n')
    assert.deepEqual(notes.filter((note) => !shown.includes(note.trim())), [])
    const details = await page.$$('section[aria-labelledby=policy] details')
    for (const one of details.slice(0, 40)) await one.evaluate((details) => (details.open = true))
    await page.waitForFunction(() => [...document.querySelectorAll('section[aria-labelledby=policy] details[open] pre')].every((pre) => pre.textContent.startsWith('timeout')))
    const listed = (await texts(page, 'section[aria-labelledby=apps] tbody th')).join('\n')
    const chosen = await texts(page, 'header option')
    assert.deepEqual(names.filter((name) => !listed.includes(name) || !chosen.includes(name)), [])
    await close(page)
  })

  test('notes stand beside the overview, and every app has its screens', async () => {
    const page = await open({ hash: '#/overview?days=1&last=today' })
    await page.waitForSelector('canvas')
    const listed = (await texts(page, 'main li')).join('\n')
    assert.deepEqual(STRINGS.filter(isNote).filter((note) => !listed.includes(note)), [])
    await close(page)
    const admin = await open({ key: dwell.adminKey, hash: '#/overview' })
    const apps = await admin.$$eval('header option', (all) => all.map((one) => [one.value, one.textContent]))
    for (const [app, name] of apps.filter(([, name]) => names.includes(name)).slice(0, 12)) {
      for (const [screen, there] of [['overview', 'canvas'], ['live', '#news'], ['lab', 'h1'], ['users', '#user'], ['settings', '#keys']]) {
        await go(admin, `#/${screen}?app=${app}`)
        await admin.waitForSelector(there)
        await admin.waitForFunction((name) => document.querySelector('header select').selectedOptions[0].textContent === name, {}, name)
      }
    }
    await close(admin)
  })

  test('addresses that others wrote are read, and do nothing', async () => {
    const page = await open({ hash: '#/lab' })
    await page.waitForSelector('[role=slider]')
    for (const [place, text] of STRINGS.entries()) {
      const word = encodeURIComponent(text)
      const wild = [`#/lab?timeout=${word}`, `#/overview?days=${word}&last=${word}&metric=${word}`, `#/${word}`, `#/live?app=${word}`, `#${text}`]
      await go(page, wild[place % wild.length])
    }
    await go(page, '#/lab')
    await page.waitForSelector('[role=slider]')
    await close(page)
  })

  test('whoever signs in under such a name is greeted by it, and it stands as the author', async () => {
    for (const [place, account] of ACCOUNTS.slice(0, 5).entries()) {
      const page = await open({ key: null, account, hash: `#/lab?timeout=${place + 7}m&app=${dwell.ids.Reader}` })
      assert.ok((await texts(page, 'header .soft')).includes(account))
      await page.waitForSelector('#apply')
      // What is counted anew moves all below it, once.
      await page.waitForSelector('.lanes .lane')
      await page.locator('section[aria-labelledby=apply] button.strong').click()
      await page.waitForSelector('section[aria-labelledby=apply] input')
      await page.keyboard.press('Enter')
      await page.waitForSelector('section[aria-labelledby=apply] [role=status]:not(:empty)')
      await go(page, `#/settings?app=${dwell.ids.Reader}`)
      await page.waitForFunction((account) => [...document.querySelectorAll('section[aria-labelledby=policy] td')].some((cell) => cell.textContent === account), {}, account)
      await close(page)
    }
    const page = await open({ key: null, hash: '' })
    for (const name of ['<img src=x onerror=window.__hit=1>', "' OR '1'='1"]) {
      await logIn(page, name, name)
      await page.waitForFunction(() => /no account with this name|Try again/.test(document.querySelector('#trouble').textContent))
    }
    await page.browserContext().close()
  })

  test('no length and no direction of writing breaks a screen', async () => {
    for (const user of CORPUS.lengths) {
      const page = await open({ hash: `#/users/${encodeURIComponent(user)}`, width: 390 })
      await page.waitForSelector('.lanes g')
      const wide = await page.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(wide <= 390, `the screen of ${user.slice(0, 20)}… is ${wide} wide`)
      await close(page)
    }
    for (const hash of ['#/users', '#/live', '#/overview?days=1&last=today', '#/settings']) {
      const page = await open({ hash, width: 390 })
      await page.waitForSelector('main ul li, main tbody td')
      const wide = await page.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(wide <= 390, `${hash} is ${wide} wide`)
      await close(page)
    }
  })
})
