/** What is remembered: in `localStorage`, which all tabs of the site share, or in memory where that is denied. */
export interface Store {
  /** What all its keys begin with. */
  prefix: string
  get(key: string): string | null
  set(key: string, value: string): void
  remove(key: string): void
  /** All keys that begin so, in order. */
  keys(start: string): string[]
  /** Does something from what is known, and writes down afterwards what became of it. */
  offHand(act: () => void): void
}

/**
 * Opens the part of it that belongs to one app.
 *
 * `localStorage` can be denied at any time, or full: every touch of it may throw. What it does not take is kept in
 * memory, and what memory holds stands above it. Firefox goes further: in a page that is being closed, a touch may end
 * the script, and nothing can catch that. So all that this page wrote or last read is known by heart, for `offHand`.
 */
export const openStore = (prefix: string): Store => {
  const known: Record<string, string> = {}
  const unsaved: Record<string, string> = {}
  let isOffHand = false

  const disk = <T>(touch: (storage: Storage) => T): T | null => {
    try {
      return isOffHand ? null : touch(localStorage)
    } catch {
      return null
    }
  }

  const set = (key: string, value: string) => {
    known[key] = unsaved[key] = value
    if (disk((storage) => (storage.setItem(prefix + key, value), true))) delete unsaved[key]
  }

  return {
    prefix,
    get(key) {
      if (!isOffHand) {
        const value = unsaved[key] ?? disk((storage) => storage.getItem(prefix + key))
        if (value == null) delete known[key]
        else known[key] = value
      }
      return known[key] ?? null
    },
    set,
    remove(key) {
      delete known[key]
      delete unsaved[key]
      disk((storage) => storage.removeItem(prefix + key))
    },
    keys(start) {
      if (!isOffHand) {
        const there = new Set<string>()
        for (const key of disk((storage) => Object.keys(storage)) ?? []) {
          if (key.startsWith(prefix + start)) there.add(key.slice(prefix.length))
        }
        for (const key in known) {
          if (key.startsWith(start) && !(key in unsaved) && !there.has(key)) delete known[key]
        }
        for (const key of there) known[key] ??= ''
      }
      return Object.keys(known).filter((key) => key.startsWith(start)).sort()
    },
    offHand(act) {
      isOffHand = true
      act()
      isOffHand = false
      for (const key in unsaved) set(key, unsaved[key]!)
    },
  }
}
