// A running Dwell, what stands between it and the pages, the site that has the pages, and a browser.

import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import puppeteer from 'puppeteer-core'

const HERE = new URL('.', import.meta.url)
const DIST = new URL('../../dist/', HERE)

/** Short enough to be waited for, and what plays is believed for less than it plays. */
export const TIMEOUT = 3
export const PATIENCE = 5
const POLICY = `timeout = "${TIMEOUT}s"\nplaying_patience = "${PATIENCE}s"\n`

/** How long anything may take to be known. */
const LONGEST = 15_000

export const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

export async function until(what, asked, show = () => '') {
  const deadline = Date.now() + LONGEST
  for (;;) {
    const found = await asked()
    if (found) return found
    if (deadline < Date.now()) throw new Error(`${what} did not happen: ${JSON.stringify(await show())}`)
    await sleep(0.1)
  }
}

/** Starts `dwell serve` on a folder of its own, with one app for each name. */
export async function openDwell(binary, names) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dwell-sdk-'))
  const data = path.join(folder, 'data')
  const policy = path.join(folder, 'policy.toml')
  fs.writeFileSync(policy, POLICY)
  const command = (...args) => JSON.parse(execFileSync(binary, [...args, '--data', data, '--json'], { encoding: 'utf8' }))
  const keys = Object.fromEntries(names.map((name) => {
    const { write_key } = command('apps', 'add', name)
    return [name, { writeKey: write_key, readKey: command('keys', 'add', '--app', name, '--scope', 'read').key }]
  }))
  const args = ['serve', '--data', data, '--listen', '127.0.0.1:0', '--set', `sessions.policy=${policy}`]
  const process = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await new Promise((resolve, reject) => {
    let said = ''
    process.stdout.on('data', (more) => {
      const found = (said += more).match(/dwell listens on (http:\S+)/)
      if (found) resolve(found[1])
    })
    process.on('exit', (code) => reject(new Error(`dwell ended with ${code}`)))
  })
  return {
    url,
    app(name) {
      const { writeKey, readKey } = keys[name]
      const get = async (where) => {
        const answer = await fetch(url + where, { headers: { authorization: `Bearer ${readKey}` } })
        if (answer.status === 404) return null
        if (!answer.ok) throw new Error(await answer.text())
        return answer.json()
      }
      return {
        writeKey,
        numbers: () => get('/v1/app'),
        user: (user) => get(`/v1/users/${user}`),
        users: async () => (await get('/v1/users')).users,
        sessions: async (user) => (await get(`/v1/users/${user}/sessions`))?.sessions ?? [],
      }
    },
    async close() {
      const ended = new Promise((resolve) => process.on('exit', resolve))
      process.kill('SIGKILL')
      await ended
      fs.rmSync(folder, { recursive: true, force: true })
    },
  }
}

const listen = (server) => new Promise((resolve) => {
  server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`))
})

/** Stands between pages and Dwell: notes every request that brings events, and answers in its place when told to. */
export async function openProxy(target) {
  /** By write key. */
  const trouble = {}
  const proxy = { seen: [], trouble }
  const server = http.createServer(async (request, response) => {
    const parts = []
    for await (const part of request) parts.push(part)
    const body = Buffer.concat(parts)
    const noted = { at: Date.now(), method: request.method, url: request.url, type: request.headers['content-type'] }
    proxy.seen.push(noted)
    if (request.method === 'POST') Object.assign(noted, JSON.parse(body))
    const bad = trouble[noted.writeKey]?.shift()
    if (bad === 'break') {
      noted.status = 0
      return request.socket.destroy()
    }
    if (bad) {
      noted.status = bad.status
      // On a connection that was used before, Chromium itself tries again what breaks.
      const shared = {
        'access-control-allow-origin': '*', 'access-control-expose-headers': 'retry-after', connection: 'close',
      }
      return response.writeHead(bad.status, { ...shared, ...bad.headers }).end('{}')
    }
    const answer = await fetch(target + request.url, {
      method: request.method,
      headers: { 'content-type': request.headers['content-type'] ?? '' },
      body: request.method === 'POST' ? body : undefined,
    })
    noted.status = answer.status
    const headers = Object.fromEntries([...answer.headers].filter(([name]) => /^access|^content-type|^retry/.test(name)))
    response.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()))
  })
  proxy.url = await listen(server)
  /** The ids of all messages of an app that Dwell answered for. */
  proxy.ids = (app) => proxy.of(app).filter(({ status }) => status === 200).flatMap(({ batch }) => batch.map(({ messageId }) => messageId))
  proxy.of = (app) => proxy.seen.filter(({ writeKey }) => writeKey === app.writeKey)
  proxy.names = (app) => proxy.of(app).flatMap(({ batch }) => batch.map(({ event, name, type }) => event ?? name ?? type))
  /** What came when, for people. */
  proxy.told = (app) => proxy.of(app).map(({ at, status, batch }) => {
    const short = (time) => new Date(time).toISOString().slice(17, 23)
    const said = batch.map(({ event, name, type, timestamp, messageId }) => `${short(timestamp)} ${messageId.slice(-4)} ${event ?? name ?? type}`)
    return `${short(at)} ${status}: ${said.join(', ')}`
  }).join('\n')
  proxy.close = () => {
    server.closeAllConnections()
    server.close()
  }
  return proxy
}

/** Serves pages: the SDK by a tag with its options, or as a module; any with a policy of contents. */
export async function openSite() {
  const site = {}
  const server = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://site')
    if (pathname.startsWith('/dist/')) {
      response.setHeader('content-type', 'text/javascript')
      return response.end(fs.readFileSync(new URL('.' + pathname.slice(5), DIST)))
    }
    if (pathname === '/page.js') {
      response.setHeader('content-type', 'text/javascript')
      return response.end(fs.readFileSync(new URL('page.js', HERE)))
    }
    if (pathname === '/module.js') {
      response.setHeader('content-type', 'text/javascript')
      return response.end(`import { start } from '/dist/index.js'\nwindow.dwell = start(${searchParams.get('options')})`)
    }
    if (searchParams.has('csp')) response.setHeader('content-security-policy', searchParams.get('csp'))
    response.setHeader('content-type', 'text/html')
    const options = JSON.parse(searchParams.get('options') ?? '{}')
    const written = Object.entries(options)
      .map(([name, value]) => ` data-${name.replace(/[A-Z]/g, (letter) => '-' + letter.toLowerCase())}="${value}"`)
      .join('')
    const module = `/module.js?options=${encodeURIComponent(searchParams.get('options'))}`
    const sdk = searchParams.has('module')
      ? `<script type="module" src="${module.replace(/&/g, '&amp;')}"></script>`
      : `<script defer src="/dist/dwell.js"${written}></script>`
    response.end(`<!doctype html><title>A shop</title><script src="/page.js"></script>${sdk}<body>A shop`)
  })
  site.url = await listen(server)
  site.page = (where, options, more = {}) =>
    `${site.url}${where}?${new URLSearchParams({ options: JSON.stringify(options), ...more })}`
  site.close = () => {
    server.closeAllConnections()
    server.close()
  }
  return site
}

const found = (program) => execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim()

export const BROWSERS = {
  chromium: () => puppeteer.launch({
    protocolTimeout: 30_000,
    executablePath: found('chromium'),
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'],
  }),
  firefox: () => puppeteer.launch({
    protocolTimeout: 30_000,
    browser: 'firefox',
    executablePath: found('firefox-esr'),
    extraPrefsFirefox: {
      'media.autoplay.default': 0,
      'media.autoplay.blocking_policy': 0,
      'media.block-autoplay-until-in-foreground': false,
    },
  }),
}
