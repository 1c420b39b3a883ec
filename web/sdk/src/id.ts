/** Makes the ids of one page. */

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')

/**
 * A UUID of version 7: the millisecond, a number within it, and what is drawn once for this page.
 *
 * So ids of one page sort in the order of its calls, also within a millisecond, which Dwell orders by them; and
 * whether an event is this page's can be seen from its id. A clock that is put back does not disturb the order.
 */
export const idsOf = (random: string) => {
  let last = 0
  let number = 0
  return () => {
    const now = Date.now()
    if (now > last) {
      last = now
      number = 0
    } else if (++number > 0xfff) {
      last++
      number = 0
    }
    const time = hex(last, 12)
    return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(number, 3)}-${random}`
  }
}

/** What is drawn once for a page: `8abc-def012345678`. Not `randomUUID`, which pages without HTTPS do not have. */
export const draw = () => {
  const drawn = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => hex(byte, 2)).join('')
  return `8${drawn.slice(1, 4)}-${drawn.slice(4)}`
}

/** When an id was made, in milliseconds since 1970. */
export const madeAt = (id: string) => parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
