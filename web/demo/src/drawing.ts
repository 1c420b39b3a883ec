// The lane as a picture: the last minutes, what was so in them, and where the session ends.

import { svg } from './dom.ts'
import type { Look, Stretch } from './lane.ts'
import type { Words } from './words.ts'

/** How much is shown, in milliseconds: before now, and after it. */
export const BEFORE = 300_000
const AFTER = 60_000

const [WIDE, HIGH, TOP, BAR] = [720, 92, 22, 40]

export function drawing(found: readonly Stretch[], look: Look, now: number, words: Words): SVGElement {
  const x = (at: number) => ((at - (now - BEFORE)) / (BEFORE + AFTER)) * WIDE
  const parts: SVGElement[] = []
  for (const { from, to, state } of found) {
    if (state === 'away' || x(to) < 0) continue
    const left = Math.max(x(from), 0)
    parts.push(svg('rect', { class: state, x: `${left}`, y: `${TOP}`, width: `${Math.max(x(to) - left, 1)}`, height: `${BAR}` }))
  }
  const minutes = Array.from({ length: 5 }, (_, place) => Math.floor(now / 60_000 - place) * 60_000)
  for (const minute of minutes) {
    parts.push(svg('line', { class: 'grid', x1: `${x(minute)}`, x2: `${x(minute)}`, y1: `${TOP}`, y2: `${TOP + BAR + 6}` }))
    if (40 < x(minute) && x(minute) < x(now) - 40) {
      parts.push(svg('text', { x: `${x(minute)}`, y: `${TOP + BAR + 22}`, 'text-anchor': 'middle' }, words.clock(minute).slice(0, 5)))
    }
  }
  parts.push(svg('line', { class: 'now', x1: `${x(now)}`, x2: `${x(now)}`, y1: `${TOP - 6}`, y2: `${TOP + BAR + 6}` }))
  parts.push(svg('text', { x: `${x(now)}`, y: `${TOP + BAR + 22}`, 'text-anchor': 'middle' }, words.now))
  if (look.deadline !== undefined && now < look.deadline) {
    const beyond = now + AFTER < look.deadline
    const at = Math.min(x(look.deadline), WIDE - 4)
    parts.push(svg('line', { class: 'deadline', x1: `${at}`, x2: `${at}`, y1: `${TOP - 6}`, y2: `${TOP + BAR + 6}` }))
    const text = beyond ? `${words.clock(look.deadline)} →` : words.deadline
    parts.push(svg('text', { x: `${at}`, y: '12', 'text-anchor': beyond ? 'end' : 'middle' }, text))
  }
  const hatch = svg('pattern', { id: 'hatch', width: '6', height: '6', patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
    svg('rect', { width: '6', height: '6', class: 'back' }), svg('line', { x1: '0', y1: '0', x2: '0', y2: '6', class: 'stroke' }))
  return svg('svg', { viewBox: `0 0 ${WIDE} ${HIGH}`, class: 'lane', role: 'img', 'aria-label': words.lane_is(words.state[look.state]) },
    svg('defs', {}, hatch), svg('line', { class: 'floor', x1: '0', x2: `${WIDE}`, y1: `${TOP + BAR}`, y2: `${TOP + BAR}` }), ...parts)
}
