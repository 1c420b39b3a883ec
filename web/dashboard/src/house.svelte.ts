// What all screens share: who is signed in, which app, which screen, which language and theme.

import { getLocale, setLocale } from './paraglide/runtime.js'
import { Client, type AppInfo, type Schemas } from './api/client.ts'
import type { Locale } from './model/format.ts'

export type Theme = 'auto' | 'light' | 'dark'
const SCREENS = ['overview', 'live', 'lab', 'users', 'settings'] as const
export type Screen = (typeof SCREENS)[number]

export interface Place {
  screen: Screen
  /** What stands after the screen: the id of a user. */
  rest: string
  query: URLSearchParams
}

const KEY = 'dwell.key'
/** Says that somebody signed in by name and password: the cookie itself no script can see. */
const SIGNED_IN = 'dwell.signed_in'
const THEME = 'dwell.theme'

/** Storage that may be forbidden. */
function kept(storage: () => Storage, name: string): string | null {
  try {
    return storage().getItem(name)
  } catch {
    return null
  }
}

function keep(storage: () => Storage, name: string, value: string | null): void {
  try {
    if (value === null) storage().removeItem(name)
    else storage().setItem(name, value)
  } catch {
    // It holds until the page is left.
  }
}

function placeOf(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?')
  const [screen = '', ...rest] = path.split('/')
  let read = rest.join('/')
  try {
    read = decodeURIComponent(read)
  } catch {
    // Typed by hand, with a percent sign that begins nothing: it is meant as it stands.
  }
  return { screen: SCREENS.find((one) => one === screen) ?? 'overview', rest: read, query: new URLSearchParams(query) }
}

class House {
  key = $state<string | null>(kept(() => sessionStorage, KEY))
  /** Who looks, and what they may do. */
  me = $state.raw<Schemas['Me'] | null>(null)
  /** Whether they were signed out by the server. */
  ended = $state(false)
  apps = $state.raw<AppInfo[]>([])
  place = $state.raw<Place>(placeOf(location.hash))
  locale = $state<Locale>(getLocale() as Locale)
  theme = $state<Theme>((kept(() => localStorage, THEME) as Theme | null) ?? 'auto')

  /** The app that is looked at. */
  app = $derived.by(() => {
    const asked = this.place.query.get('app')
    return this.apps.find((app) => app.app === asked) ?? this.apps[0]
  })
  /** Keys but that of the admin are of one app; everybody else says which one. */
  client = $derived(new Client(this.key, this.key?.startsWith('dw_a_') === false ? undefined : this.app?.app, () => this.end()))
  zone = $derived(this.app?.zone ?? 'UTC')

  constructor() {
    addEventListener('hashchange', () => (this.place = placeOf(location.hash)))
    this.show()
  }

  /** Writes language and theme where styles and screen readers look. */
  show(): void {
    document.documentElement.lang = this.locale
    document.documentElement.dataset.theme = this.theme
  }

  speak(locale: Locale): void {
    void setLocale(locale, { reload: false })
    this.locale = locale
    this.show()
  }

  dress(theme: Theme): void {
    this.theme = theme
    keep(() => localStorage, THEME, theme === 'auto' ? null : theme)
    this.show()
  }

  /** Whether somebody was signed in when the page was left. */
  get comesBack(): boolean {
    return !this.ended && (this.key !== null || kept(() => localStorage, SIGNED_IN) !== null)
  }

  comeBack(): Promise<void> {
    return this.#enter(this.key)
  }

  async signIn(key: string): Promise<void> {
    await this.#enter(key)
    keep(() => sessionStorage, KEY, key)
  }

  async logIn(name: string, password: string): Promise<void> {
    await new Client(null).send('post', '/v1/login', { name, password })
    keep(() => localStorage, SIGNED_IN, 'yes')
    await this.#enter(null)
  }

  async #enter(key: string | null): Promise<void> {
    const client = new Client(key)
    const me = await client.get('/v1/me')
    // A write key is somebody too, and reads nothing: this says so.
    const { apps } = await client.get('/v1/apps')
    this.ended = false
    this.key = key
    this.apps = apps
    this.me = me
  }

  async signOut(): Promise<void> {
    const by = this.me?.by
    this.forget()
    // Where the server cannot be reached, the pass ends by itself.
    if (by === 'account') await new Client(null).send('post', '/v1/logout', {}).catch(() => {})
  }

  forget(): void {
    this.key = null
    this.me = null
    this.apps = []
    keep(() => sessionStorage, KEY, null)
    keep(() => localStorage, SIGNED_IN, null)
  }

  /** What was shown opens nothing any more. */
  end(): void {
    if (this.me === null) return
    this.ended = true
    this.forget()
  }

  /** Asks for the apps anew. */
  async lookAgain(): Promise<void> {
    this.apps = (await this.client.get('/v1/apps')).apps
  }

  /** Whether they may do what is not of one app alone. */
  get mayRun(): boolean {
    return this.me?.role === 'admin' && this.me.apps === null
  }

  may(what: Schemas['Me']['may'][number]): boolean {
    return this.me?.may.includes(what) ?? false
  }

  /** The address of a screen, with the app where there are several. */
  link(screen: Screen, rest = '', query: Record<string, string> = {}): string {
    const asked = new URLSearchParams(query)
    if (this.apps.length > 1 && this.app) asked.set('app', this.app.app)
    const path = `#/${screen}${rest === '' ? '' : `/${encodeURIComponent(rest)}`}`
    return asked.size === 0 ? path : `${path}?${asked}`
  }

  choose(app: string): void {
    location.hash = `#/${this.place.screen}?${new URLSearchParams({ app })}`
  }
}

export const house = new House()
