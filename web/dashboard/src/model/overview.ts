// What some days come to: which numbers there are, and what is asked for. No network, no page.

import type { components } from '../api/types.ts'

export type Overview = components['schemas']['Overview']
export type Measures = components['schemas']['Measures']
export type Place = Overview['places'][number]
export type Row = Overview['rows'][number]
export type Filter = NonNullable<Overview['filter']>
export type Facet = Row['facet']

export const FACETS: readonly Facet[] = ['platform', 'country', 'version']

export const METRICS = ['sessions', 'users', 'mean', 'median', 'engaged', 'playing'] as const
export type Metric = (typeof METRICS)[number]

/** Which metrics are lengths of time; the others are counts. */
export const isSpan = (metric: Metric): boolean => metric !== 'sessions' && metric !== 'users'

/** The number of a metric; nothing where it is not known. */
export function valueOf(metric: Metric, { sessions, users, mean_length_seconds, median_length_seconds, foreground_seconds, playing_seconds }: Measures): number | null {
  switch (metric) {
    case 'sessions': return sessions
    case 'users': return users
    case 'mean': return mean_length_seconds
    case 'median': return median_length_seconds
    case 'engaged': return foreground_seconds + playing_seconds
    case 'playing': return playing_seconds
  }
}

/** The periods that can be chosen with one click: whole days, or the one that goes on. */
export const PERIODS = [
  { days: 1, last: 'today' }, { days: 1, last: 'yesterday' }, { days: 7, last: 'yesterday' },
  { days: 28, last: 'yesterday' }, { days: 91, last: 'yesterday' },
] as const

/** What the address asks for. */
export interface Asked {
  days: number
  last: string
  metric: Metric
  /** Only the sessions of one value. */
  filter: Filter | undefined
}

/** Reads the address; what cannot be read is what is usual. */
export function askedIn(query: URLSearchParams): Asked {
  const days = Number(query.get('days'))
  const last = query.get('last') ?? ''
  const metric = query.get('metric') as Metric
  const facet = FACETS.find((facet) => query.has(facet))
  return {
    days: Number.isInteger(days) && 1 <= days && days <= 366 ? days : 7,
    last: /^(today|yesterday|\d{4}-\d\d-\d\d)$/.test(last) ? last : 'yesterday',
    metric: METRICS.includes(metric) ? metric : 'sessions',
    filter: facet && { facet, value: query.get(facet)! },
  }
}

/** Writes it back, without what is usual. */
export function queryOf({ days, last, metric, filter }: Asked): Record<string, string> {
  return {
    ...(days === 7 ? {} : { days: String(days) }),
    ...(last === 'yesterday' ? {} : { last }),
    ...(metric === 'sessions' ? {} : { metric }),
    ...questionOf(filter),
  }
}

/** What the API is asked for, beside the days. */
export const questionOf = (filter: Filter | undefined): Record<string, string> => (filter ? { [filter.facet]: filter.value } : {})

const MEASURES = ['sessions', 'ended', 'users', 'mean_length_seconds', 'median_length_seconds',
  'total_length_seconds', 'foreground_seconds', 'playing_seconds', 'idle_seconds'] as const

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** All rows as CSV; all others are a star. */
export function originsCsv({ rows }: Pick<Overview, 'rows'>): string {
  const names = ['facet', 'value', ...MEASURES, 'sessions_before']
  const line = (row: Row) => [row.facet, quoted(row.value ?? '*'), ...MEASURES.map((name) => row[name] ?? ''), row.before.sessions]
  return [names, ...rows.map(line)].map((cells) => cells.join(',')).join('\n') + '\n'
}

/** All places as CSV, under the names of the API. */
export function csv({ places }: Overview): string {
  const names = ['begins_at', ...MEASURES] as const
  return [names.join(','), ...places.map((place) => names.map((name) => place[name] ?? '').join(','))].join('\n') + '\n'
}
