// The text of a policy and its fields: what is changed there, and what stays.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { besides, fieldsOf, withPlatform, withTimeout, withTop } from '../src/model/policy.ts'
import { readSpan, wholeSpan, writeSpan } from '../src/model/span.ts'

/** All that a policy can say, with comments where people put them. */
const WHOLE = [
  '# ours', 'timeout = "20m" # as in the app', "background_timeout = '5m'", 'idle_after = "5m"', '',
  '[platforms] # phones', 'ios = "15m" # short', '"smart tv" = "3h"', '', '[users]', 'timeout = "2h" # this is somebody’s name', '',
  '[[audiences]]', 'name = "drivers"', 'timeout = "1h"', '', '[events]', '"Ride Ended" = "closed"', '',
].join('\n')

describe('the text of a policy', () => {
  test('has another timeout, and says all else as before', () => {
    assert.equal(withTimeout(WHOLE, '1h30m'), WHOLE.replace('"20m"', '"1h30m"'))
    assert.equal(withTimeout('timeout="20m"', '15m'), 'timeout = "15m"')
  })

  test('where it says none, it says one before any table', () => {
    assert.equal(withTimeout('', '15m'), 'timeout = "15m"\n')
    // A key of a table is no timeout for everybody, nor is one that only begins so.
    for (const text of ['[[audiences]]\nname = "vip"\ntimeout = "3h"\n', 'background_timeout = "5m"\n']) {
      assert.equal(withTimeout(text, '15m'), `timeout = "15m"\n${text}`)
    }
  })

  test('is read as fields: the timeout, that of the background, and those of platforms', () => {
    assert.deepEqual(fieldsOf(WHOLE), {
      timeout: '20m', background_timeout: '5m', platforms: [{ name: 'ios', timeout: '15m' }, { name: 'smart tv', timeout: '3h' }],
    })
    assert.deepEqual(fieldsOf(''), { platforms: [] })
    assert.deepEqual(fieldsOf('[users]\nada = "2h"\n'), { platforms: [] })
    assert.deepEqual(fieldsOf('timeout = "5m"\r\n[platforms]\r\nios = "1m"\r\n'), { timeout: '5m', platforms: [{ name: 'ios', timeout: '1m' }] })
  })

  test('has no fields where it says these in another form, rather than fields that are wrong', () => {
    for (const text of [
      'platforms = { ios = "5m" }', 'platforms.ios = "5m"', '[platforms.x]\ny = "5m"', '["platforms"]\nios = "5m"', 'timeout = 900', '"timeout" = "5m"',
      'timeout = """\n5m"""', '[platforms]\nios = 5', '[platforms]\nios.x = "5m"', 'timeout = "5m"\ntimeout = "6m"', 'timeout = "\\u0035m"',
    ]) assert.equal(fieldsOf(text), undefined, text)
  })

  test('changed by a field, it says that and all else as before', () => {
    assert.equal(withPlatform(WHOLE, 'ios', '10m'), WHOLE.replace('ios = "15m"', 'ios = "10m"'))
    assert.equal(withPlatform(WHOLE, 'smart tv', undefined), WHOLE.replace('"smart tv" = "3h"\n', ''))
    assert.equal(withPlatform(WHOLE, 'a"b', '1h'), WHOLE.replace('= "3h"\n', '= "3h"\n"a\\"b" = "1h"\n'))
    assert.equal(withTop(WHOLE, 'background_timeout', undefined), WHOLE.replace("background_timeout = '5m'\n", ''))
    assert.equal(withTop('timeout = "5m"\n[users]\n', 'background_timeout', '1m'), 'timeout = "5m"\nbackground_timeout = "1m"\n[users]\n')
    assert.equal(withTop('background_timeout = "1m"', 'timeout', undefined), 'background_timeout = "1m"')
    assert.equal(withPlatform('timeout = "5m"', 'web', '1h'), 'timeout = "5m"\n[platforms]\nweb = "1h"\n')
    assert.equal(withPlatform('', 'web', undefined), '')
    for (const name of ['web', 'smart tv', 'a"b', 'ünï', "it's", 'timeout']) {
      const text = withPlatform(WHOLE, name, '7m')
      assert.deepEqual(fieldsOf(text)!.platforms.find((one) => one.name === name), { name, timeout: '7m' })
      assert.equal(withPlatform(text, name, undefined).includes('7m'), false, name)
    }
  })

  test('says whom it gives a timeout of their own', () => {
    assert.deepEqual(besides('en', { timeout: '5m', platforms: { ios: '15m', web: '1h30m' }, users: { ada: '2h', bo: '1m' } }),
      ['ios 15 min', 'web 1 h 30 min', 'single people: 2'])
    assert.deepEqual(besides('ko', { users: { ada: '2h' } }), ['개별 사용자 1명'])
    assert.deepEqual(besides('en', { timeout: '5m', background_timeout: '1m' }), [])
  })
})

test('a span in a field is whole, and is read as it was written', () => {
  assert.deepEqual([wholeSpan('en', 5405), wholeSpan('ko', 5405), wholeSpan('en', 900)], ['1 h 30 min 5 s', '1시간 30분 5초', '15 min'])
  for (const seconds of [1, 59, 60, 61, 3599, 3600, 3601, 5405, 86_399, 86_400]) {
    for (const locale of ['en', 'ko'] as const) assert.equal(readSpan(wholeSpan(locale, seconds)), seconds)
    assert.equal(readSpan(writeSpan(seconds)), seconds)
  }
})
