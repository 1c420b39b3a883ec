// One person's sessions as lanes: one lane a day of the app's zone, from midnight to midnight.

import type { components } from '../api/types.ts'

export type Session = components['schemas']['Session']

/** A part of a session within one day: from and to in hours of that day, 0 to 24. */
export interface Piece {
  session: Session
  from: number
  to: number
}

export interface Lane {
  /** The date in the zone, as 2026-01-31. */
  date: string
  /** A moment of that day, in milliseconds. */
  at: number
  pieces: Piece[]
}

/** The date and the hour of a moment in a time zone. */
export function place(zone: string, at: number): { date: string; hour: number } {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit',
    second: '2-digit', hourCycle: 'h23',
  }).formatToParts(new Date(at))
  const part = (type: string) => parts.find((one) => one.type === type)!.value
  return {
    date: `${part('year')}-${part('month')}-${part('day')}`,
    hour: Number(part('hour')) + Number(part('minute')) / 60 + Number(part('second')) / 3600,
  }
}

/** Lays sessions into lanes, the newest day first. A session over midnight lies in several. */
export function lanes(zone: string, sessions: Session[]): Lane[] {
  const days = new Map<string, Lane>()
  const lay = (date: string, at: number, piece: Piece) => {
    const lane = days.get(date) ?? { date, at, pieces: [] }
    lane.pieces.push(piece)
    days.set(date, lane)
  }
  for (const session of sessions) {
    const [start, end] = [Date.parse(session.started_at), Date.parse(session.ended_at)]
    const [first, last] = [place(zone, start), place(zone, end)]
    if (first.date === last.date) {
      lay(first.date, start, { session, from: first.hour, to: last.hour })
      continue
    }
    lay(first.date, start, { session, from: first.hour, to: 24 })
    // Noon of each day between: no zone moves its clocks by so much that a day could be passed over.
    for (let at = start + 12 * 3_600_000; at < end; at += 12 * 3_600_000) {
      const { date } = place(zone, at)
      if (date !== first.date && date !== last.date && !days.get(date)?.pieces.some((piece) => piece.session === session)) {
        lay(date, at, { session, from: 0, to: 24 })
      }
    }
    lay(last.date, end, { session, from: 0, to: last.hour })
  }
  return [...days.values()].sort((a, b) => (a.date < b.date ? 1 : -1))
}
