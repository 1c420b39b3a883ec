// Numbers, lengths, dates and percents, as people read them in either language.

export type Locale = 'en' | 'ko'

const UNITS = {
  en: { d: ' d', h: ' h', m: ' min', s: ' s' },
  ko: { d: '일', h: '시간', m: '분', s: '초' },
} as const

/** A count: 1,204. */
export const count = (locale: Locale, number: number): string => new Intl.NumberFormat(locale).format(number)

/** A length of time in at most two units: 1 h 20 min, 56 min 14 s, 4.2 s; 1시간 20분. What is less than the smaller one is cut off, as
 * commands do. */
export function span(locale: Locale, seconds: number): string {
  const unit = UNITS[locale]
  if (seconds < 0) return `−${span(locale, -seconds)}`
  if (seconds < 10 && !Number.isInteger(seconds)) {
    return new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(Math.floor(seconds * 10 + 1e-6) / 10) + unit.s
  }
  const whole = Math.floor(seconds + 1e-6)
  const two = (big: number, bigUnit: string, small: number, smallUnit: string) =>
    small === 0 ? `${count(locale, big)}${bigUnit}` : `${count(locale, big)}${bigUnit} ${small}${smallUnit}`
  if (whole < 60) return `${whole}${unit.s}`
  if (whole < 3600) return two(Math.floor(whole / 60), unit.m, whole % 60, unit.s)
  const minutes = Math.floor(whole / 60)
  if (minutes < 48 * 60) return two(Math.floor(minutes / 60), unit.h, minutes % 60, unit.m)
  const hours = Math.floor(whole / 3600)
  return two(Math.floor(hours / 24), unit.d, hours % 24, unit.h)
}

/** A number in percent. The sign stays on the line of its number. */
const inPercent = (locale: Locale, number: string): string => (locale === 'ko' ? `${number}%` : `${number}\u00a0%`)

/** A change in percent with its sign: +8.8 %; in Korean +8.8%. Nothing where there was nothing before. */
export function change(locale: Locale, before: number, after: number): string | undefined {
  if (before === 0) return undefined
  const format = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: 'exceptZero' })
  return inPercent(locale, format.format(((after - before) / before) * 100).replace('-', '−'))
}

/** A number with its sign: +106, −3. */
export function signed(locale: Locale, number: number): string {
  return new Intl.NumberFormat(locale, { signDisplay: 'exceptZero' }).format(number).replace('-', '−')
}

/** A span with its sign. */
export const signedSpan = (locale: Locale, seconds: number): string => (seconds > 0 ? '+' : '') + span(locale, seconds)

const yearIn = (zone: string, at: string | number): string =>
  new Intl.DateTimeFormat('en', { timeZone: zone, year: 'numeric' }).format(new Date(at))

/** The year is said where it is not that of `now`. */
const year = (zone: string, at: string | number, now: number): { year?: 'numeric' } =>
  (yearIn(zone, at) === yearIn(zone, now) ? {} : { year: 'numeric' })

/** A moment in a time zone: Mon 5 Jan, 09:00; of another year than now Fri 5 Jan 2029, 09:00. */
export function moment(locale: Locale, zone: string, at: string | number, seconds = false, now = Date.now()): string {
  return new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : 'ko', {
    timeZone: zone, weekday: 'short', day: 'numeric', month: 'short', ...year(zone, at, now), hour: '2-digit', minute: '2-digit',
    ...(seconds ? { second: '2-digit' } : {}), hourCycle: 'h23',
  }).format(new Date(at))
}

/** The time of day in a time zone: 09:00:05. */
export function clock(locale: Locale, zone: string, at: string | number): string {
  return new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : 'ko', {
    timeZone: zone, hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
  }).format(new Date(at))
}

/** The day of a moment in a time zone, to be read: Mon 5 Jan; with its year where that is not the one of now. */
export function day(locale: Locale, zone: string, at: string | number, now = Date.now()): string {
  return new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : 'ko', {
    timeZone: zone, weekday: 'short', day: 'numeric', month: 'short', ...year(zone, at, now),
  }).format(new Date(at))
}

/** A date like 2026-01-05, to be read: Mon 5 Jan; with its year where that is not the one of now. */
export const date = (locale: Locale, text: string, now = Date.now()): string => day(locale, 'UTC', text, now)

/** The month of a date: Feb; of a January, and where that is asked for, with its year: Jan 2026. */
export function month(locale: Locale, text: string, withYear: boolean): string {
  const year = withYear || text.slice(5, 7) === '01' ? { year: 'numeric' as const } : {}
  return new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : 'ko', { timeZone: 'UTC', month: 'short', ...year }).format(new Date(text))
}

/** A share in percent: 12.5 %; in Korean 12.5%. */
export function percent(locale: Locale, share: number): string {
  return inPercent(locale, new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(share * 100))
}

/** The name of a country that is said by two letters; else as it was said. */
export function country(locale: Locale, code: string): string {
  if (!/^[A-Z]{2}$/.test(code)) return code
  return new Intl.DisplayNames([locale], { type: 'region', fallback: 'code' }).of(code) ?? code
}

/** Returns what the clock of a zone shows, as a field for date and time writes it, like 2026-03-01T09:00. */
export function clockIn(zone: string, at: number): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit',
  }).formatToParts(at)
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? ''
  return `${part('year')}-${part('month')}-${part('day')}T${part('hour')}:${part('minute')}`
}
