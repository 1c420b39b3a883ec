// One person's sessions as lanes: one lane a day of the app's zone, from midnight to midnight.

import type { components } from '../api/types.ts'

export type Session = components['schemas']['Session']
type User = components['schemas']['User']
type Phases = components['schemas']['Phases']
export type State = Phases['phases'][number]['state']

/** A session as it is drawn, in milliseconds since 1970: one that is over, or the one that may still grow. */
export interface Visit {
  start: number
  end: number
  /** What is known of it when it is over. */
  session?: Session
  /** Until when it waits for its person: the open one only. */
  waits?: number
  /** What of it was what; empty where only the sums are known. */
  phases: { start: number; end: number; state: State }[]
}

/** Hours of one day, 0 to 24. */
interface Hours {
  from: number
  to: number
}

/** A part of a visit within one day. */
export interface Piece extends Hours {
  visit: Visit
  parts: (Hours & { state: State })[]
  waits?: Hours
}

export interface Lane {
  /** The date in the zone, as 2026-01-31. */
  date: string
  /** A moment of that day, in milliseconds. */
  at: number
  pieces: Piece[]
}

/** Where a moment lies among lanes, the newest of which is first: in one, at an hour; or before one, on a day that has none. */
export interface Mark {
  lane: number
  hour?: number
}

/** Where a moment is marked; nothing where it is earlier than all lanes. */
export function markOf(zone: string, lanes: Lane[], at: number): Mark | undefined {
  const { date, hour } = place(zone, at)
  const lane = lanes.findIndex((lane) => lane.date <= date)
  if (lane < 0) return undefined
  return lanes[lane]!.date === date ? { lane, hour } : { lane }
}

/** They cost far more to make than to ask. */
const clocks = new Map<string, Intl.DateTimeFormat>()

function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone)
  if (known) return known
  const made = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit',
    second: '2-digit', hourCycle: 'h23',
  })
  clocks.set(zone, made)
  return made
}

/** The date and the hour of a moment in a time zone. */
export function place(zone: string, at: number): { date: string; hour: number } {
  const parts = clockOf(zone).formatToParts(new Date(at))
  const part = (type: string) => parts.find((one) => one.type === type)!.value
  return {
    date: `${part('year')}-${part('month')}-${part('day')}`,
    hour: Number(part('hour')) + Number(part('minute')) / 60 + Number(part('second')) / 3600,
  }
}

/** Puts sessions, the open one and what is known of their insides together, the earliest first. */
export function visits(sessions: Session[], open: User['open_session'], known: Phases | undefined, now: number): Visit[] {
  const all: Visit[] = sessions.map((session) =>
    ({ start: Date.parse(session.started_at), end: Date.parse(session.ended_at), session, phases: [] }))
  if (open) {
    const waits = Date.parse(open.ends_at_unless_seen)
    const last = Date.parse(open.last_seen_at)
    all.push({ start: Date.parse(open.started_at), end: Math.max(last, Math.min(now, waits)), waits, phases: [] })
  }
  all.sort((a, b) => a.start - b.start)
  const from = known?.known_from ? Date.parse(known.known_from) : -Infinity
  let next = 0
  for (const visit of known ? all.filter((visit) => from <= visit.start) : []) {
    for (; next < known!.phases.length; next++) {
      const { from, to, state } = known!.phases[next]!
      const [start, end] = [Date.parse(from), Date.parse(to)]
      if (visit.end < end) break
      if (visit.start <= start) visit.phases.push({ start, end, state })
    }
  }
  return all
}

/** Divides a time by the days in which it lies. */
function days(zone: string, start: number, end: number): (Hours & { date: string; at: number })[] {
  const [first, last] = [place(zone, start), place(zone, end)]
  if (first.date === last.date) return [{ date: first.date, at: start, from: first.hour, to: last.hour }]
  const all = [{ date: first.date, at: start, from: first.hour, to: 24 }]
  // Noon of each day between: no zone moves its clocks by so much that a day could be passed over.
  for (let at = start + 12 * 3_600_000; at < end; at += 12 * 3_600_000) {
    const { date } = place(zone, at)
    if (date !== all.at(-1)!.date && date !== last.date) all.push({ date, at, from: 0, to: 24 })
  }
  return [...all, { date: last.date, at: end, from: 0, to: last.hour }]
}

/** Lays visits into lanes, the newest day first. A visit over midnight lies in several. */
export function lanes(zone: string, visits: Visit[]): Lane[] {
  const all = new Map<string, Lane>()
  for (const visit of visits) {
    const pieces = new Map<string, Piece>()
    for (const { date, at, from, to } of days(zone, visit.start, visit.end)) {
      const piece: Piece = { visit, from, to, parts: [] }
      const lane = all.get(date) ?? { date, at, pieces: [] }
      lane.pieces.push(piece)
      all.set(date, lane)
      pieces.set(date, piece)
    }
    for (const { start, end, state } of visit.phases) {
      for (const { date, from, to } of days(zone, start, end)) pieces.get(date)?.parts.push({ from, to, state })
    }
    if (visit.waits !== undefined && visit.end < visit.waits) {
      const [now] = days(zone, visit.end, visit.waits)
      const piece = pieces.get(now!.date)
      if (piece) piece.waits = { from: now!.from, to: now!.to }
    }
  }
  return [...all.values()].sort((a, b) => (a.date < b.date ? 1 : -1))
}
