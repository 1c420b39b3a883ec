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
  { days: 28, last: 'yesterday' }, { days: 91, last: 'yesterday' }, { days: 365, last: 'yesterday' },
] as const

/** How long a bar of the picture is. */
export type Step = 'hour' | 'day' | 'week' | 'month'

/** What the address asks for. */
export interface Asked {
  days: number
  last: string
  metric: Metric
  /** By what it is drawn; nothing where that is left to the number of days. */
  by: Step | undefined
  /** Only the sessions of one value. */
  filter: Filter | undefined
}

/** Reads the address; what cannot be read is what is usual. */
export function askedIn(query: URLSearchParams): Asked {
  const days = Number(query.get('days'))
  const last = query.get('last') ?? ''
  const metric = query.get('metric') as Metric
  const by = query.get('by')
  const facet = FACETS.find((facet) => query.has(facet))
  return {
    days: Number.isInteger(days) && 1 <= days && days <= 366 ? days : 7,
    last: /^(today|yesterday|\d{4}-\d\d-\d\d)$/.test(last) ? last : 'yesterday',
    metric: METRICS.includes(metric) ? metric : 'sessions',
    by: by === 'day' || by === 'week' || by === 'month' ? by : undefined,
    filter: facet && { facet, value: query.get(facet)! },
  }
}

/** Writes it back, without what is usual. */
export function queryOf({ days, last, metric, by, filter }: Asked): Record<string, string> {
  return {
    ...(days === 7 ? {} : { days: String(days) }),
    ...(last === 'yesterday' ? {} : { last }),
    ...(metric === 'sessions' ? {} : { metric }),
    ...(by === undefined ? {} : { by }),
    ...questionOf(filter),
  }
}

/** What the API is asked for, beside the days. */
export const questionOf = (filter: Filter | undefined): Record<string, string> => (filter ? { [filter.facet]: filter.value } : {})

/** By what so many days can be drawn; of a single day there are hours only. */
export const stepsOf = (days: number): Step[] =>
  days === 1 ? ['hour'] : ['day', ...(days < 14 ? [] : ['week' as const]), ...(days < 60 ? [] : ['month' as const])]

/** By what they are drawn: as the address says, if it can be; else as many bars as can be told apart. */
export function stepOf({ days, by }: Pick<Asked, 'days' | 'by'>): Step {
  const steps = stepsOf(days)
  return steps.find((step) => step === by) ?? (days <= 92 ? steps[0]! : 'month')
}

/** A bar of the picture: an hour, or some days that follow each other. */
export type Bar = Place & {
  /** The last of its days, and how many there are. */
  last: string
  days: number
}

/**
 * Puts days together: weeks of seven days, counted back from the last one, or months of the calendar. Sessions and times add
 * up; a mean is that of all sessions of these days; users are those of a day, on average, since who came on two days is not
 * known; and of several days there is no median.
 */
export function gathered(places: Place[], step: Step): Bar[] {
  const bars: Bar[] = []
  places.forEach((place, at) => {
    const isFirst = step === 'week' ? (places.length - at) % 7 === 0
      : step === 'month' ? place.day.slice(0, 7) !== places[at - 1]?.day.slice(0, 7) : true
    const bar = bars.at(-1)
    if (bar === undefined || isFirst) {
      bars.push({ ...place, last: place.day, days: 1 })
      return
    }
    bar.days++
    bar.last = place.day
    for (const name of SUMS) bar[name] += place[name]
    bar.mean_length_seconds = bar.ended === 0 ? null : bar.total_length_seconds / bar.ended
    bar.median_length_seconds = null
    bar.users = bar.users === null || place.users === null ? null : bar.users + place.users
  })
  for (const bar of bars) if (bar.users !== null) bar.users /= bar.days
  return bars
}

/** How many days there are from one date to another, both with them; nothing where these are no dates in this order. */
export function daysBetween(first: string, last: string): number | undefined {
  const days = (Date.parse(last) - Date.parse(first)) / 86_400_000 + 1
  return Number.isInteger(days) && 1 <= days && days <= 366 ? days : undefined
}

const SUMS = ['sessions', 'ended', 'total_length_seconds', 'foreground_seconds', 'playing_seconds', 'idle_seconds'] as const

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
export function csv({ places }: { places: Place[] }): string {
  const names = ['begins_at', ...MEASURES] as const
  return [names.join(','), ...places.map((place) => names.map((name) => place[name] ?? '').join(','))].join('\n') + '\n'
}
