// Music that is made here, so that the page needs no file and no network: plucked chords, as the bytes of a WAV file.

/** Enough for soft tones, and small. */
export const RATE = 16_000

export interface Piece {
  seconds: number
  /** Seconds from one note to the next. */
  step: number
  /** Chords, each as semitones above the lowest A of the piece. */
  chords: readonly (readonly number[])[]
  /** Hertz of that A. */
  low: number
}

export const PIECES: readonly Piece[] = [
  { seconds: 90, step: 0.5, low: 110, chords: [[0, 7, 12, 16], [5, 9, 12, 17], [-3, 4, 9, 12], [-5, 2, 7, 11]] },
  { seconds: 120, step: 0.375, low: 98, chords: [[0, 3, 7, 10], [-4, 3, 8, 12], [-2, 5, 10, 14], [-7, 0, 5, 9]] },
  { seconds: 150, step: 0.6, low: 123.5, chords: [[0, 7, 14, 16], [-3, 4, 9, 16], [5, 12, 16, 21], [7, 11, 14, 19]] },
]

/** How long a note is heard, in seconds. */
const NOTE = 2.2

/** Returns a piece as samples from -1 to 1. */
export function samples(piece: Piece): Float32Array {
  const all = new Float32Array(piece.seconds * RATE)
  let beat = 0
  for (let at = 0; at < piece.seconds - NOTE; at += piece.step, beat += 1) {
    const chord = piece.chords[Math.floor(beat / 8) % piece.chords.length]!
    const tone = chord[[0, 2, 1, 3, 2, 1, 3, 2][beat % 8]!]!
    pluck(all, at, piece.low * 2 ** ((tone + 12) / 12), 0.2)
    if (beat % 8 === 0) pluck(all, at, piece.low * 2 ** (chord[0]! / 12), 0.3)
  }
  return all
}

/** Adds a note that fades: a turning pointer for each overtone costs no sine for each sample. */
function pluck(all: Float32Array, at: number, hertz: number, loud: number): void {
  const first = Math.floor(at * RATE)
  const last = Math.min(all.length, first + NOTE * RATE)
  for (const [overtone, share] of [[1, 0.7], [2, 0.2], [3, 0.1]] as const) {
    const turn = (2 * Math.PI * hertz * overtone) / RATE
    const [cos, sin] = [Math.cos(turn), Math.sin(turn)]
    const fade = Math.exp((-2.2 * overtone) / RATE)
    let [x, y, level] = [1, 0, loud * share]
    for (let place = first; place < last; place += 1) {
      const begun = Math.min(1, (place - first) / 80)
      const ends = Math.min(1, (last - place) / 800)
      all[place]! += y * level * begun * ends
      ;[x, y] = [x * cos - y * sin, x * sin + y * cos]
      level *= fade
    }
  }
}

/** Returns samples as a WAV file of 16 bits and one channel. */
export function wav(heard: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(44 + heard.length * 2)
  const view = new DataView(bytes.buffer)
  const text = (at: number, word: string) => [...word].forEach((letter, place) => view.setUint8(at + place, letter.charCodeAt(0)))
  text(0, 'RIFF')
  view.setUint32(4, bytes.length - 8, true)
  text(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, 1, true)
  view.setUint16(22, 1, true)
  view.setUint32(24, RATE, true)
  view.setUint32(28, RATE * 2, true)
  view.setUint16(32, 2, true)
  view.setUint16(34, 16, true)
  text(36, 'data')
  view.setUint32(40, heard.length * 2, true)
  heard.forEach((value, place) => view.setInt16(44 + place * 2, Math.max(-1, Math.min(1, value)) * 32_767, true))
  return bytes
}
