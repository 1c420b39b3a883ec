// A browser without a browser: a clock that is moved by hand, tabs that share their storage, and a server that obeys.
// What real browsers do is tested in browser/.

import fs from 'node:fs'
import vm from 'node:vm'

const script = new vm.Script(fs.readFileSync(new URL('../dist/dwell.js', import.meta.url), 'utf8'))

export const START = Date.parse('2026-01-05T09:00:00Z')

class Target {
  listeners = []
  addEventListener(type, listener, capture = false) {
    const same = ([t, l, c]) => t === type && l === listener && c === capture
    if (!this.listeners.some(same)) this.listeners.push([type, listener, capture])
  }
  fire(type, more = {}) {
    const event = { type, target: this, ...more }
    this.hear(event)
  }
  hear(event) {
    for (const [type, listener] of [...this.listeners]) if (type === event.type) listener(event)
  }
}

/** A media element; `inside` is the document that shows it, if one does. */
class Media extends Target {
  paused = true
  ended = false
  currentTime = 0
  duration = 3600
  playbackRate = 1
  muted = false
  volume = 1
  loop = false
  constructor(tagName, inside) {
    super()
    Object.assign(this, { tagName, inside })
  }
  fire(type) {
    const event = { type, target: this }
    this.inside?.hear(event)
    this.hear(event)
  }
  play() {
    this.paused = false
    this.fire('playing')
  }
  pause() {
    this.paused = true
    this.fire('pause')
  }
}

export class World {
  /** What timers obey. */
  ticks = START
  /** How far the clock on the wall is from it: it can be put back, and goes on while the machine sleeps. */
  skew = 0
  timers = []
  tabs = []
  stored = new Map()
  storageDenied = false
  /** What the server does next: a status, `[status, headers, body]`, or `offline`. 200 when the list is empty. */
  answers = []
  /** Every body that the server saw, with when and what it said. */
  seen = []
  beaconWorks = true
  locks = true
  lock = Promise.resolve()
  /** Seconds that an answer takes. */
  latency = 0

  get now() {
    return this.ticks + this.skew
  }

  /** Lets time pass, timers fire, and what they began settle. */
  async pass(seconds) {
    const until = this.ticks + seconds * 1000
    await settle()
    for (;;) {
      this.timers.sort((a, b) => a.at - b.at)
      const next = this.timers[0]
      if (!next || until < next.at) break
      this.ticks = Math.max(this.ticks, next.at)
      if (next.every) next.at += next.every
      else this.timers.shift()
      next.run()
      await settle()
    }
    this.ticks = until
    await settle()
  }

  serve(tab, body, how) {
    const answer = this.answers.shift() ?? 200
    if (answer === 'offline') throw new TypeError('Failed to fetch')
    const [status, headers, said] = Array.isArray(answer) ? answer : [answer, {}, { success: true }]
    this.seen.push({ at: this.now, tab, how, status, ...JSON.parse(body) })
    return { status, ok: 199 < status && status < 300, headers: new Headers(headers), json: async () => said }
  }

  /** All events that the server accepted, in the order in which they came. */
  get accepted() {
    return this.seen.filter(({ status }) => status === 200).flatMap(({ batch }) => batch)
  }

  storageOf(tab) {
    const world = this
    const open = () => {
      if (world.storageDenied) throw new DOMException('denied', 'SecurityError')
      return world.stored
    }
    const methods = {
      getItem: (key) => open().get(key) ?? null,
      setItem(key, value) {
        if (world.room < key.length + value.length) throw new DOMException('full', 'QuotaExceededError')
        open().set(key, `${value}`)
        for (const other of world.tabs) if (other !== tab) other.window.fire('storage', { key, newValue: `${value}` })
      },
      removeItem: (key) => void open().delete(key),
    }
    return new Proxy(methods, {
      ownKeys: () => [...open().keys()],
      getOwnPropertyDescriptor: (_, key) => ({ value: open().get(key), enumerable: true, configurable: true }),
    })
  }

  /** Opens a tab and starts the SDK in it. */
  open(options = {}, { visible = true, url = 'https://shop.example/cart?code=1#x', mediaSession } = {}) {
    const world = this
    const window = new Target()
    const document = new Target()
    const tab = { window, document, dead: false, dropped: [] }
    const visibility = (value) => {
      document.visibilityState = value
      document.fire('visibilitychange')
    }
    document.visibilityState = visible ? 'visible' : 'hidden'
    Object.assign(document, { title: 'Cart', referrer: 'https://search.example/?q=secret', currentScript: null })
    class FakeDate extends Date {
      constructor(...at) {
        super(...(at.length ? at : [world.now]))
      }
      static now() {
        return world.now
      }
    }
    const timer = (run, time = 0, every) => {
      const one = { at: world.ticks + time, every: every && Math.max(1, time), run: () => !tab.dead && run() }
      world.timers.push(one)
      return one
    }
    const { origin, pathname, search } = new URL(url)
    const sandbox = {
      document, URLSearchParams, TextEncoder, Headers, crypto: globalThis.crypto,
      EventTarget: Target,
      Date: FakeDate,
      performance: { now: () => world.ticks },
      location: { origin, pathname, search },
      addEventListener: window.addEventListener.bind(window),
      setTimeout: (run, time) => timer(run, time),
      setInterval: (run, time) => timer(run, time, true),
      clearTimeout: (one) => (world.timers = world.timers.filter((other) => other !== one)),
      AbortSignal: {},
      navigator: {
        mediaSession,
        locks: world.locks
          ? { request: (_, run) => (world.lock = world.lock.then(run)) }
          : undefined,
        sendBeacon(_, body) {
          if (!world.beaconWorks) return false
          try {
            world.serve(tab, body, 'beacon')
          } catch {
            // A beacon that fails does so in silence.
          }
          return true
        },
      },
      fetch: async (_, { body }) => {
        await settle(1)
        const answer = world.serve(tab, body, 'fetch')
        if (world.latency) await new Promise((resolve) => timer(resolve, world.latency * 1000))
        return tab.dead ? new Promise(() => {}) : answer
      },
    }
    Object.defineProperty(sandbox, 'localStorage', { get: () => tab.storage })
    sandbox.window = sandbox
    tab.storage = this.storageOf(tab)
    vm.createContext(sandbox)
    script.runInContext(sandbox)
    this.tabs.push(tab)
    const onDrop = (...told) => tab.dropped.push(told)
    const given = { host: 'https://dwell.example/', writeKey: 'dw_w_1', onDrop, ...options }
    return Object.assign(tab, {
      dwell: sandbox.dwell.start(given),
      media: (tagName, shown = true) => new Media(tagName, shown ? document : undefined),
      hide: () => visibility('hidden'),
      show: () => visibility('visible'),
      /** Closes it as browsers do, or puts it away to come back. */
      close: ({ persisted = false } = {}) => {
        window.fire('pagehide', { persisted })
        visibility('hidden')
        tab.dead = !persisted
        if (!persisted) this.tabs = this.tabs.filter((other) => other !== tab)
      },
      kill: () => {
        tab.dead = true
        this.tabs = this.tabs.filter((other) => other !== tab)
      },
    })
  }
}

/** Lets promises settle. */
export async function settle(turns = 20) {
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
}

/** What each event was, briefly. */
export const names = (events) => events.map(({ event, name, type }) => event ?? name ?? type)
