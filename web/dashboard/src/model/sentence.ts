// What another timeout would do, in one plain sentence.

import { m } from '../paraglide/messages.js'
import type { Point } from './curve.ts'
import { change, count, span, type Locale } from './format.ts'

/** Returns the Korean particle of direction for a span: 분으로, 시간으로, 일로, 초로. */
export const direction = (text: string): string => (/[일초]$/.test(text) ? '로' : '으로')

/** Says what changes from one point of the curve to another. */
export function sentence(locale: Locale, before: Point, after: Point): string {
  const [from, to] = [before, after].map((point) => span(locale, point.timeout_seconds)) as [string, string]
  const [meanFrom, meanTo] = [before, after].map((point) => span(locale, point.mean_length_seconds)) as [string, string]
  const words = {
    from, to, to_particle: direction(to), meanFrom, meanTo, mean_particle: direction(meanTo),
    sessionsFrom: count(locale, before.sessions), sessionsTo: count(locale, after.sessions),
    change: change(locale, before.sessions, after.sessions) ?? '',
  }
  if (before.timeout_seconds === after.timeout_seconds) return m.sentence_same({ to }, { locale })
  if (before.sessions < after.sessions) return m.sentence_more(words, { locale })
  if (after.sessions < before.sessions) return m.sentence_fewer(words, { locale })
  return m.sentence_equal(words, { locale })
}
