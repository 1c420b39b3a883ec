// Spans of time as people write them: 15m, 1h30m, 90, 15분, 1시간 30분. In whole seconds.

/** The least and the greatest timeout that there is, in seconds. */
export const LEAST = 1
export const GREATEST = 86_400

const UNITS: Record<string, number> = {
  '': 1, s: 1, sec: 1, 초: 1, m: 60, min: 60, 분: 60, h: 3600, 시간: 3600, d: 86_400, 일: 86_400,
}

/** Reads a span; nothing where it is none, or no timeout. A number alone is seconds. */
export function readSpan(text: string): number | undefined {
  const rest = text.trim().toLowerCase()
  const parts = [...rest.matchAll(/(\d+)\s*(sec|min|시간|[smhd초분일]?)\s*/gy)]
  if (parts.length === 0 || parts.reduce((length, part) => length + part[0].length, 0) !== rest.length) return undefined
  let seconds = 0
  let before = Infinity
  for (const [, number, unit] of parts) {
    const worth = UNITS[unit!]!
    if (before <= worth) return undefined
    before = worth
    seconds += Number(number) * worth
  }
  return LEAST <= seconds && seconds <= GREATEST ? seconds : undefined
}

/** Writes a span the way commands and the API read it: 15m, 1h30m. */
export function writeSpan(seconds: number): string {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60]
  return (h ? `${h}h` : '') + (m ? `${m}m` : '') + (s ? `${s}s` : '') || '0s'
}

/** Writes a span whole, as people do: 1 h 30 min 5 s, 1시간 30분 5초. `readSpan` reads it. */
export function wholeSpan(locale: 'en' | 'ko', seconds: number): string {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60]
  const parts: [number, string, string][] = [[h, ' h', '시간'], [m, ' min', '분'], [s, ' s', '초']]
  return parts.filter(([number]) => number > 0).map(([number, en, ko]) => `${number}${locale === 'ko' ? ko : en}`).join(' ')
}
