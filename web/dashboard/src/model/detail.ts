// What the deep lab says, as the pictures and tables of it need it. No network, no page: only numbers.

import type { components } from '../api/types.ts'
import type { Curve, Point } from './curve.ts'
import { place } from './lanes.ts'

export type Detail = components['schemas']['LabDetail']
export type Counted = components['schemas']['LabCounted']
export type GridPoint = components['schemas']['LabGridPoint']
export type Group = components['schemas']['LabGroup']
export type Advice = components['schemas']['LabAdvice']
export type Lane = components['schemas']['LabLane']
export type Stretch = [number, number]

export const FACETS = ['platform', 'country', 'version', 'pattern'] as const
export const KINDS = ['social', 'media', 'reading', 'game', 'shop'] as const

/** What can be drawn over all timeouts, in the order in which it is offered. */
export const MEASURES = ['sessions', 'per_day', 'per_user', 'mean', 'median', 'p90', 'one_activity', 'total'] as const
export type Measure = (typeof MEASURES)[number]

/** What is drawn unless somebody chooses. */
export const USUAL_MEASURES: Measure[] = ['sessions', 'mean', 'total']

/** Which are known at every second; the others at the 64 timeouts of the grid only. */
export const isExact = (measure: Measure): boolean => !['median', 'p90', 'one_activity'].includes(measure)

/** Which are lengths of time, which a share; the others are numbers. */
export const unitOf = (measure: Measure): 'span' | 'share' | 'number' =>
  measure === 'one_activity' ? 'share' : measure === 'mean' || measure === 'median' || measure === 'p90' || measure === 'total' ? 'span' : 'number'

/** A measure at any second; nothing where it is not known yet. */
export function exactly(measure: Measure, point: Point, counted: Counted | undefined): number | undefined {
  switch (measure) {
    case 'sessions': return point.sessions
    case 'mean': return point.mean_length_seconds
    case 'total': return point.total_length_seconds
    case 'per_day': return counted && point.sessions / counted.days
    case 'per_user': return counted && (counted.users === 0 ? 0 : point.sessions / counted.users)
    case 'median': case 'p90': case 'one_activity': return undefined
  }
}

/** A measure at a timeout of the grid. */
export function onGrid(measure: Measure, point: GridPoint): number {
  switch (measure) {
    case 'sessions': return point.sessions
    case 'mean': return point.mean_length_seconds
    case 'total': return point.total_length_seconds
    case 'per_day': return point.per_day
    case 'per_user': return point.per_user
    case 'median': return point.median_length_seconds
    case 'p90': return point.p90_length_seconds
    case 'one_activity': return point.sessions === 0 ? 0 : point.one_activity / point.sessions
  }
}

/** The timeout of the grid that is nearest by factor. */
export function nearest(grid: GridPoint[], timeout: number): GridPoint | undefined {
  const far = (point: GridPoint) => Math.abs(Math.log(point.timeout_seconds / timeout))
  return grid.reduce<GridPoint | undefined>((best, point) => (best === undefined || far(point) < far(best) ? point : best), undefined)
}

/** What is drawn of a measure: places along the axis and values there, from one second to another. */
export function drawn(measure: Measure, curve: Curve, counted: Counted | undefined, timeouts: number[], [from, to]: [number, number]): { timeout: number; value: number }[] {
  if (!isExact(measure)) {
    return (counted?.grid ?? []).filter((point) => from <= point.timeout_seconds && point.timeout_seconds <= to)
      .map((point) => ({ timeout: point.timeout_seconds, value: onGrid(measure, point) }))
  }
  return timeouts.flatMap((timeout) => {
    const value = exactly(measure, curve.at(timeout), counted)
    return value === undefined ? [] : [{ timeout, value }]
  })
}

/** By how much the sessions of a group change, as a share; nothing where it had none. */
export const changed = ({ sessions, versus_sessions }: Group): number | undefined =>
  versus_sessions === 0 ? undefined : sessions / versus_sessions - 1

/** A day of somebody's life under two timeouts: hours of the day in a zone, from 0 to 24. */
export interface Day {
  user: string
  /** A moment of it, in milliseconds. */
  at: number
  activities: number[]
  foreground: Stretch[]
  playing: Stretch[]
  idle: Stretch[]
  sessions: Stretch[]
  versus: Stretch[]
  /** How many sessions of their lane there are under each timeout, all days together. */
  all: { sessions: number; versus: number }
}

/** Of somebody's lane, the day in a zone on which the number of sessions changes most; of several the one with the most. */
export function dayOf(zone: string, lane: Lane): Day {
  const begin = Date.parse(lane.begins_at)
  const first = place(zone, begin)
  // Hours since midnight of the first day. A day on which clocks are moved is drawn an hour off.
  const hour = (seconds: number) => first.hour + seconds / 3600
  const dayIn = (seconds: number) => Math.floor(hour(seconds) / 24)
  const tally = new Map<number, { sessions: number; versus: number }>()
  const count = (of: Stretch[], which: 'sessions' | 'versus') => {
    for (const [from] of of) {
      const day = tally.get(dayIn(from)) ?? { sessions: 0, versus: 0 }
      day[which]++
      tally.set(dayIn(from), day)
    }
  }
  count(lane.sessions as Stretch[], 'sessions')
  count(lane.versus_sessions as Stretch[], 'versus')
  let [day, best] = [0, -1]
  for (const [which, { sessions, versus }] of [...tally].sort(([a], [b]) => a - b)) {
    const score = Math.abs(sessions - versus) * 10_000 + sessions + versus
    if (best < score) [day, best] = [which, score]
  }
  const within = (stretches: number[][]): Stretch[] => stretches
    .map(([from, to]): Stretch => [hour(from!) - day * 24, hour(to!) - day * 24])
    .filter(([from, to]) => from < 24 && 0 <= to)
    .map(([from, to]): Stretch => [Math.max(from, 0), Math.min(to, 24)])
  return {
    user: lane.user,
    at: begin + day * 86_400_000,
    activities: lane.activities.map((at) => hour(at) - day * 24).filter((at) => 0 <= at && at < 24),
    foreground: within(lane.foreground),
    playing: within(lane.playing),
    idle: within(lane.idle),
    sessions: within(lane.sessions),
    versus: within(lane.versus_sessions),
    all: { sessions: lane.sessions.length, versus: lane.versus_sessions.length },
  }
}
