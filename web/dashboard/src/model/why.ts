// Why a session ended, and by which timeout, in words.

import { m } from '../paraglide/messages.js'
import { span, type Locale } from './format.ts'
import type { Session } from './lanes.ts'

const ENDS = {
  timed_out: m.end_timed_out, closed: m.end_closed, user_changed: m.end_user_changed, too_long: m.end_too_long,
  midnight: m.end_midnight, new_campaign: m.end_new_campaign,
}
const SOURCES: Record<string, () => string> = {
  default: m.source_default, app: m.source_app, platform: m.source_platform, audience: m.source_audience,
  user: m.source_user, background: m.source_background,
}

export const whyEnded = (session: Session): string => ENDS[session.end_reason]()

export const whichTimeout = (locale: Locale, session: Session): string =>
  `${span(locale, session.timeout_seconds)}, ${(SOURCES[session.timeout_source] ?? (() => session.timeout_source))()}`
