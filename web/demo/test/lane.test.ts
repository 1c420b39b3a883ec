import assert from 'node:assert/strict'
import { test } from 'node:test'
import { done, since, stretches, type Look, type State } from '../src/lane.ts'

const look = (second: number, state: State, started?: number, deadline?: number): Look => ({
  at: second * 1000,
  state,
  ...(started === undefined ? {} : { started: started * 1000, deadline: deadline! * 1000 }),
})
const told = (looks: Look[], now: number) =>
  stretches(looks, now * 1000).map(({ from, to, state }) => `${from / 1000}-${to / 1000} ${state}`)

test('looks of one state are one stretch, and the last reaches to now', () => {
  const looks = [look(0, 'foreground', 0, 30), look(1, 'foreground', 0, 31), look(2, 'playing', 0, 90), look(3, 'playing', 0, 90)]
  assert.deepEqual(told(looks, 5), ['0-2 foreground', '2-5 playing'])
})

test('a session that ended while nobody looked ended at its deadline', () => {
  assert.deepEqual(told([look(0, 'idle', 0, 30), look(60, 'away')], 61), ['0-30 idle', '30-61 away'])
  assert.deepEqual(told([look(0, 'idle', 0, 30), look(60, 'foreground', 60, 90)], 61), ['0-30 idle', '30-60 away', '60-61 foreground'])
})

test('a session that went on while nobody looked is not cut at a deadline that moved', () => {
  assert.deepEqual(told([look(0, 'playing', 0, 30), look(60, 'playing', 0, 95)], 61), ['0-61 playing'])
})

test('a look is not believed for ever', () => {
  assert.deepEqual(told([look(0, 'playing', 0, 900), look(200, 'foreground', 0, 900)], 201), ['0-90 playing', '200-201 foreground'])
})

test('the look before the first one that is seen is kept, since it reaches into it', () => {
  const looks = [0, 10, 20, 30].map((second) => look(second, 'foreground', 0, 60))
  assert.deepEqual(since(looks, 15_000).map(({ at }) => at / 1000), [10, 20, 30])
  assert.deepEqual(since(looks, 90_000).map(({ at }) => at / 1000), [30])
  assert.deepEqual(since([], 0), [])
})

test('what there is to try is seen to be done', () => {
  const steps = (before: Look | undefined, now: Look, touched: boolean, ended: number) =>
    done(before, now, touched, ended).map((step) => (step ? 'x' : '-')).join('')
  assert.equal(steps(undefined, look(0, 'foreground', 0, 30), false, 0), '------')
  assert.equal(steps(undefined, look(0, 'foreground', 0, 30), true, 0), 'x-----')
  assert.equal(steps(undefined, look(0, 'foreground', 0, 120), true, 0), 'xx----')
  assert.equal(steps(undefined, look(0, 'playing', 0, 120), true, 0), '-xx---')
  assert.equal(steps(undefined, look(0, 'away'), false, 1), '---x--')
  assert.equal(steps(look(0, 'away'), look(1, 'foreground', 1, 31), false, 1), '---xx-')
})
