import { CLAIM, type Batch, type Queue } from './queue.js'
import type { Store } from './store.js'
import type { DropReason, Options } from './types.js'

declare const VERSION: string

/** How long events wait for company, in milliseconds. */
const COMPANY = 1_000

/** How long an attempt may take. */
const PATIENCE = 25_000

/** The longest wait between two attempts, unless the server asks for more, and the longest that it may ask for. */
const LONGEST_WAIT = 60_000
const LONGEST_ASKED = 3_600_000

export interface Sender {
  /** Sends what is kept soon, together with what comes until then. */
  soon(): void
  /** Sends what is kept now, unless the server asked for time. */
  flush(): Promise<void>
  /** Sends what is kept without waiting for anybody: the page may be gone in a moment. */
  hurry(): void
  /** Hands what is kept to the browser, which sends it when the page is gone. */
  leave(): void
}

export const openSender = (
  options: Options,
  isAllowed: () => boolean,
  store: Store,
  queue: Queue,
  drop: (reason: DropReason, count: number, detail?: unknown) => void,
): Sender => {
  const url = options.host.replace(/\/+$/, '') + '/v1/batch'
  let timer: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  let closedUntil = 0
  let busy: Promise<void> | undefined

  const isClosed = () => !isAllowed() || performance.now() < closedUntil

  const wait = (time: number) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      timer = undefined
      void flush()
    }, time)
  }

  const soon = () => {
    if (!timer) wait(COMPANY)
  }

  // No header is set and a string is sent, which is text/plain: so no browser asks for leave first.
  const bodyOf = ({ texts }: Batch, dropped: number) => {
    const context = { library: { name: 'dwell-web', version: VERSION }, platform: 'web', dropped: dropped || undefined }
    const around = JSON.stringify({ writeKey: options.writeKey, sentAt: new Date().toISOString(), context })
    return `${around.slice(0, -1)},"batch":[${texts}]}`
  }

  const countDropped = () => +(store.get('d') ?? 0)

  /** Makes one attempt, and says whether there may be more to send. */
  const attempt = async (batch: Batch): Promise<boolean> => {
    const dropped = countDropped()
    let answer: Response | undefined
    try {
      answer = await fetch(url, {
        method: 'POST',
        body: bodyOf(batch, dropped),
        keepalive: true,
        credentials: 'omit',
        signal: AbortSignal.timeout?.(PATIENCE),
      })
    } catch {
      // Nobody was reached, or nobody answered in time.
    }
    const status = answer?.status ?? 0
    if (!answer || status == 408 || status == 429 || status > 499) {
      queue.release(batch)
      const asked = Math.min(LONGEST_ASKED, +(answer?.headers.get('retry-after') ?? 0) * 1000 || 0)
      closedUntil = performance.now() + asked
      wait(asked + Math.min(LONGEST_WAIT, COMPANY * 2 ** failures++) * (0.5 + Math.random() / 2))
      return false
    }
    queue.release(batch, true)
    failures = 0
    if (!answer.ok) {
      drop('refused', batch.ids.length, status)
      return true
    }
    if (dropped && isAllowed()) store.set('d', `${countDropped() - dropped}`)
    const said = await answer.json().catch(() => 0)
    if (said?.rejected) drop('rejected', said.rejected, said.rejections)
    return true
  }

  const locked = async () => {
    try {
      // Held while events are claimed, never while they are sent: a page that holds a lock has no way back to it.
      return await navigator.locks.request(store.prefix, queue.take)
    } catch {
      return queue.take()
    }
  }

  const sendAll = async () => {
    for (let more = true; more; ) {
      const batch = await locked()
      more = !!batch && (await attempt(batch))
    }
  }

  const flush = (): Promise<void> => {
    if (isClosed()) return Promise.resolve()
    clearTimeout(timer)
    timer = undefined
    return (busy ??= sendAll().finally(() => (busy = undefined)))
  }

  // What tabs left behind that are gone, and what a claim kept from us.
  setInterval(soon, CLAIM)

  return {
    soon,
    flush,
    hurry() {
      const batch = isClosed() ? undefined : queue.takeOwn()
      if (batch) void attempt(batch)
    },
    leave() {
      const batch = isClosed() ? undefined : queue.takeOwn()
      // One is all that a browser takes of a page that goes. What became of it is never heard: so its events stay in the
      // queue, and the next page sends them again.
      if (batch && !navigator.sendBeacon(url, bodyOf(batch, 0))) queue.release(batch)
    },
  }
}
