/**
 * Tells Dwell who is here and what plays.
 *
 * `start` is all of it. It holds no rule of sessions: it says what happened and when, and Dwell decides.
 */
import { draw, idsOf } from './id.js'
import { watchMedia } from './media.js'
import { openQueue } from './queue.js'
import { openSender } from './send.js'
import { openStore } from './store.js'
import type { Dwell, DropReason, Options } from './types.js'

export type { Dwell, DropReason, Options, Playing } from './types.js'

/**
 * Where one page leaves the front and another comes there, both say so, in requests of their own, and Dwell puts their
 * times right by when each request came in. So the one that is there waits, in milliseconds, and has the last word.
 */
const SETTLE = 500

/** How long ago a page may have left the front for that. */
const RECENT = 5_000

/** A URL without what often holds secrets. */
const bare = (url: string) => url.split(/[?#]/)[0]

/** Starts to listen. To be called once, in a browser. */
export const start = (options: Options): Dwell => {
  const store = openStore(`dwell.${options.writeKey}.`)
  const random = draw()
  const newId = idsOf(random)

  const isAllowed = () => (store.get('o') ?? (options.consent === false ? '0' : '1')) == '1'

  const drop = (reason: DropReason, count: number, detail?: unknown) => {
    // What the server rejected it has counted itself.
    if (reason != 'rejected' && isAllowed()) store.set('d', `${+(store.get('d') ?? 0) + count}`)
    setTimeout(() => options.onDrop?.(reason, count, detail))
  }

  const queue = openQueue(store, random, newId, drop)
  const sender = openSender(options, isAllowed, store, queue, drop)

  const remembered = (key: string, make: () => string) => {
    if (!store.get(key)) store.set(key, make())
    return store.get(key)!
  }

  const say = (type: string, fields: object) => {
    if (!isAllowed()) return
    const messageId = newId()
    let text
    try {
      text = JSON.stringify({
        type,
        messageId,
        timestamp: new Date().toISOString(),
        // Read anew each time: another tab may have made it, or said who it is.
        anonymousId: remembered('a', newId),
        userId: store.get('u') ?? undefined,
        ...fields,
      })
    } catch (error) {
      return drop('not_json', 1, error)
    }
    queue.put(messageId, text)
    sender.soon()
  }

  const track = (event: string, properties?: object) => say('track', { event, properties })

  const page = (name?: string, properties?: object) => {
    const { origin, pathname, search } = location
    const campaign = new URLSearchParams(search).get('utm_campaign')
    say('page', {
      name: name ?? pathname,
      properties: {
        path: pathname,
        url: bare(origin + pathname),
        title: document.title,
        referrer: bare(document.referrer),
        ...properties,
      },
      context: campaign ? { campaign: { name: campaign } } : undefined,
    })
  }

  const media = watchMedia(options, isAllowed, newId, track)

  let gone = false
  let front = false
  let told = false
  let settling: ReturnType<typeof setTimeout> | undefined

  const tell = (now: boolean) => {
    told = now
    track(`Application ${now ? 'Foregrounded' : 'Backgrounded'}`)
  }

  const settle = () => {
    clearTimeout(settling)
    settling = setTimeout(() => front && tell(true), SETTLE)
  }

  /** Says when the page comes to the front or leaves it. */
  const lookAtGround = () => {
    const now = !gone && document.visibilityState == 'visible'
    media.lookAgain(gone)
    if (now == front) return
    front = now
    clearTimeout(settling)
    if (!now) {
      if (told) tell(false)
      if (isAllowed()) store.set('h', `${Date.now()}`)
    } else if (Math.abs(Date.now() - +(store.get('h') ?? 0)) < RECENT) settle()
    else tell(true)
  }

  document.addEventListener('visibilitychange', () => {
    lookAtGround()
    if (front) void sender.flush()
    else sender.hurry()
  })
  // Twice, since Firefox may end the script of a page that is being closed, and then goes on with the next listener.
  for (const capture of [true, false]) {
    addEventListener(
      'pagehide',
      () => {
        gone = true
        store.offHand(() => {
          lookAtGround()
          sender.leave()
        })
      },
      capture,
    )
  }
  addEventListener('pageshow', () => {
    gone = false
    lookAtGround()
  })
  addEventListener('online', () => void sender.flush())
  addEventListener('storage', ({ key, newValue }) => {
    if (front && newValue && key == store.prefix + 'h') settle()
  })

  const reset = () => {
    if (store.get('u')) track('user_changed')
    store.remove('u')
    store.remove('a')
  }

  const forget = () => store.keys('').forEach(store.remove)

  lookAtGround()
  if (options.page) page()
  sender.soon()

  return {
    identify(userId, traits) {
      if (!isAllowed()) return
      const before = store.get('u')
      if (before && before != userId) reset()
      store.set('u', userId)
      say('identify', { traits })
    },
    track,
    page,
    playing: media.playing,
    stopped: media.stopped,
    watch: media.watch,
    reset,
    optIn() {
      store.set('o', '1')
      front = told = false
      lookAtGround()
    },
    optOut() {
      forget()
      store.set('o', '0')
      media.lookAgain()
    },
    flush: sender.flush,
  }
}
