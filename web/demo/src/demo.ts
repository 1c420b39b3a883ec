// The page of `dwell demo`: an app to use on one side, what Dwell knows of its visitor on the other.

import type { Dwell, Options } from '../../sdk/src/types.ts'
import { el, say, svg } from './dom.ts'
import { BEFORE, drawing } from './drawing.ts'
import { feed } from './feed.ts'
import { House, keys, type Known, type Session } from './house.ts'
import { done, since, stretches, type Look, type State } from './lane.ts'
import { player, plays } from './player.ts'
import { words as all, type Locale, type Words } from './words.ts'

declare global {
  interface Window {
    /** The SDK, by its tag in the page. */
    dwell: { start: (options: Options) => Dwell }
  }
}

/** How often Dwell is asked, in milliseconds. */
const ASK_EVERY = 1_000

/** How many sessions that have ended are shown. */
const SESSIONS = 5

/** Seconds between two signals of what plays: with a timeout of 30, a machine that is switched off is soon missed. */
const PROGRESS = 10

const THEME = 'dwell.theme'
const LANGUAGE = 'dwell.demo.language'

function kept(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value)
  } catch {
    // It holds until the page is left.
  }
}

const asked = kept(LANGUAGE) ?? navigator.language
let locale: Locale = asked.startsWith('ko') ? 'ko' : 'en'
let theme = kept(THEME) ?? 'auto'

let looks: Look[] = []
let known: Known | undefined
let sessions: Session[] = []
let steps: boolean[] = []
let endedAtFirst: number | undefined
let failed = false
let touched = false
let user = 'you'
let show = () => {}

/** Asks, remembers, shows, and asks again. */
async function follow(house: House): Promise<void> {
  try {
    const before = known
    known = await house.known()
    endedAtFirst ??= known.ended
    if (before?.ended !== known.ended) sessions = await house.latest(SESSIONS)
    const seen = done(looks.at(-1), known.look, touched, known.ended - endedAtFirst)
    steps = seen.map((now, step) => now || steps[step] === true)
    looks = since([...looks, known.look], Date.now() - BEFORE)
    failed = false
  } catch {
    failed = true
  }
  show()
  setTimeout(() => void follow(house), ASK_EVERY)
}

function panel(words: Words): HTMLElement {
  const state = el('p', { class: 'state', role: 'status' }, words.waiting)
  const light = el('span', { class: 'light', 'aria-hidden': 'true' })
  const explained = el('p', {})
  const end = el('p', { class: 'until' })
  const lane = el('div', { class: 'scene' })
  const legend = el('p', { class: 'legend small soft' }, ...(['foreground', 'playing', 'idle'] as State[]).map((name) =>
    el('span', {}, svg('svg', { width: '14', height: '14', 'aria-hidden': 'true' }, svg('rect', { class: name, width: '14', height: '14' })), ` ${words.state[name]}`)))
  const past = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': words.past })
  const list = el('ol', { class: 'steps' }, ...words.steps.map((step) => el('li', {}, step)))
  let shown: Session[] | undefined

  show = () => {
    if (failed || !known) {
      say(state, failed ? words.failed : words.waiting)
      return
    }
    const { look } = known
    const now = Date.now()
    // The books may be a moment behind the clock.
    const is = look.deadline !== undefined && look.deadline <= now ? 'away' : look.state
    say(state, words.state[is])
    light.dataset.state = is
    say(explained, words.explained[is])
    const left = ((look.deadline ?? now) - now) / 1000
    say(end, is === 'away' ? '' : plays() && 30 < left ? words.held(words.clock(look.deadline!)) : words.left(left))
    lane.replaceChildren(drawing(stretches(looks, now), { ...look, state: is }, now, words))
    document.title = `${words.tab[is]} · Dwell`
    steps.forEach((step, number) => list.children[number]?.classList.toggle('done', step))
    if (shown !== sessions) {
      shown = sessions
      past.replaceChildren(sessions.length === 0 ? el('p', { class: 'soft' }, words.no_past) : table(sessions, words))
    }
  }
  return el('aside', { 'aria-label': words.lane, tabindex: '0' },
    el('section', { class: 'card you' },
      el('div', { class: 'row' }, light, state), explained, end, lane, legend),
    el('section', { class: 'card try' }, el('h2', {}, words.try), el('p', { class: 'small soft' }, words.timeout), list),
    el('section', { class: 'card' }, el('h2', {}, words.past), past))
}

function table(rows: Session[], words: Words): HTMLElement {
  const { from, length, parts, end } = words.columns
  const head = el('tr', {}, ...[from, length, parts, end].map((column) => el('th', { scope: 'col' }, column)))
  const row = (session: Session) => el('tr', {},
    el('td', {}, words.clock(Date.parse(session.started_at))),
    el('td', {}, words.span(session.length_seconds)),
    el('td', {}, words.parts(words.span(session.foreground_seconds), words.span(session.playing_seconds), words.span(session.idle_seconds))),
    el('td', {}, words.reasons[session.end_reason] ?? session.end_reason))
  return el('table', {}, el('thead', {}, head), el('tbody', {}, ...rows.map(row)))
}

function choice(label: string, value: string, options: [string, string][], chosen: (value: string) => void): HTMLElement {
  const select = el('select', {}, ...options.map(([word, text]) => el('option', { value: word, selected: word === value }, text)))
  select.addEventListener('change', () => chosen(select.value))
  return el('label', {}, el('span', { class: 'hidden' }, label), select)
}

function build(dwell: Dwell): void {
  const words = all[locale]
  document.documentElement.lang = locale
  document.documentElement.dataset.theme = theme
  const language = choice(words.language, locale, [['en', 'English'], ['ko', '한국어']], (value) => {
    locale = value as Locale
    keep(LANGUAGE, value)
    build(dwell)
  })
  const clothes = choice(words.theme, theme, Object.entries(words.themes), (value) => {
    theme = value
    keep(THEME, value)
    document.documentElement.dataset.theme = theme
  })
  const page = document.getElementById('demo')!
  page.replaceChildren(
    el('header', { class: 'bar' }, el('a', { href: '/demo', class: 'name' }, 'Dwell'), el('span', { class: 'grow' }),
      el('a', { href: '/', target: '_blank', rel: 'noopener' }, words.dashboard), language, clothes),
    el('main', {},
      el('h1', {}, words.title), el('p', { class: 'lead' }, words.lead(user)),
      el('div', { class: 'sides' }, el('div', { class: 'app' }, player(words), feed(dwell, words)), panel(words))))
  show()
}

async function start(): Promise<void> {
  const found = await keys()
  user = found.user
  const dwell = window.dwell.start({ host: location.origin, writeKey: found.write_key, progress: PROGRESS })
  dwell.identify(user)
  dwell.page('Demo')
  build(dwell)
  addEventListener('scroll', () => (touched = true))
  addEventListener('click', ({ target }) => (touched ||= target instanceof Element && target.closest('.posts') !== null))
  void follow(new House(found))
}

document.documentElement.dataset.theme = theme
start().catch(() => {
  document.getElementById('demo')!.replaceChildren(el('main', {}, el('p', { role: 'alert' }, all[locale].failed)))
})
