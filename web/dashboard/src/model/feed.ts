// The feed of sessions as it comes in: what was said last, and who is here by it.

import type { components } from '../api/types.ts'

export type Statement = components['schemas']['Statement']

/** How many statements and people are remembered: a page that is left open does not grow. */
export const MOST = 300

export interface Heard {
  /** The newest first. */
  statements: Statement[]
  /** Who began and has not ended, with the moment of the beginning. The newest last. */
  here: Map<string, string>
}

export const silence = (): Heard => ({ statements: [], here: new Map() })

/** Takes one statement in. Of somebody who was erased nothing stays, not even that they were. */
export function hear(heard: Heard, statement: Statement): Heard {
  if (statement.type === 'session.erased') return heard
  const here = new Map(heard.here)
  if (statement.type === 'user.erased') {
    here.delete(statement.user)
    return { statements: heard.statements.filter(({ user }) => user !== statement.user), here }
  }
  if (statement.type === 'session.started') {
    here.delete(statement.user)
    here.set(statement.user, statement.started_at!)
  } else if (statement.type === 'session.ended') {
    here.delete(statement.user)
  }
  for (const user of here.keys()) {
    if (here.size <= MOST) break
    here.delete(user)
  }
  return { statements: [statement, ...heard.statements].slice(0, MOST), here }
}

/** Splits a stream of server-sent events into their parts, as far as they are whole; what is left is begun. */
export function readEvents(text: string): { events: { id?: string; data: string }[]; rest: string } {
  const whole = text.split(/\r?\n\r?\n/)
  const rest = whole.pop()!
  const events = whole.flatMap((block) => {
    let id: string | undefined
    const data: string[] = []
    for (const line of block.split(/\r?\n/)) {
      const colon = line.indexOf(':')
      const [name, value] = colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')]
      if (name === 'id') id = value
      if (name === 'data') data.push(value)
    }
    return data.length === 0 ? [] : [{ ...(id === undefined ? {} : { id }), data: data.join('\n') }]
  })
  return { events, rest }
}

/** After which number to ask so that what is remembered of the feed is told: the newest of it. `undefined` is from its beginning on. */
export function latest({ first, next }: { first: number; next: number }): number | undefined {
  const from = Math.max(first, next - MOST)
  return from === 0 ? undefined : from - 1
}
