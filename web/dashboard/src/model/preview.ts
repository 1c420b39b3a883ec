// What a policy would have done, as a table of it needs it. No network, no page: only numbers.

import type { components } from '../api/types.ts'
import { change, count, percent, signed, signedSpan, span, type Locale } from './format.ts'

export type Counted = components['schemas']['PolicyDifference']
export type Pair = components['schemas']['BeforeAfter']

/** In the order in which they are shown. */
export const MEASURES = [
  'sessions', 'users', 'mean_length_seconds', 'median_length_seconds', 'p90_length_seconds', 'one_activity_share',
  'total_length_seconds', 'playing_seconds',
] as const
export type Measure = (typeof MEASURES)[number]

/** A number before and after, and the difference, as people read them. */
export interface Row {
  before: string
  after: string
  change: string
  /** Nothing where there was nothing before. */
  percent: string | undefined
}

/** Writes a pair: lengths as spans, shares in percent and their difference in points of it, all else as counts. */
export function row(locale: Locale, measure: Measure, pair: Pair): Row {
  const { before, after } = pair
  if (measure === 'one_activity_share') {
    const points = percent(locale, Math.abs(pair.change))
    const sign = pair.change < 0 ? '−' : pair.change > 0 ? '+' : ''
    return { before: percent(locale, before), after: percent(locale, after), change: sign + points, percent: undefined }
  }
  const told = { percent: change(locale, before, after) }
  return measure === 'sessions' || measure === 'users'
    ? { before: count(locale, before), after: count(locale, after), change: signed(locale, pair.change), ...told }
    : { before: span(locale, before), after: span(locale, after), change: signedSpan(locale, pair.change), ...told }
}

/** All measures that are known, in order. */
export function rows(locale: Locale, counted: Counted): { measure: Measure; row: Row }[] {
  return MEASURES.flatMap((measure) => {
    const pair = counted.all[measure]
    return pair === null ? [] : [{ measure, row: row(locale, measure, pair) }]
  })
}
