// Questions to Dwell. A key goes in a header of each, and nowhere else; without one, the browser sends the cookie of whoever
// signed in, which no script can read.

import type { components, paths } from './types.ts'
import { readEvents, type Statement } from '../model/feed.ts'

export type AppInfo = components['schemas']['Apps']['apps'][number]
export type Schemas = components['schemas']

type Answer<P extends keyof paths> = paths[P] extends {
  get: { responses: { 200: { content: { 'application/json': infer A } } } }
} ? A : never

type Written<P extends keyof paths, M extends 'put' | 'post'> = paths[P] extends {
  [K in M]: { responses: { 200: { content: { 'application/json': infer A } } } }
} ? A : never

/** What Dwell answers when it does not answer: `code` does not change, `detail` is a sentence. */
export class Problem extends Error {
  /** After how many seconds to come again, where that was said. */
  constructor(readonly status: number, readonly code: string, detail: string, readonly wait?: number) {
    super(detail)
  }
}

/** Nobody answered: there is no way to the server, or no server. */
export class Unreached extends Error {
  override readonly name = 'Unreached'
}

/** How long an answer may take, in milliseconds. */
const LONGEST = 30_000

/** Asks with a key or a cookie, where it takes it about an app. Calls `ended` when neither opens anything any more. */
export class Client {
  constructor(readonly key: string | null, readonly app?: string, readonly ended: () => void = () => {}) {}

  async get<P extends keyof paths>(path: P, names: Record<string, string> = {}, query: Record<string, string> = {}): Promise<Answer<P>> {
    const answer = await this.#fetch(this.#url(path, names, query), AbortSignal.timeout(LONGEST))
    return (await answer.json()) as Answer<P>
  }

  /** Changes something, where it says so in place of another version. */
  async send<M extends 'put' | 'post', P extends keyof paths>(
    method: M, path: P, body: unknown, names: Record<string, string> = {}, replaces?: number,
  ): Promise<Written<P, M>> {
    const headers: Record<string, string> = replaces === undefined ? {} : { 'if-match': `"${replaces}"` }
    const said = { method: method.toUpperCase(), body: JSON.stringify(body), headers }
    const answer = await this.#fetch(this.#url(path, names, {}), AbortSignal.timeout(LONGEST), said)
    return (await answer.json()) as Written<P, M>
  }

  /** Has a user erased, for good. */
  async erase(user: string): Promise<Schemas['Erasure']> {
    const answer = await this.#fetch(this.#url('/v1/users/{user}', { user }, {}), AbortSignal.timeout(LONGEST), { method: 'DELETE' })
    return (await answer.json()) as Schemas['Erasure']
  }

  /** Fetches all that there is of a user. It takes as long as it takes, and what was broken off is none. */
  async exported(user: string, signal: AbortSignal): Promise<Blob> {
    const file = await (await this.#fetch(this.#url('/v1/users/{user}/export', { user }, {}), signal)).blob()
    const last = (await file.text()).trimEnd().split('\n').at(-1) ?? ''
    if ((JSON.parse(last || '{}') as { type?: string }).type !== 'end') throw new Error('the file was broken off')
    return file
  }

  /** Follows the feed after a number, or where nothing was told yet from one on, until the signal, and comes again after a break with
   * what it had. Where that is older than the feed is kept, it says so: from there on something would be missing. */
  async follow({ after, from }: { after: number | undefined; from: number }, hear: (statement: Statement) => void, tell: (connected: boolean) => void, signal: AbortSignal): Promise<void> {
    let wait = 500
    while (!signal.aborted) {
      try {
        const url = this.#url('/v1/sessions/stream', {}, after === undefined ? { from: String(from) } : { after: String(after) })
        const answer = await this.#fetch(url, signal)
        tell(true)
        wait = 500
        const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
        let text = ''
        for (;;) {
          const { done, value } = await reader.read()
          if (done) break
          const { events, rest } = readEvents(text + value)
          text = rest
          for (const { id, data } of events) {
            if (id !== undefined) after = Number(id)
            hear(JSON.parse(data) as Statement)
          }
        }
      } catch (error) {
        if (!signal.aborted && error instanceof Problem && error.status === 410) throw error
        if (signal.aborted || (error instanceof Problem && error.status < 500)) return
      }
      tell(false)
      await new Promise((resolve) => setTimeout(resolve, wait))
      wait = Math.min(wait * 2, 15_000)
    }
  }

  #url(path: string, names: Record<string, string>, query: Record<string, string>): string {
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name]!))
    const asked = new URLSearchParams({ ...query, ...(this.app === undefined ? {} : { app: this.app }) })
    return asked.size === 0 ? filled : `${filled}?${asked}`
  }

  async #fetch(url: string, signal: AbortSignal, said: { method?: string; body?: string; headers?: Record<string, string> } = {}): Promise<Response> {
    const authorization: Record<string, string> = this.key === null ? {} : { authorization: `Bearer ${this.key}` }
    // Browsers say so by a TypeError, whose words differ.
    const answer = await fetch(url, { ...said, headers: { ...said.headers, ...authorization }, signal })
      .catch((error: unknown) => { throw error instanceof TypeError ? new Unreached(error.message) : error })
    if (answer.ok) return answer
    const problem = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string }
    const wait = answer.headers.get('retry-after')
    if (answer.status === 401) this.ended()
    throw new Problem(answer.status, problem.code ?? 'unknown', problem.detail ?? answer.statusText, wait === null ? undefined : Number(wait))
  }
}
