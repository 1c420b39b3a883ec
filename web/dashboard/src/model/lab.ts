// What the address of the lab says, and what of it: whoever opens a link sees what was seen. No network, no page.

import { FROM, TO } from './curve.ts'
import { FACETS, KINDS, MEASURES, USUAL_MEASURES, type Measure } from './detail.ts'
import { readSpan, writeSpan } from './span.ts'

export interface Seen {
  /** In seconds; nothing where the one in force is meant. */
  timeout: number | undefined
  by: (typeof FACETS)[number]
  /** The kind of app; empty where none was said. */
  kind: string
  curves: Measure[]
}

/** The nearest timeout that the axis has. */
export const onAxis = (seconds: number): number => Math.min(Math.max(seconds, FROM), TO)

/** Reads the address; what cannot be read is what is usual. */
export function seenIn(query: URLSearchParams): Seen {
  const timeout = readSpan(query.get('timeout') ?? '')
  const kind = query.get('kind') ?? ''
  const asked = query.get('curves')?.split(',') ?? []
  const curves = MEASURES.filter((measure) => asked.includes(measure))
  return {
    timeout: timeout === undefined ? undefined : onAxis(timeout),
    by: FACETS.find((facet) => facet === query.get('by')) ?? 'platform',
    kind: KINDS.find((one) => one === kind) ?? '',
    curves: curves.length === 0 ? USUAL_MEASURES : curves,
  }
}

/** Writes it back, without what is usual. */
export function queryOf({ timeout, by, kind, curves }: Seen): Record<string, string> {
  const inOrder = MEASURES.filter((measure) => curves.includes(measure))
  return {
    ...(timeout === undefined ? {} : { timeout: writeSpan(timeout) }),
    ...(by === 'platform' ? {} : { by }),
    ...(kind === '' ? {} : { kind }),
    ...(inOrder.length === 0 || inOrder.join() === USUAL_MEASURES.join() ? {} : { curves: inOrder.join() }),
  }
}
