import type { Dwell, Options, Playing } from './types.js'

/** What is asked of a player: a media element has it, and what plays without one is given it. */
type Player = Pick<
  HTMLMediaElement,
  'tagName' | 'paused' | 'ended' | 'currentTime' | 'duration' | 'playbackRate' | 'loop' | 'readyState'
>

/** What was last said of a player. */
interface Said {
  /** Names what it plays: another film is another player. */
  id: string
  plays: boolean
  at: number
}

/** What a player tells by itself. `timeupdate` comes with the sound, several times a second, however timers are slowed. */
const EVENTS = ['playing', 'pause', 'ended', 'emptied', 'seeked', 'ratechange', 'volumechange', 'timeupdate']

/** How often is looked at what has no events: Media Session, and what plays without an element. */
const LOOK = 5_000

/** The player that stands for the Media Session. */
const SESSION = 'mediaSession'

/** How far a position may be from where it was expected before that is a jump, in seconds. */
const JUMP = 2

/**
 * Whether somebody can hear or see it. Silent video that loops is decoration, wherever it is; other silent video counts
 * while its page, or its picture in the picture, can be seen.
 */
const isPerceived = (media: HTMLMediaElement) =>
  (!media.muted && media.volume > 0) ||
  (media.tagName == 'VIDEO' &&
    !media.loop &&
    (document.visibilityState == 'visible' || document.pictureInPictureElement === media))

const finite = (value: number | undefined) => (Number.isFinite(value) ? Math.round(value! * 1000) / 1000 : undefined)

export interface Media extends Pick<Dwell, 'playing' | 'stopped' | 'watch'> {
  /** Looks at all players again: what can be seen has changed, or the page `goes`. */
  lookAgain(goes?: boolean): void
}

export const watchMedia = (
  options: Options,
  isAllowed: () => boolean,
  newId: () => string,
  track: (event: string, properties: object) => void,
): Media => {
  const between = (options.progress ?? 30) * 1000
  const known = new WeakMap<Player, Said>()
  const active = new Set<Player>()
  const manual: Record<string, Player> = {}
  let last: Event | undefined
  let gone: boolean | undefined

  const counts = (player: Player) =>
    !(player instanceof EventTarget) || (options.counts ?? isPerceived)(player as HTMLMediaElement)

  /** Compares what a player does with what was said of it, and says what is new. */
  const look = (player: Player, type?: string) => {
    const now = Date.now()
    const said = known.get(player) ?? { id: newId(), plays: false, at: 0 }
    // Between two pieces a player is not paused, and there is nothing yet that it could play: nobody would know how long.
    const plays = isAllowed() && !gone && !player.paused && !player.ended && player.readyState !== 0 && counts(player)
    const say = (what: string) => {
      said.at = now
      const { currentTime, duration, playbackRate, loop } = player
      track(`${player.tagName == 'VIDEO' ? 'Video' : 'Audio'} ${what}`, {
        session_id: said.id,
        position: finite(currentTime),
        // What loops has no end, so it has no length to say.
        total_length: loop ? undefined : finite(duration),
        livestream: duration === Infinity || undefined,
        playback_rate: playbackRate,
      })
    }
    const silence = Math.abs(now - said.at)
    if (plays) {
      // What went on after a sleep of the machine was interrupted: only a start can begin another session.
      if (!said.plays || silence > between * 3) say(known.has(player) ? 'Playback Resumed' : 'Playback Started')
      else if (silence >= between || type == 'seeked' || type == 'ratechange') say('Content Playing')
      if (!said.plays) {
        active.add(player)
        known.set(player, said)
        // A player that is taken out of the document is heard by nobody but itself.
        if (player instanceof EventTarget) watch(player)
      }
    } else if (said.plays) {
      // Not paused, and yet nobody hears or sees it: the page goes, or it was silent and is now hidden.
      const isPaused = player.paused && type != 'emptied'
      say(player.ended ? 'Playback Completed' : isPaused ? 'Playback Paused' : 'Playback Interrupted')
      active.delete(player)
    }
    said.plays = plays
    if (player.ended || type == 'emptied' || !isAllowed()) known.delete(player)
  }

  const hear = (event: Event) => {
    // The document and the player hear the same event.
    if (event === last) return
    last = event
    const player = event.target as HTMLMediaElement
    if (/^(AUDIO|VIDEO)$/.test(player.tagName)) look(player, event.type)
  }

  const watch = (target: EventTarget) => EVENTS.forEach((type) => target.addEventListener(type, hear, true))

  const playing = ({ player = '', video, position, length, rate = 1 }: Playing = {}) => {
    const tagName = video ? 'VIDEO' : 'AUDIO'
    const now = (manual[player] ??= {} as Player)
    const jumped = Math.abs((position ?? NaN) - now.currentTime) > JUMP || rate !== now.playbackRate
    Object.assign(now, { tagName, paused: false, ended: false, currentTime: position, duration: length, playbackRate: rate })
    look(now, jumped ? 'seeked' : '')
  }

  const stopped = (player = '') => {
    const now = manual[player]
    if (now) look(Object.assign(now, { paused: true }))
  }

  const session = options.mediaSession == 'off' ? undefined : navigator.mediaSession
  let stated: Playing | undefined

  /** The session of the page counts while no player that we know plays: mostly it is one and the same sound. */
  const lookAtSession = () => {
    if (!session) return
    const others = [...active].some((player) => player !== manual[SESSION])
    if (session.playbackState == 'playing' && !others) playing({ ...stated, player: SESSION })
    else stopped(SESSION)
  }

  let ticked = Date.now()
  setInterval(() => {
    const passed = (Date.now() - ticked) / 1000
    ticked += passed * 1000
    for (const player of Object.values(manual)) {
      if (player.paused || player.ended) continue
      // `NaN` where the position is unknown, and so it stays.
      const position = player.currentTime + passed * player.playbackRate
      Object.assign(player, { currentTime: position, ended: position >= player.duration })
      look(player)
    }
    lookAtSession()
  }, LOOK)

  if (session && options.mediaSession == 'wrap') {
    const { setPositionState } = session
    session.setPositionState = (state) => {
      setPositionState.call(session, state)
      stated = state && { position: state.position, length: state.duration, rate: state.playbackRate }
      lookAtSession()
    }
  }

  watch(document)
  return {
    playing,
    stopped,
    watch,
    lookAgain(goes) {
      gone = goes
      new Set(active).forEach((player) => look(player))
    },
  }
}
