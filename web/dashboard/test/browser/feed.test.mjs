// A page that slept while the feed was swept: what it heard last is no longer there, and Live begins anew with what is.
//
// A feed is kept for an hour at least, and nobody waits for that: the people of a demo were told as of their own time, so that what
// was told of them is days old.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openBrowser, openPage, sleep, until } from './house.mjs'

const BINARY = path.resolve(process.env.DWELL ?? '../../target/release/dwell')
/** So many that most of them are not told yet when the demo is stopped, however late that is seen. */
const DAYS = ['--users', '600', '--days', '40', '--seed', '3']
/** How long a past may take to be told, and a feed to be swept: it is looked once a minute what has grown old. In milliseconds. */
const LONG = 120_000

let folder, data, port, url, browser, keys
const running = new Set()

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

/** Starts a command of Dwell on the port, and stops it with its own signal. */
function start(...args) {
  const child = spawn(BINARY, [...args, '--listen', `127.0.0.1:${port}`], { stdio: 'ignore' })
  running.add(child)
  const ended = new Promise((resolve) => child.on('exit', (code) => {
    running.delete(child)
    resolve(code)
  }))
  return {
    async stop() {
      child.kill('SIGINT')
      assert.equal(await ended, 0, `${args[0]} did not stop well`)
    },
  }
}

const asked = async (where, key) => {
  const answer = await fetch(url + where, key ? { headers: { authorization: `Bearer ${key}` } } : {})
  if (!answer.ok) throw new Error(`${where}: ${answer.status}`)
  return answer
}
const feed = async () => (await asked('/v1/sessions?limit=1', keys.read_key)).json()
const ready = () => until('an answer', () => asked('/readyz').catch(() => undefined))

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dwell-feed-'))
  data = path.join(folder, 'demo')
  port = await freePort()
  url = `http://127.0.0.1:${port}`
  browser = await openBrowser()
})

after(async () => {
  await browser?.close()
  for (const child of running) child.kill('SIGKILL')
  fs.rmSync(folder, { recursive: true, force: true })
})

describe('a feed that was swept', { timeout: 400_000 }, () => {
  test('Live begins anew where what it heard last was dropped while it slept, and hears what comes', async () => {
    // Some of the past is told, and looked at in a copy: by the clock of today all sessions that are open in it end at once, and what is
    // so told is young, and would keep all behind it from being swept.
    let demo = start('demo', '--folder', data, ...DAYS)
    keys = await until('the keys', () => asked('/demo/keys.json').then((answer) => answer.json()).catch(() => undefined))
    await until('some of the past', async () => (await feed()).next > 50)
    await demo.stop()
    const copy = path.join(folder, 'copy')
    fs.cpSync(data, copy, { recursive: true, filter: (file) => !file.endsWith('.sock') })
    let server = start('serve', '--data', copy)
    await ready()
    const page = await openPage(browser, url, { key: keys.read_key, hash: '#/live' })
    await page.waitForSelector('main > p .light.on')
    await page.waitForSelector('section[aria-labelledby=news] td')
    await sleep(2)
    const then = await feed()
    await page.setOfflineMode(true)
    await server.stop()
    await page.waitForSelector('main > p .light:not(.on)')
    // The rest of it is told meanwhile, and all that is old is dropped.
    demo = start('demo', '--folder', data, ...DAYS)
    await until('the rest of the past', async () => (await feed().catch(() => ({ next: 0 }))).next > then.next + 100, LONG)
    await sleep(2)
    await demo.stop()
    server = start('serve', '--data', data, '--set', 'feed.keep=1h')
    await ready()
    // Who asks in the moment of the sweep may hear that it is under way.
    await until('the sweep', async () => (await feed().catch(() => ({ first: 0 }))).first > then.next, LONG)
    const told = []
    page.on('response', (answer) => answer.url().includes('/v1/sessions') && told.push([new URL(answer.url()).pathname.split('/').at(-1), answer.status()]))
    await page.setOfflineMode(false)
    await page.waitForSelector('main > p .light.on')
    assert.deepEqual(told[0], ['stream', 410], `${JSON.stringify(told)}`)
    assert.ok(told.slice(1).every(([, status]) => status === 200) && told.at(-1)[0] === 'stream', `${JSON.stringify(told)}`)
    assert.equal(await page.$('main [role=alert]'), null)
    const rows = () => page.$$eval('section[aria-labelledby=news] tbody tr', (all) => all.map((row) => [row.cells[1].textContent, row.cells[2].textContent]))
    // What is shown is what the feed has now, the newest first, and nothing of what was dropped.
    const { first, next } = await feed()
    const { statements } = await (await asked(`/v1/sessions?after=${Math.max(first, next - 12) - 1}&limit=12`, keys.read_key)).json()
    await until('what the feed has', async () => JSON.stringify((await rows()).map(([user]) => user)) === JSON.stringify(statements.toReversed().map(({ user }) => user)))
    const sent = await fetch(`${url}/v1/track`, {
      method: 'POST', headers: { authorization: `Basic ${btoa(`${keys.write_key}:`)}` }, body: JSON.stringify({ userId: 'awake', event: 'Application Opened' }),
    })
    assert.ok(sent.ok)
    await until('who came', async () => JSON.stringify((await rows())[0]) === '["awake","came"]')
    assert.equal((await rows()).filter(([user]) => user === 'awake').length, 1, 'they are shown once')
    await page.browserContext().close()
    await server.stop()
  })
})
