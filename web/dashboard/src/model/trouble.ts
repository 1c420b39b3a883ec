// Why something could not be read or done, in words that say what to do next. What a server says of itself is in English; what
// people can meet every day has words of its own in both languages.

import { m } from '../paraglide/messages.js'
import type { Locale } from './format.ts'

/** What a server said in place of an answer; anything else was said by the browser. */
interface Said {
  status: number
  code: string
  message: string
}

const isSaid = (error: unknown): error is Said => error instanceof Error && 'status' in error && 'code' in error

/** A sentence for what is known; nothing where only the server's own words can tell. */
function known(locale: Locale, error: unknown): string | undefined {
  if (!isSaid(error)) {
    const name = error instanceof Error || error instanceof DOMException ? error.name : ''
    if (name === 'TimeoutError' || name === 'AbortError') return m.server_slow({}, { locale })
    return name === 'Unreached' ? m.server_gone({}, { locale }) : undefined
  }
  switch (error.code) {
    case 'may_not_read': case 'may_not_put_policy': case 'may_not_run': case 'not_our_page': return m.may_not({}, { locale })
    case 'replaced': return m.somebody_else({}, { locale })
    case 'app_there': return m.app_there({}, { locale })
    case 'busy': return m.server_busy({}, { locale })
    case 'too_slow': return m.server_slow({}, { locale })
    case 'disk_full': return m.server_full({}, { locale })
    case 'stopped': case 'log_failed': case 'books': case 'books_closed': case 'store': return m.server_stopped({ why: error.message }, { locale })
    // What stands before the server says so, in no words of ours.
    default: return error.code === 'unknown' && 502 <= error.status && error.status <= 504 ? m.server_gone({}, { locale }) : undefined
  }
}

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Says why something could not be read. */
export const notRead = (locale: Locale, error: unknown): string => known(locale, error) ?? m.failed({ why: words(error) }, { locale })

/** Says why something was not changed. */
export const notDone = (locale: Locale, error: unknown): string => known(locale, error) ?? m.not_done({ why: words(error) }, { locale })
