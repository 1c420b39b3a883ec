// What the pages of the tests can do.

/** A quiet tone of some seconds, as a file. */
function tone(seconds) {
  const rate = 8000
  const data = new DataView(new ArrayBuffer(44 + rate * seconds * 2))
  const text = (at, word) => [...word].forEach((letter, index) => data.setUint8(at + index, letter.charCodeAt(0)))
  text(0, 'RIFF')
  data.setUint32(4, 36 + rate * seconds * 2, true)
  text(8, 'WAVEfmt ')
  data.setUint32(16, 16, true)
  data.setUint16(20, 1, true)
  data.setUint16(22, 1, true)
  data.setUint32(24, rate, true)
  data.setUint32(28, rate * 2, true)
  data.setUint16(32, 2, true)
  data.setUint16(34, 16, true)
  text(36, 'data')
  data.setUint32(40, rate * seconds * 2, true)
  for (let at = 0; at < rate * seconds; at++) data.setInt16(44 + at * 2, Math.sin(at / 5) * 9000, true)
  return URL.createObjectURL(new Blob([data], { type: 'audio/wav' }))
}

/** Plays a tone in the page. */
async function playTone(seconds) {
  const audio = document.body.appendChild(document.createElement('audio'))
  audio.src = tone(seconds)
  await audio.play()
}

/** Plays a tone that has no end. */
async function playLive() {
  const context = new AudioContext()
  const stream = context.createMediaStreamDestination()
  const oscillator = context.createOscillator()
  oscillator.connect(stream)
  oscillator.start()
  const audio = document.body.appendChild(document.createElement('audio'))
  audio.srcObject = stream.stream
  await audio.play()
}

/** What the SDK has stored. */
const stored = () => Object.keys(localStorage).filter((key) => key.startsWith('dwell.'))

const violations = []
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  violations.push(`${violatedDirective} ${blockedURI}`)
})
const persisted = []
addEventListener('pageshow', (event) => persisted.push(event.persisted))
