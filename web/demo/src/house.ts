// What the page asks of Dwell: the same API as everybody, with a key that opens this one app.

import type { Look, State } from './lane.ts'

export interface Keys {
  write_key: string
  read_key: string
  user: string
}

/** A session that has ended, as the API tells it. */
export interface Session {
  session_id: string
  started_at: string
  length_seconds: number
  foreground_seconds: number
  playing_seconds: number
  idle_seconds: number
  end_reason: string
}

/** What is known of the visitor at one moment. */
export interface Known {
  look: Look
  ended: number
}

interface User {
  presence: { state: State }
  open_session: { started_at: string; ends_at_unless_seen: string } | null
  closed_sessions: { count: number }
}

export async function keys(): Promise<Keys> {
  const answer = await fetch('/demo/keys.json', { cache: 'no-store' })
  if (!answer.ok) throw new Error(`${answer.status}`)
  return answer.json() as Promise<Keys>
}

export class House {
  #keys: Keys
  /** Rows that are known, and where the next ones begin. */
  #sessions = new Map<string, Session>()
  #cursor = ''

  constructor(keys: Keys) {
    this.#keys = keys
  }

  async known(): Promise<Known> {
    const user = (await this.#get('')) as User | null
    const open = user?.open_session
    const look: Look = { at: Date.now(), state: user?.presence.state ?? 'away' }
    if (open) Object.assign(look, { started: Date.parse(open.started_at), deadline: Date.parse(open.ends_at_unless_seen) })
    return { look, ended: user?.closed_sessions.count ?? 0 }
  }

  /** The latest sessions that have ended, the newest first. */
  async latest(most: number): Promise<Session[]> {
    for (;;) {
      const page = (await this.#get(`/sessions?limit=100${this.#cursor}`)) as { sessions: Session[]; next: string | null } | null
      for (const session of page?.sessions ?? []) this.#sessions.set(session.session_id, session)
      if (!page?.next) break
      this.#cursor = `&cursor=${page.next}`
    }
    const rows = [...this.#sessions.values()].sort((a, b) => b.started_at.localeCompare(a.started_at))
    return rows.slice(0, most)
  }

  async #get(rest: string): Promise<unknown> {
    const answer = await fetch(`/v1/users/${encodeURIComponent(this.#keys.user)}${rest}`, {
      headers: { authorization: `Bearer ${this.#keys.read_key}` },
      cache: 'no-store',
    })
    if (answer.status === 404) return null
    if (!answer.ok) throw new Error(`${answer.status}`)
    return answer.json()
  }
}
