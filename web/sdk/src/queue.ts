import { madeAt } from './id.js'
import type { Store } from './store.js'
import type { DropReason } from './types.js'

/** The most events that wait, and the most characters that they may take. */
const MOST_EVENTS = 2000
const MOST_CHARACTERS = 1_000_000

/** The largest event that Dwell takes, in bytes. */
const MOST_EVENT_BYTES = 32 * 1024

/** The most bytes of events in one body: browsers send at most 64 KiB for a page that goes. */
const MOST_BATCH_BYTES = 60_000

/** For how long nobody else touches events that one tab is sending. It is longer than an attempt may take. */
export const CLAIM = 30_000

/** How old another tab's event must be before this one sends it: its own tab sends it within a second, if it lives. */
const ORPHANED = 5_000

/** Events that one tab is sending just now. */
export interface Batch {
  claim: string
  ids: string[]
  /** Each as JSON. */
  texts: string[]
}

export interface Queue {
  /** Keeps an event, and gives up the oldest ones where there is no room. */
  put(id: string, text: string): void
  /** Claims what this tab may send. Nothing where there is nothing. */
  take(): Batch | undefined
  /** The same, of what this page said itself: no other tab touches that for some seconds, so it needs no lock. */
  takeOwn(): Batch | undefined
  /** Ends a claim. Only what was `settled` leaves the queue. */
  release(batch: Batch, settled?: boolean): void
}

const bytes = (text: string) => new TextEncoder().encode(text).length

/**
 * The queue of all tabs: each event lies under a key of its own, so no tab can overwrite what another one kept.
 *
 * What a tab is sending it claims under another key. A claim that is not released, because its tab is gone, runs out.
 */
export const openQueue = (
  store: Store,
  page: string,
  newId: () => string,
  drop: (reason: DropReason, count: number, detail?: unknown) => void,
): Queue => {
  const claimed = () => {
    const now = Date.now()
    return store.keys('c').flatMap((claim) => {
      const [until, ...ids] = (store.get(claim) ?? '').split(',')
      const left = +until! - now
      // A claim that ends further away than claims last is of a clock that was put back.
      if (left > 0 && left <= CLAIM) return ids
      store.remove(claim)
      return []
    })
  }

  const take = (orphans: boolean): Batch | undefined => {
    const now = Date.now()
    const taken = claimed()
    const ids: string[] = []
    const texts: string[] = []
    let size = 0
    for (const key of store.keys('q')) {
      const id = key.slice(1)
      const free = id.endsWith(page) || (orphans && Math.abs(now - madeAt(id)) > ORPHANED)
      const text = store.get(key)
      if (!text || !free || taken.includes(id)) continue
      size += bytes(text) + 1
      if (ids[0] && size > MOST_BATCH_BYTES) break
      ids.push(id)
      texts.push(text)
    }
    if (!ids[0]) return
    const claim = 'c' + newId()
    store.set(claim, `${now + CLAIM},${ids}`)
    return { claim, ids, texts }
  }

  return {
    put(id, text) {
      if (bytes(text) > MOST_EVENT_BYTES) return drop('too_large', 1, text)
      const kept = store.keys('q')
      const sizes = kept.map((key) => (store.get(key) ?? '').length)
      let total = sizes.reduce((sum, size) => sum + size, text.length)
      let gone = 0
      while (gone < kept.length && (kept.length - gone >= MOST_EVENTS || total > MOST_CHARACTERS)) {
        total -= sizes[gone]!
        store.remove(kept[gone++]!)
      }
      store.set('q' + id, text)
      if (gone) drop('full', gone)
    },

    take: () => take(true),
    takeOwn: () => take(false),

    release({ claim, ids }, settled) {
      if (settled) ids.forEach((id) => store.remove('q' + id))
      store.remove(claim)
    },
  }
}
