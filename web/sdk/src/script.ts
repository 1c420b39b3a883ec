/** The script for a tag: `window.dwell`, started at once where the tag says with what. */
import { start } from './index.js'
import type { Options } from './types.js'

const { host, writeKey, consent, page, progress, mediaSession } = document.currentScript?.dataset ?? {}

const started =
  host && writeKey
    ? start({
        host,
        writeKey,
        consent: consent != 'false',
        page: page != null && page != 'false',
        progress: +progress! || undefined,
        mediaSession: mediaSession as Options['mediaSession'],
      })
    : {}

Object.assign(window, { dwell: { start, ...started } })
