import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, names } from './world.mjs'

/** What was said of players, briefly: name, position, length. */
const playing = (world) =>
  world.accepted.filter(({ event }) => /^(Audio|Video)/.test(event)).map(({ event, properties }) => [
    event, properties.position, properties.total_length,
  ])

/** Plays on, with the four signals a second that players give. */
async function go(world, player, seconds) {
  for (let quarter = 0; quarter < seconds * 4; quarter++) {
    player.currentTime += player.playbackRate / 4
    player.fire('timeupdate')
    await world.pass(0.25)
  }
}

test('a song is told from its start to its end, with a signal every 30 seconds', async () => {
  const world = new World()
  const tab = world.open()
  const song = tab.media('AUDIO')
  song.duration = 90
  song.play()
  await go(world, song, 20)
  tab.hide()
  await go(world, song, 69)
  Object.assign(song, { currentTime: 90, paused: true, ended: true })
  song.fire('pause')
  song.fire('ended')
  await world.pass(2)
  assert.deepEqual(playing(world), [
    ['Audio Playback Started', 0, 90], ['Audio Content Playing', 30.25, 90], ['Audio Content Playing', 60.25, 90],
    ['Audio Playback Completed', 90, 90],
  ])
  const of = world.accepted.filter(({ properties }) => properties?.session_id)
  assert.equal(new Set(of.map(({ properties }) => properties.session_id)).size, 1)
})

test('the next film in the same player is another one', async () => {
  const world = new World()
  const film = world.open().media('VIDEO')
  film.play()
  Object.assign(film, { paused: true })
  film.fire('emptied')
  film.play()
  await world.pass(2)
  assert.deepEqual(names(world.accepted).slice(1), ['Video Playback Started', 'Video Playback Interrupted', 'Video Playback Started'])
  const ids = world.accepted.slice(1).map(({ properties }) => properties.session_id)
  assert.ok(ids[0] === ids[1] && ids[1] !== ids[2])
})

test('a player that was paused and is given another piece says nothing until it has it', async () => {
  const world = new World()
  const song = world.open().media('AUDIO')
  song.play()
  song.pause()
  // As Chromium does when a page says `audio.src = next; audio.play()`: it tells of a time before it knows the piece.
  Object.assign(song, { paused: false, readyState: 0, duration: NaN })
  song.fire('timeupdate')
  song.fire('emptied')
  song.fire('timeupdate')
  Object.assign(song, { readyState: 4, duration: 120 })
  song.fire('playing')
  await world.pass(2)
  assert.deepEqual(playing(world), [
    ['Audio Playback Started', 0, 3600], ['Audio Playback Paused', 0, 3600], ['Audio Playback Started', 0, 120],
  ])
  const ids = world.accepted.slice(1).map(({ properties }) => properties.session_id)
  assert.ok(ids[0] === ids[1] && ids[1] !== ids[2])
})

test('a pause, a jump and another speed are told at once', async () => {
  const world = new World()
  const film = world.open().media('VIDEO')
  film.play()
  film.pause()
  film.currentTime = 70
  film.fire('seeked')
  film.play()
  film.currentTime = 700
  film.fire('seeked')
  film.playbackRate = 2
  film.fire('ratechange')
  await world.pass(2)
  assert.deepEqual(playing(world), [
    ['Video Playback Started', 0, 3600], ['Video Playback Paused', 0, 3600], ['Video Playback Resumed', 70, 3600],
    ['Video Content Playing', 700, 3600], ['Video Content Playing', 700, 3600],
  ])
  assert.equal(world.accepted.at(-1).properties.playback_rate, 2)
})

test('what loops and what is live has no length', async () => {
  const world = new World()
  const tab = world.open()
  const rain = Object.assign(tab.media('AUDIO'), { loop: true, duration: 3 })
  const radio = Object.assign(tab.media('AUDIO'), { duration: Infinity })
  const unknown = Object.assign(tab.media('AUDIO'), { duration: NaN })
  for (const one of [rain, radio, unknown]) one.play()
  await world.pass(2)
  const told = world.accepted.slice(1).map(({ properties }) => [properties.total_length, properties.livestream])
  assert.deepEqual(told, [[undefined, undefined], [undefined, true], [undefined, undefined]])
})

test('decoration is not playing; silent video is while it can be seen', async () => {
  const world = new World()
  const tab = world.open()
  const decoration = Object.assign(tab.media('VIDEO'), { muted: true, loop: true })
  const silent = Object.assign(tab.media('AUDIO'), { volume: 0 })
  const film = Object.assign(tab.media('VIDEO'), { muted: true })
  for (const one of [decoration, silent, film]) one.play()
  tab.hide()
  await world.pass(2)
  assert.deepEqual(names(world.accepted), [
    'Application Foregrounded', 'Video Playback Started', 'Video Playback Interrupted', 'Application Backgrounded',
  ])
  tab.document.pictureInPictureElement = film
  film.fire('timeupdate')
  decoration.muted = false
  decoration.fire('volumechange')
  await world.pass(2)
  assert.deepEqual(names(world.accepted).slice(4), ['Video Playback Resumed', 'Video Playback Started'])
})

test('the page may decide what counts', async () => {
  const world = new World()
  const tab = world.open({ counts: (media) => media.id === 'film' })
  tab.media('AUDIO').play()
  Object.assign(tab.media('VIDEO'), { id: 'film', muted: true, loop: true }).play()
  await world.pass(2)
  assert.deepEqual(names(world.accepted).slice(1), ['Video Playback Started'])
})

test('a player that is not in the document is heard if it is watched, and one that was taken out goes on being heard', async () => {
  const world = new World()
  const tab = world.open()
  const unseen = tab.media('AUDIO', false)
  unseen.play()
  const shown = tab.media('VIDEO')
  shown.play()
  shown.inside = undefined
  shown.pause()
  await world.pass(2)
  assert.deepEqual(names(world.accepted).slice(1), ['Video Playback Started', 'Video Playback Paused'])
  tab.dwell.watch(unseen)
  unseen.fire('timeupdate')
  await world.pass(2)
  assert.deepEqual(names(world.accepted).slice(3), ['Audio Playback Started'])
})

test('what goes on after a sleep of the machine is resumed, so that it can start a session', async () => {
  const world = new World()
  const song = world.open().media('AUDIO')
  song.play()
  await go(world, song, 10)
  world.skew += 5 * 3_600_000
  await go(world, song, 10)
  assert.deepEqual(names(world.accepted).slice(1), ['Audio Playback Started', 'Audio Playback Resumed'])
})

test('a page that goes stops what plays in it; one that comes back resumes it', async () => {
  const world = new World()
  const tab = world.open()
  const song = tab.media('AUDIO')
  song.play()
  await world.pass(2)
  tab.close({ persisted: true })
  assert.deepEqual(names(world.accepted).slice(2), ['Audio Playback Interrupted', 'Application Backgrounded'])
  tab.document.visibilityState = 'visible'
  tab.window.fire('pageshow', { persisted: true })
  song.fire('timeupdate')
  await world.pass(2)
  assert.deepEqual(names(world.accepted).slice(4), ['Audio Playback Resumed', 'Application Foregrounded'])
})

test('what plays without an element is told by hand, and goes on by itself', async () => {
  const world = new World()
  const { dwell } = world.open()
  dwell.playing({ position: 0, length: 70, rate: 1 })
  await world.pass(10)
  // Some say where they are many times a second.
  dwell.playing({ position: 10, length: 70, rate: 1 })
  await world.pass(25)
  dwell.playing({ position: 50, length: 70, rate: 1 })
  await world.pass(60)
  dwell.stopped()
  assert.deepEqual(playing(world), [
    ['Audio Playback Started', 0, 70], ['Audio Content Playing', 30, 70], ['Audio Content Playing', 50, 70],
    ['Audio Playback Completed', 70, 70],
  ])
  dwell.playing({ player: 'game', video: true })
  dwell.stopped('game')
  dwell.stopped('nothing')
  await world.pass(2)
  assert.deepEqual(playing(world).slice(4), [
    ['Video Playback Started', undefined, undefined], ['Video Playback Paused', undefined, undefined],
  ])
})

test('a Media Session that plays counts, unless a player that is known plays it', async () => {
  const world = new World()
  const mediaSession = { playbackState: 'playing', setPositionState() {} }
  const own = mediaSession.setPositionState
  const tab = world.open({}, { mediaSession })
  assert.equal(mediaSession.setPositionState, own, 'nothing is replaced unless it was asked for')
  await world.pass(40)
  assert.deepEqual(names(world.accepted).slice(1), ['Audio Playback Started', 'Audio Content Playing'])
  const song = tab.media('AUDIO')
  song.play()
  await world.pass(7)
  assert.deepEqual(names(world.accepted).slice(3), ['Audio Playback Started', 'Audio Playback Paused'])
  song.pause()
  mediaSession.playbackState = 'paused'
  await world.pass(7)
  assert.deepEqual(names(world.accepted).slice(5), ['Audio Playback Paused'])
})

test('a Media Session that is wrapped says where it is', async () => {
  const world = new World()
  const passed = []
  const mediaSession = { playbackState: 'playing', setPositionState: (state) => passed.push(state) }
  world.open({ mediaSession: 'wrap' }, { mediaSession })
  mediaSession.setPositionState({ duration: 100, position: 40, playbackRate: 1 })
  mediaSession.setPositionState({ duration: 100, position: 60, playbackRate: 1 })
  await world.pass(2)
  assert.equal(passed.length, 2)
  assert.deepEqual(playing(world), [['Audio Playback Started', 40, 100], ['Audio Content Playing', 60, 100]])
})

test('a Media Session is left alone if the page says so', async () => {
  const world = new World()
  world.open({ mediaSession: 'off' }, { mediaSession: { playbackState: 'playing' } })
  await world.pass(20)
  assert.equal(world.accepted.length, 1)
})
