/** What is remembered: in `localStorage`, which all tabs of the site share, or in memory where that is denied. */
export interface Store {
  /** What all its keys begin with. */
  prefix: string
  get(key: string): string | null
  set(key: string, value: string): void
  remove(key: string): void
  /** All keys that begin so, in order. */
  keys(start: string): string[]
}

/**
 * Opens the part of it that belongs to one app.
 *
 * `localStorage` can be denied at any time, or full: every touch of it may throw. What it does not take is kept in
 * memory, and what memory holds stands above it.
 */
export const openStore = (prefix: string): Store => {
  const memory: Record<string, string> = {}
  const disk = <T>(touch: (storage: Storage) => T): T | null => {
    try {
      return touch(localStorage)
    } catch {
      return null
    }
  }
  return {
    prefix,
    get: (key) => memory[prefix + key] ?? disk((storage) => storage.getItem(prefix + key)),
    set(key, value) {
      delete memory[prefix + key]
      if (!disk((storage) => (storage.setItem(prefix + key, value), true))) memory[prefix + key] = value
    },
    remove(key) {
      delete memory[prefix + key]
      disk((storage) => storage.removeItem(prefix + key))
    },
    keys: (start) =>
      [...Object.keys(memory), ...(disk((storage) => Object.keys(storage)) ?? [])]
        .filter((key) => key.startsWith(prefix + start))
        .map((key) => key.slice(prefix.length))
        .sort(),
  }
}
