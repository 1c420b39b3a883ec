// What every timeout would have done, from one answer of /v1/lab. No network, no page: only numbers.

import type { components } from '../api/types.ts'

export type Lab = components['schemas']['Lab']
export type Point = components['schemas']['LabPoint']

/** The axis of the lab, in seconds: what is shorter or longer is of no use as a timeout. */
export const FROM = 10
export const TO = 86_400

/** A lab that can be asked at any whole second, at once. */
export interface Curve {
  at(seconds: number): Point
  inForce: number
  /** Whole seconds and how many silences are so long, in order. */
  gaps: [number, number][]
  /** How many silences there are up to a place in `gaps`. */
  upTo: number[]
}

/** Reads an answer to `timeouts=all` in columns: one place for each whole second from 1 on. */
export function curveOf(lab: Lab): Curve {
  const columns = lab.columns!
  const gaps = lab.gaps as [number, number][]
  let sum = 0
  return {
    inForce: lab.in_force_seconds,
    at(seconds) {
      const place = Math.min(Math.max(Math.round(seconds), 1), columns.sessions.length) - 1
      return {
        timeout_seconds: columns.timeout_seconds[place]!,
        sessions: columns.sessions[place]!,
        total_length_seconds: columns.total_length_seconds[place]!,
        mean_length_seconds: columns.mean_length_seconds[place]!,
      }
    },
    gaps,
    upTo: gaps.map(([, many]) => (sum += many)),
  }
}

/** How many silences end a session under a timeout, and how many do not. A silence as long as the timeout ends it. */
export function split(curve: Curve, timeout: number): { joined: number; ended: number } {
  let [low, high] = [0, curve.gaps.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (curve.gaps[middle]![0] < timeout) low = middle + 1
    else high = middle
  }
  const joined = low === 0 ? 0 : curve.upTo[low - 1]!
  return { joined, ended: (curve.upTo.at(-1) ?? 0) - joined }
}

/** One bar of the histogram: silences from `from` on and shorter than `to`, in seconds. */
export interface Bar {
  from: number
  to: number
  many: number
}

/** Counts silences in bars that are equally wide on the logarithmic axis. */
export function histogram(curve: Curve, bars = 72): Bar[] {
  const step = Math.log(TO / FROM) / bars
  const edge = (place: number) => FROM * Math.exp(step * place)
  const out = Array.from({ length: bars }, (_, place) => ({ from: edge(place), to: edge(place + 1), many: 0 }))
  for (const [second, many] of curve.gaps) {
    if (second < FROM || TO < second) continue
    const place = Math.min(Math.floor(Math.log(second / FROM) / step + 1e-9), bars - 1)
    out[place]!.many += many
  }
  return out
}

/** Silences from `from` on and shorter than `to`, which is nothing where there is no end, in seconds. */
export interface Range {
  from: number
  to: number | undefined
  many: number
}

/** Counts all silences between lengths that people would choose and the timeout that is tried, so that none lies on both its sides. */
export function ranges(curve: Curve, timeout: number): Range[] {
  const edges = [...new Set([...USUAL, timeout])].sort((a, b) => a - b)
  const upTo = edges.map((edge) => split(curve, edge).joined)
  return [0, ...edges].map((from, place) => ({
    from, to: edges[place], many: (upTo[place] ?? curve.upTo.at(-1) ?? 0) - (upTo[place - 1] ?? 0),
  }))
}

/** Rounds a timeout to one that people would choose: the longer, the coarser. */
export function nice(seconds: number): number {
  const steps: [number, number][] = [[60, 1], [300, 5], [1800, 30], [7200, 60], [Infinity, 300]]
  const [, step] = steps.find(([below]) => seconds < below)!
  return Math.min(Math.max(Math.round(seconds / step) * step, FROM), TO)
}

/** The next timeout that people would choose, in the direction of the sign of `by`, so many steps away. */
export function step(seconds: number, by: number): number {
  let at = seconds
  for (let left = Math.abs(by); left > 0; left--) {
    const width = at < 60 || (at === 60 && by < 0) ? 1 : at < 300 || (at === 300 && by < 0) ? 5
      : at < 1800 || (at === 1800 && by < 0) ? 30 : at < 7200 || (at === 7200 && by < 0) ? 60 : 300
    at = by < 0 ? Math.ceil(at / width) * width - width : Math.floor(at / width) * width + width
  }
  return Math.min(Math.max(at, FROM), TO)
}

/** What others count by, in seconds. */
export const VENDORS = [
  { name: 'braze', seconds: 10 },
  { name: 'amplitude', seconds: 300 },
  { name: 'web', seconds: 1800 },
] as const

/** Timeouts that a table or a file of the curve shows. */
export const USUAL = [10, 30, 60, 120, 300, 600, 900, 1200, 1800, 2700, 3600, 7200, 14_400, 28_800, 86_400]

/** The curve at the usual timeouts and some others, as CSV with the names of the API. */
export function csv(curve: Curve, others: number[]): string {
  const timeouts = [...new Set([...USUAL, ...others])].sort((a, b) => a - b)
  const rows = timeouts.map((timeout) => curve.at(timeout)).map((point) =>
    [point.timeout_seconds, point.sessions, point.total_length_seconds, point.mean_length_seconds].join(','))
  return `timeout_seconds,sessions,total_length_seconds,mean_length_seconds\n${rows.join('\n')}\n`
}
