/** Why events were given up. */
export type DropReason =
  /** The queue was full: the oldest went. */
  | 'full'
  /** The event is larger than 32 KiB, which no server takes. */
  | 'too_large'
  /** The event cannot be written as JSON. */
  | 'not_json'
  /** The server, or somebody before it, refused the whole batch with a 4xx. */
  | 'refused'
  /** The server took the batch and refused these events of it; `detail` is its list of reasons. */
  | 'rejected'

/** How the SDK is started. Only the first two must be given. */
export interface Options {
  /** Where Dwell listens, such as `https://dwell.example.com`. */
  host: string
  /** The app's public write key. */
  writeKey: string
  /**
   * Whether events may be kept and sent while nobody has decided. `true` unless set. What `optIn` and `optOut` decided
   * before is remembered and stands above it. With `false`, nothing is stored and nothing is sent before `optIn`.
   */
  consent?: boolean
  /** Says that the page was seen, at the start. `false` unless set. */
  page?: boolean
  /** Seconds between two signals of what plays. 30 unless set; it must lie well below the policy's `playing_patience`. */
  progress?: number
  /** Whether a player counts. Unless set: what can be heard, and silent video that is on the screen and does not loop. */
  counts?: (media: HTMLMediaElement) => boolean
  /**
   * What is made of the page's Media Session. `read`, unless set: it is looked at every few seconds. `wrap`: also
   * `setPositionState` of this page is replaced by one that listens, so that position and length are known. `off`: nothing.
   */
  mediaSession?: 'read' | 'wrap' | 'off'
  /** Is told of events that were given up: why, how many, and what is known beside. */
  onDrop?: (reason: DropReason, count: number, detail?: unknown) => void
}

/** What plays without a media element. Seconds throughout. */
export interface Playing {
  /** Which player, if there are several. */
  player?: string
  /** A video and not audio. */
  video?: boolean
  /** Where it stands. */
  position?: number
  /** How long it is. Without it, or with `Infinity` for a live stream, Dwell believes it for `playing_patience`. */
  length?: number
  /** How fast it plays, 1 unless given. */
  rate?: number
}

/** What a page can say. Nothing of it throws, waits, or answers before the event is kept. */
export interface Dwell {
  /** Says who this is from now on. Another user than before is a change of users: see `reset`. */
  identify(userId: string, traits?: object): void
  /** Says that the user did something. */
  track(event: string, properties?: object): void
  /** Says that the user sees a page; its path is its name unless given. */
  page(name?: string, properties?: object): void
  /** Says that something plays without a media element, and again whenever it jumps. Signals go on by themselves. */
  playing(now?: Playing): void
  /** Says that it plays no more. */
  stopped(player?: string): void
  /** Listens to media that the document does not show: `new Audio()`, a shadow root, the document of a frame. */
  watch(target: EventTarget): void
  /** Says that the user left (their session ends), and forgets who it was. */
  reset(): void
  /** Lets events be kept and sent, and remembers it. */
  optIn(): void
  /** Stops, forgets everything that is stored, unsent events included, and remembers it. */
  optOut(): void
  /** Sends what is kept, now. Settles when that was tried once. */
  flush(): Promise<void>
}
