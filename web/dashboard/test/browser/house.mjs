// A running Dwell with some days behind it, and a browser.

import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import puppeteer from 'puppeteer-core'

/** Days come in at once, and so late that the usual policy would leave most of them out. */
const POLICY = 'timeout = "30m"\nallowed_lateness = "30d"\n'

/** What everybody here signs in with. */
export const PASSWORD = 'correct horse battery'

/** How long anything may take to be known, in milliseconds. */
const LONGEST = 30_000

export const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

export async function until(what, asked, longest = LONGEST) {
  const deadline = Date.now() + longest
  for (;;) {
    const found = await asked()
    if (found) return found
    if (deadline < Date.now()) throw new Error(`${what} did not happen`)
    await sleep(0.05)
  }
}

/** Starts `dwell serve` on a folder of its own with these apps, the first of them in Seoul, and with settings beside the usual. */
export async function openDwell(binary, names, { settings = [], rules = POLICY } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dwell-dashboard-'))
  const data = path.join(folder, 'data')
  const policy = path.join(folder, 'policy.toml')
  fs.writeFileSync(policy, rules)
  const command = (...args) => JSON.parse(execFileSync(binary, [...args, '--data', data, '--json'], { encoding: 'utf8' }))
  const apps = Object.fromEntries(names.map((name, place) => {
    const zone = place === 0 ? ['--zone', 'Asia/Seoul'] : []
    const { app, write_key: writeKey } = command('apps', 'add', name, ...zone)
    return [name, { id: app.id, writeKey, readKey: command('keys', 'add', '--app', name, '--scope', 'read').key }]
  }))
  const addAccount = (name, role) =>
    execFileSync(binary, ['accounts', 'add', `--role=${role}`, `--data=${data}`, '--', name], { input: `${PASSWORD}\n` })
  for (const role of ['admin', 'analyst', 'viewer']) addAccount(role, role)
  const args = ['serve', '--data', data, '--listen', '127.0.0.1:0', '--set', `sessions.policy=${policy}`, ...settings.flatMap((one) => ['--set', one])]
  const server = spawn(binary, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  const url = await new Promise((resolve, reject) => {
    server.stdout.on('data', (more) => {
      const found = (said += more).match(/dwell listens on (http:\S+)/)
      if (found) resolve(found[1])
    })
    server.on('exit', (code) => reject(new Error(`dwell ended with ${code}`)))
  })
  const get = async (where, key) => {
    const answer = await fetch(url + where, { headers: { authorization: `Bearer ${key}` } })
    if (!answer.ok) throw new Error(await answer.text())
    return answer.json()
  }
  return {
    url,
    apps,
    addAccount,
    folder,
    data,
    policy,
    ids: Object.fromEntries(Object.entries(apps).map(([name, { id }]) => [name, id])),
    adminKey: said.match(/dw_a_\w+/)[0],
    get: (name, where) => get(where, apps[name].readKey),
    /** Sends messages of an app, the newest at the moment `now`, and waits until they are counted. */
    async send(name, messages) {
      const { writeKey, readKey } = apps[name]
      const before = (await get('/v1/app', readKey)).events.read
      for (let from = 0; from < messages.length; from += 1000) {
        const batch = messages.slice(from, from + 1000)
        const body = JSON.stringify({ batch, sentAt: new Date().toISOString() })
        const headers = { authorization: `Basic ${btoa(`${writeKey}:`)}`, 'content-type': 'application/json' }
        const answer = await fetch(`${url}/v1/batch`, { method: 'POST', headers, body })
        const told = await answer.text()
        if (!answer.ok || JSON.parse(told).rejected !== 0) throw new Error(told)
      }
      await until('the counting of all events', async () =>
        (await get('/v1/app', readKey)).events.read === before + messages.length)
    },
    async close() {
      const ended = new Promise((resolve) => server.on('exit', resolve))
      server.kill('SIGKILL')
      await ended
      fs.rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** People of `dwell simulate`, moved so that the last thing happened so many seconds ago; the same ones each time. */
export function people(binary, users, days, { population = 'mixed', zones = 'utc', ago = 1 } = {}) {
  const file = path.join(os.tmpdir(), `dwell-people-${process.pid}.ndjson`)
  execFileSync(binary, ['simulate', '-q', '-o', file, '--users', String(users), '--days', String(days), '--zones', zones, '--population', population])
  const lines = fs.readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line))
  fs.rmSync(file)
  lines.sort((a, b) => (a.originalTimestamp < b.originalTimestamp ? -1 : 1))
  const later = Date.now() - Date.parse(lines.at(-1).originalTimestamp) - ago * 1000
  return lines.map(({ type, userId, event, originalTimestamp, messageId, context, properties, country }) => ({
    type, userId: userId.slice(0, 8), event, messageId, properties,
    context: { ...context, location: { country }, app: { version: Number(userId.slice(-1)) % 3 ? '4.2.0' : '4.1.3' } },
    originalTimestamp: new Date(Date.parse(originalTimestamp) + later).toISOString(),
  }))
}

export const openBrowser = (more = []) => puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--force-prefers-reduced-motion', ...more],
})

/** A page in a language and a theme, signed in with a key or as somebody, on a screen. */
export async function openPage(browser, url, { key, account, hash = '#/live', locale = 'en', theme = 'light', width = 1180, watch = false }) {
  const context = await browser.createBrowserContext()
  const page = await context.newPage()
  await page.setViewport({ width, height: 900 })
  page.trouble = []
  page.on('pageerror', (error) => page.trouble.push(String(error)))
  page.on('console', (message) => message.type() === 'error' && page.trouble.push(message.text()))
  page.foreign = []
  // What a browser draws into a field of its own it has as data: nobody is asked for it.
  page.on('request', (request) => request.url().startsWith(url) || request.url().startsWith('data:') || page.foreign.push(request.url()))
  await page.evaluateOnNewDocument((key, locale, theme, watch) => {
    if (watch) {
      window.__violations = []
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) =>
        window.__violations.push(`${violatedDirective} ${blockedURI} ${sample}`))
    }
    if (key) sessionStorage.setItem('dwell.key', key)
    localStorage.setItem('PARAGLIDE_LOCALE', locale)
    localStorage.setItem('dwell.theme', theme)
  }, key, locale, theme, watch)
  await page.goto(`${url}/${hash}`)
  if (account) {
    await page.waitForSelector('#name')
    await logIn(page, account)
  }
  await page.waitForSelector(key || account ? 'header nav' : '#name')
  return page
}

/** Signs in by name and password. */
export async function logIn(page, name, password = PASSWORD) {
  for (const [field, text] of [['#name', name], ['#password', password]]) {
    await page.$eval(field, (input) => (input.value = ''))
    await page.type(field, text)
  }
  await page.keyboard.press('Enter')
}

/** Where a timeout is in the picture: on the logarithmic axis between the marks of 10 s and 24 h. */
export const placeOf = (page, seconds) => page.evaluate((seconds) => {
  const svg = document.querySelector('.chart svg')
  svg.scrollIntoView({ block: 'start' })
  const box = svg.getBoundingClientRect()
  const [first, last] = [...svg.querySelectorAll('line.axis')].slice(0, 1).flatMap((line) => [line.x1.baseVal.value, line.x2.baseVal.value])
  const share = Math.log(seconds / 10) / Math.log(8640)
  return { x: box.left + first + share * (last - first), y: box.top + 200 }
}, seconds)
