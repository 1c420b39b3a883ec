// The visitor's lane: what Dwell said of them, second by second, becomes stretches. Pure: no page, no network, no clock.

/** What somebody is doing, in the words of the API. */
export type State = 'foreground' | 'playing' | 'idle' | 'away'

/** What was asked at one moment. Milliseconds since 1970. */
export interface Look {
  at: number
  state: State
  /** When the open session began, and when it ends unless its user does something. */
  started?: number
  deadline?: number
}

/** A stretch of one state. */
export interface Stretch {
  from: number
  to: number
  state: State
}

/** How long a look is believed while no other comes. Browsers let a page that nobody sees ask once a minute only. */
const BELIEVED = 90_000

/** Makes stretches of looks that are in order of time; the last one reaches to `now`. */
export function stretches(looks: readonly Look[], now: number): Stretch[] {
  const found: Stretch[] = []
  const add = (from: number, to: number, state: State) => {
    if (to <= from) return
    const last = found.at(-1)
    if (last?.state === state && last.to === from) last.to = to
    else found.push({ from, to, state })
  }
  looks.forEach((look, place) => {
    const next = looks[place + 1]
    const until = Math.min(next?.at ?? now, look.at + BELIEVED)
    const ended = look.deadline !== undefined && look.deadline < until && next?.started !== look.started
    add(look.at, ended ? Math.max(look.deadline!, look.at) : until, look.state)
    if (ended) add(Math.max(look.deadline!, look.at), until, 'away')
  })
  return found
}

/** Lets go of looks that nobody sees any more, but for the last one before `from`, which reaches beyond it. */
export function since(looks: readonly Look[], from: number): Look[] {
  const first = looks.findIndex((look) => from < look.at)
  return first < 0 ? looks.slice(-1) : looks.slice(Math.max(first - 1, 0))
}

/**
 * Says which steps of what there is to try were seen to be done, from two looks one after the other: whether the feed was `touched`
 * only the page knows; the rest is what Dwell says, and how many sessions `ended` meanwhile.
 */
export function done(before: Look | undefined, look: Look, touched: boolean, ended: number): boolean[] {
  const held = look.deadline !== undefined && look.at + 40_000 < look.deadline
  return [
    touched && look.state === 'foreground',
    held,
    look.state === 'playing',
    0 < ended,
    0 < ended && look.started !== undefined && before?.started !== look.started,
    false,
  ]
}
