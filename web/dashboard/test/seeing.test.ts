// What screens say beside their numbers: addresses, weeks and months, marks of policies, and why something failed.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client, Problem, Unreached } from '../src/api/client.ts'
import { curveOf, ranges, split, type Lab } from '../src/model/curve.ts'
import { date, month, moment, span } from '../src/model/format.ts'
import { queryOf, seenIn } from '../src/model/lab.ts'
import { markOf, type Lane } from '../src/model/lanes.ts'
import { daysBetween, gathered, stepOf, stepsOf, type Place } from '../src/model/overview.ts'
import { notDone, notRead } from '../src/model/trouble.ts'

describe('the address of the lab', () => {
  const seen = (text: string) => seenIn(new URLSearchParams(text))

  test('is read as it is written: the timeout, by what people are told apart, the kind of app, the curves', () => {
    for (const text of ['', 'timeout=15m', 'timeout=1h30m&by=country&kind=game&curves=sessions%2Cmedian', 'by=pattern', 'kind=social']) {
      assert.equal(new URLSearchParams(queryOf(seen(text))).toString(), text)
    }
  })

  test('what cannot be read is what is usual, and no timeout is beyond the axis', () => {
    const usual = { timeout: undefined, by: 'platform', kind: '', curves: ['sessions', 'mean', 'total'] }
    for (const text of ['timeout=soon', 'by=age', 'kind=bank', 'curves=', 'curves=nothing']) assert.deepEqual(seen(text), usual, text)
    assert.equal(seen('timeout=2s').timeout, 10)
    // In whatever order they were chosen.
    assert.deepEqual(queryOf({ ...seen(''), curves: ['total', 'mean', 'sessions'] }), {})
  })
})

test('times away as a table: each is in one row, and no row lies on both sides of the line', () => {
  const gaps: [number, number][] = [[3, 7], [60, 2], [899, 5], [900, 1], [86_400, 4]]
  const columns = { timeout_seconds: [1], sessions: [1], total_length_seconds: [0], mean_length_seconds: [0] }
  const curve = curveOf({ in_force_seconds: 1800, columns, gaps } as unknown as Lab)
  for (const timeout of [10, 61, 899, 900, 901, 12_345, 86_400]) {
    const rows = ranges(curve, timeout)
    assert.equal(rows.reduce((sum, { many }) => sum + many, 0), 19)
    const joined = rows.filter(({ to }) => to !== undefined && to <= timeout).reduce((sum, { many }) => sum + many, 0)
    assert.equal(joined, split(curve, timeout).joined, `${timeout}`)
    assert.ok(rows.every(({ from, to }) => to === undefined || to <= timeout || timeout <= from), `${timeout}`)
  }
  assert.deepEqual(ranges(curve, 900)[0], { from: 0, to: 10, many: 7 })
  assert.deepEqual(ranges(curve, 900).at(-1), { from: 86_400, to: undefined, many: 4 })
})

describe('weeks and months', () => {
  /** Days from 2026-01-26 on, of which the nth has n sessions that are over, n minutes each, and 10 n users. */
  const days = (many: number): Place[] => Array.from({ length: many }, (_, at) => {
    const day = new Date(Date.UTC(2026, 0, 26 + at)).toISOString().slice(0, 10)
    const n = at + 1
    return {
      day, begins_at: `${day}T00:00:00Z`, sessions: n, ended: n, users: 10 * n, mean_length_seconds: 60 * n, median_length_seconds: 60 * n,
      total_length_seconds: 60 * n * n, foreground_seconds: n, playing_seconds: 2 * n, idle_seconds: 3 * n,
    }
  })

  test('weeks are counted back from the last day, so that the last one is whole', () => {
    const weeks = gathered(days(16), 'week')
    assert.deepEqual(weeks.map(({ day, last, days }) => [day, last, days]), [
      ['2026-01-26', '2026-01-27', 2], ['2026-01-28', '2026-02-03', 7], ['2026-02-04', '2026-02-10', 7],
    ])
    assert.deepEqual(weeks.map(({ sessions }) => sessions), [3, 42, 91])
    // Of all sessions, not of the means of the days; users are those of a day.
    assert.equal(weeks[0]!.mean_length_seconds, 60 * (1 + 4) / 3)
    assert.equal(weeks[0]!.users, 15)
    assert.deepEqual(weeks.map(({ median_length_seconds }) => median_length_seconds), [null, null, null])
    assert.deepEqual([weeks[0]!.foreground_seconds, weeks[0]!.playing_seconds, weeks[0]!.idle_seconds], [3, 6, 9])
  })

  test('months are those of the calendar', () => {
    const months = gathered(days(40), 'month')
    assert.deepEqual(months.map(({ day, last, days }) => [day, last, days]), [
      ['2026-01-26', '2026-01-31', 6], ['2026-02-01', '2026-02-28', 28], ['2026-03-01', '2026-03-06', 6],
    ])
    assert.equal(months.reduce((sum, { sessions }) => sum + sessions, 0), 40 * 41 / 2)
  })

  test('days stay as they are, and what is put together changes nothing that it is made of', () => {
    const all = days(30)
    const before = JSON.stringify(all)
    assert.deepEqual(gathered(all, 'day').map(({ last: _, days: __, ...place }) => place), all)
    gathered(all, 'week')
    assert.equal(JSON.stringify(all), before)
    const none = days(2).map((place) => ({ ...place, ended: 0, total_length_seconds: 0, mean_length_seconds: null, users: null }))
    assert.deepEqual(gathered(none, 'month').map(({ mean_length_seconds, users }) => [mean_length_seconds, users]), [[null, null]])
  })

  test('so many days are drawn by what can be told apart, unless the address says otherwise and it can be', () => {
    assert.deepEqual([1, 7, 13, 14, 59, 60].map((many) => stepsOf(many).join()), ['hour', 'day', 'day', 'day,week', 'day,week', 'day,week,month'])
    assert.deepEqual([[7], [91], [365], [91, 'week'], [365, 'day'], [7, 'month'], [1, 'week']].map(([days, by]) => stepOf({ days, by } as never)),
      ['day', 'day', 'month', 'week', 'day', 'day', 'hour'])
  })

  test('days between two dates count both, over a change of clocks too, and are none the wrong way round', () => {
    assert.deepEqual([daysBetween('2026-03-28', '2026-03-30'), daysBetween('2026-01-01', '2026-01-01'), daysBetween('2024-01-01', '2024-12-31')], [3, 1, 366])
    for (const [first, last] of [['2026-01-02', '2026-01-01'], ['2024-01-01', '2025-01-01'], ['', '2026-01-01'], ['2026-01-01', 'x']]) {
      assert.equal(daysBetween(first!, last!), undefined)
    }
  })
})

test('the year is said where it is not the one of now', () => {
  const now = Date.parse('2026-12-31T20:00:00Z')
  assert.match(moment('en', 'UTC', '2026-01-05T09:00:00Z', false, now), /^Mon,? 5 Jan,? 09:00$/)
  assert.match(moment('en', 'UTC', '2099-03-01T09:00:00Z', false, now), /^Sun,? 1 Mar 2099,? 09:00$/)
  assert.match(moment('ko', 'UTC', '2099-03-01T09:00:00Z', false, now), /^2099년 3월 1일 \(일\) 09:00$/)
  // In Seoul it is the new year already.
  assert.doesNotMatch(moment('en', 'Asia/Seoul', '2027-01-05T09:00:00Z', false, now), /2027/)
  assert.match(date('en', '2025-01-05', now), /2025/)
  assert.deepEqual([month('en', '2026-02-01', false), month('en', '2026-01-01', false), month('ko', '2026-02-01', true)], ['Feb', 'Jan 2026', '2026년 2월'])
})

test('lengths are cut off where commands cut them off, so that the screen and a command say the same', () => {
  assert.deepEqual([119.99, 3599.9, 3659, 172_799, 176_399, 9.99, 0.3, 8.2].map((seconds) => span('en', seconds)),
    ['1 min 59 s', '59 min 59 s', '1 h', '47 h 59 min', '2 d', '9.9 s', '0.3 s', '8.2 s'])
})

test('a policy is marked in the lane of its day at its hour, or between lanes where that day has none', () => {
  const lanes = ['2026-03-10', '2026-03-08', '2026-03-01'].map((date) => ({ date, at: 0, pieces: [] })) as Lane[]
  const mark = (at: string) => markOf('Asia/Seoul', lanes, Date.parse(at))
  assert.deepEqual(mark('2026-03-07T21:00:00Z'), { lane: 1, hour: 6 })
  assert.deepEqual(mark('2026-03-09T03:00:00Z'), { lane: 1 })
  assert.deepEqual(mark('2026-03-20T03:00:00Z'), { lane: 0 })
  assert.equal(mark('2026-02-20T03:00:00Z'), undefined)
})

describe('why something failed', () => {
  const problem = (status: number, code: string, detail = 'as the server says') => new Problem(status, code, detail)

  test('has words of its own for what people meet, in both languages', () => {
    const timeout = new DOMException('signal timed out', 'TimeoutError')
    for (const [error, en, ko] of [
      [new Unreached('Failed to fetch'), /cannot be reached/, /연결할 수 없습니다/], [problem(502, 'unknown'), /cannot be reached/, /연결할 수 없습니다/],
      [timeout, /too long/, /늦습니다/], [problem(403, 'may_not_put_policy'), /not change it/, /권한/],
      [problem(412, 'replaced'), /Somebody else/, /다른 사람/], [problem(503, 'disk_full'), /disk/, /디스크/],
      [problem(409, 'app_there'), /Choose another name/, /다른 이름/], [problem(503, 'busy'), /busy/, /처리하고/],
    ] as const) {
      for (const why of [notRead, notDone]) {
        assert.match(why('en', error), en)
        assert.match(why('ko', error), ko)
        assert.doesNotMatch(why('ko', error), /fetch|signal|as the server says/)
      }
    }
  })

  test('says else what the server says, and whether it was read or changed', () => {
    const error = problem(400, 'bad_policy', 'the policy has an unknown key')
    assert.equal(notRead('en', error), 'That could not be read: the policy has an unknown key')
    assert.equal(notDone('en', error), 'That was not done: the policy has an unknown key')
    assert.match(notDone('en', problem(503, 'stopped', 'the disk failed')), /the disk failed/)
    assert.equal(notDone('en', 'odd'), 'That was not done: odd')
  })
})

test('of a feed that was empty the stream tells all from there on, and comes again after what it told', async () => {
  const asked: string[] = []
  const gone = new AbortController()
  const before = globalThis.fetch
  globalThis.fetch = (async (url: string) => {
    asked.push(url)
    if (asked.length === 2) gone.abort()
    return new Response('id: 4\ndata: {"number":4}\n\n')
  }) as typeof fetch
  try {
    await new Client('dw_s_x').follow({ after: undefined, from: 4 }, () => {}, () => {}, gone.signal)
  } finally {
    globalThis.fetch = before
  }
  assert.deepEqual(asked, ['/v1/sessions/stream?from=4', '/v1/sessions/stream?after=4'])
})
