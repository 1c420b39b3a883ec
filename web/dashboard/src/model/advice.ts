// What the advice says, in words of either language.

import { m } from '../paraglide/messages.js'
import type { Advice } from './detail.ts'
import { count, percent, span, type Locale } from './format.ts'

/** Says which timeout is advised, or why none is. */
export function adviceIn(locale: Locale, advice: Advice): string {
  const length = (seconds: number | null | undefined) => span(locale, seconds ?? 0)
  const range = { from: length(advice.convention_low_seconds), to: length(advice.convention_high_seconds) }
  const { refusal } = advice
  if (advice.timeout_seconds !== null || refusal === null) {
    return m.advice_is({ timeout: length(advice.timeout_seconds), low: length(advice.low_seconds), high: length(advice.high_seconds), depth: percent(locale, advice.depth ?? 0) }, { locale })
  }
  const numbers = { found: count(locale, refusal.found ?? 0), needed: count(locale, refusal.needed ?? 0) }
  const shares = { found: percent(locale, refusal.found ?? 0), needed: percent(locale, refusal.needed ?? 0) }
  const at = length(refusal.at_seconds)
  switch (refusal.reason) {
    case 'too_few_users': return m.refused_users(numbers, { locale })
    case 'too_few_gaps': return m.refused_gaps(numbers, { locale })
    case 'no_valley': return m.refused_no_valley(range, { locale })
    case 'shallow': return m.refused_shallow({ ...shares, ...range }, { locale })
    case 'unsteady': return m.refused_unsteady(shares, { locale })
    case 'wide': return m.refused_wide(range, { locale })
    case 'nested': return m.refused_nested({ at, ...shares }, { locale })
    case 'several': return m.refused_several({ from: length(refusal.low_seconds), to: length(refusal.high_seconds) }, { locale })
    case 'unusual': return m.refused_unusual({ at, usual: length(refusal.usual_seconds) }, { locale })
    case 'night': return m.refused_night({ at }, { locale })
    case 'thin': return m.refused_thin(numbers, { locale })
    case 'two_crowds': return m.refused_crowds(shares, { locale })
  }
}
