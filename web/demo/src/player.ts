// The player: an audio element, as any site has one. The SDK finds it in the document by itself.

import { el, say } from './dom.ts'
import { PIECES, samples, wav } from './music.ts'
import type { Words } from './words.ts'

/** The element outlives a change of language: what plays goes on. */
const audio = el('audio', { controls: true, preload: 'auto' })
const made = new Map<number, string>()
let chosen = -1

/** Says whether something can be heard. */
export const plays = () => !audio.paused && !audio.ended

function address(piece: number): string {
  const known = made.get(piece)
  if (known) return known
  const url = URL.createObjectURL(new Blob([wav(samples(PIECES[piece]!))], { type: 'audio/wav' }))
  made.set(piece, url)
  return url
}

export function player(words: Words): HTMLElement {
  const note = el('p', { class: 'soft small', role: 'status' })
  const buttons = PIECES.map((piece, number) => {
    const button = el('button', { type: 'button', 'aria-pressed': String(number === chosen) },
      el('span', { 'aria-hidden': 'true', class: 'sign' }, '▶'), ` ${words.tracks[number]} `,
      el('span', { class: 'soft small' }, words.span(piece.seconds)))
    button.addEventListener('click', () => void play(number))
    return button
  })

  async function play(number: number): Promise<void> {
    if (number === chosen && plays()) return audio.pause()
    if (number !== chosen) {
      say(note, words.making)
      // The note is shown first: making the music takes a moment.
      await new Promise((shown) => setTimeout(shown, 30))
      audio.src = address(number)
      chosen = number
      say(note, '')
    }
    await audio.play()
  }
  function show(): void {
    buttons.forEach((button, number) => {
      const on = number === chosen && plays()
      button.setAttribute('aria-pressed', String(on))
      say(button.firstElementChild!, on ? '❚❚' : '▶')
    })
  }
  for (const event of ['play', 'pause', 'ended'] as const) audio[`on${event}`] = show
  // One piece follows the other, so that somebody can listen for long.
  audio.addEventListener('ended', () => void play((chosen + 1) % PIECES.length), { signal: fresh() })
  show()
  return el('section', { class: 'player card', 'aria-labelledby': 'player' },
    el('h2', { id: 'player' }, words.player), el('div', { class: 'pieces' }, ...buttons), audio, note)
}

let current = new AbortController()

/** Ends what an earlier player listened to. */
function fresh(): AbortSignal {
  current.abort()
  current = new AbortController()
  return current.signal
}
