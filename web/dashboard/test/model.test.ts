// The model alone: no browser, no server.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { csv, curveOf, histogram, nice, split, step, FROM, TO, type Lab } from '../src/model/curve.ts'
import { hear, latest, MOST, readEvents, silence, type Statement } from '../src/model/feed.ts'
import { change, count, country, moment, signed, signedSpan, span } from '../src/model/format.ts'
import { adviceIn } from '../src/model/advice.ts'
import { dayOf, nearest, onGrid } from '../src/model/detail.ts'
import { lanes, place, visits, type Session } from '../src/model/lanes.ts'
import { askedIn, csv as overviewCsv, originsCsv, queryOf, questionOf, valueOf, METRICS, type Measures, type Overview, type Row } from '../src/model/overview.ts'
import { direction, sentence } from '../src/model/sentence.ts'
import { readSpan, writeSpan } from '../src/model/span.ts'

/** Two silences of 60 s, one of 900 s, one of a day, between sessions that are points; 10 sessions always. */
function lab(): Lab {
  const gaps: [number, number][] = [[60, 2], [900, 1], [86_400, 1]]
  const points = Array.from({ length: 86_400 }, (_, place) => {
    const timeout = place + 1
    const joined = gaps.filter(([second]) => second < timeout)
    const sessions = 10 + gaps.reduce((sum, [, many]) => sum + many, 0) - joined.reduce((sum, [, many]) => sum + many, 0)
    const total = joined.reduce((sum, [second, many]) => sum + second * many, 0)
    return { timeout_seconds: timeout, sessions, total_length_seconds: total, mean_length_seconds: total / sessions }
  })
  const columns = {
    timeout_seconds: points.map((point) => point.timeout_seconds),
    sessions: points.map((point) => point.sessions),
    total_length_seconds: points.map((point) => point.total_length_seconds),
    mean_length_seconds: points.map((point) => point.mean_length_seconds),
  }
  return { app: 'app_x', in_force_seconds: 1800, read_up_to: 1, sessions_always: 10, versus: points[1799]!, points: [], columns, gaps }
}

describe('the curve', () => {
  const curve = curveOf(lab())

  test('is asked at any whole second and never beyond its ends', () => {
    assert.equal(curve.at(900).timeout_seconds, 900)
    assert.equal(curve.at(900).sessions, 12)
    assert.equal(curve.at(901).sessions, 11)
    assert.equal(curve.at(0).timeout_seconds, 1)
    assert.equal(curve.at(1e9).timeout_seconds, 86_400)
  })

  test('a silence as long as the timeout ends a session, a shorter one does not', () => {
    assert.deepEqual(split(curve, 60), { joined: 0, ended: 4 })
    assert.deepEqual(split(curve, 61), { joined: 2, ended: 2 })
    assert.deepEqual(split(curve, 900), { joined: 2, ended: 2 })
    assert.deepEqual(split(curve, 901), { joined: 3, ended: 1 })
    assert.deepEqual(split(curveOf({ ...lab(), gaps: [] }), 900), { joined: 0, ended: 0 })
    for (const timeout of [10, 60, 61, 900, 901, 86_400]) {
      assert.equal(split(curve, timeout).ended + curve.at(86_400).sessions - 1, curve.at(timeout).sessions, `${timeout}`)
    }
  })

  test('the histogram has every silence of its axis once, the one at its very end too', () => {
    const bars = histogram(curve)
    assert.equal(bars.reduce((sum, bar) => sum + bar.many, 0), 4)
    assert.equal(bars.at(-1)!.many, 1)
    for (const bar of bars.filter((bar) => bar.many > 0)) {
      assert.ok([60, 900, 86_400].some((second) => bar.from - 1e-6 <= second && second <= bar.to + 1e-6))
    }
    assert.ok(Math.abs(bars[0]!.from - FROM) < 1e-9 && Math.abs(bars.at(-1)!.to - TO) < 1e-6)
  })

  test('what is dragged is a timeout that people would choose', () => {
    assert.deepEqual([3, 10.4, 61, 897, 905, 1795, 3610, 7300, 99_999].map(nice), [10, 10, 60, 900, 900, 1800, 3600, 7200, 86_400])
  })

  test('a step there and a step back is no step, wherever it is', () => {
    for (let at = FROM; at < TO; at = step(at, 1)) {
      assert.ok(step(at, 1) > at)
      assert.equal(step(step(at, 1), -1), at)
    }
    assert.equal(step(TO, 1), TO)
    assert.equal(step(FROM, -1), FROM)
    assert.equal(step(901, 1), 930)
    assert.equal(step(901, -1), 900)
    assert.equal(step(60, -1), 59)
  })

  test('as CSV it has the names of the API and each timeout once', () => {
    const lines = csv(curve, [1800, 77]).trim().split('\n')
    assert.equal(lines[0], 'timeout_seconds,sessions,total_length_seconds,mean_length_seconds')
    assert.equal(lines.filter((line) => line.startsWith('1800,')).length, 1)
    assert.ok(lines.includes(`77,12,120,${120 / 12}`))
  })
})

describe('words', () => {
  test('spans are read as they are written, in either language', () => {
    for (const [text, seconds] of [
      ['15m', 900], ['1h30m', 5400], ['1h 30m', 5400], ['90', 90], [' 90 s ', 90], ['15분', 900], ['1시간 30분', 5400],
      ['24h', 86_400], ['1d', 86_400], ['2 min', 120], ['1일', 86_400],
    ] as const) assert.equal(readSpan(text), seconds, text)
    for (const text of ['', 'm', '0', '25h', '15x', '30m1h', '1m1m', '-5m', '1.5h', '15m!']) {
      assert.equal(readSpan(text), undefined, text)
    }
    for (const seconds of [1, 59, 60, 61, 900, 3599, 3600, 5400, 3661, 86_400]) {
      assert.equal(readSpan(writeSpan(seconds)), seconds)
    }
  })

  test('lengths have at most two units, in either language', () => {
    const of = (seconds: number) => [span('en', seconds), span('ko', seconds)]
    assert.deepEqual(of(0), ['0 s', '0초'])
    assert.deepEqual(of(4.23), ['4.2 s', '4.2초'])
    assert.deepEqual(of(59.6), ['59 s', '59초'])
    assert.deepEqual(of(3374), ['56 min 14 s', '56분 14초'])
    assert.deepEqual(of(3599.9), ['59 min 59 s', '59분 59초'])
    assert.deepEqual(of(4800), ['1 h 20 min', '1시간 20분'])
    assert.deepEqual(of(86_400), ['24 h', '24시간'])
    assert.deepEqual(of(360_000), ['4 d 4 h', '4일 4시간'])
    assert.deepEqual(of(-102), ['−1 min 42 s', '−1분 42초'])
  })

  test('counts and changes have their signs', () => {
    assert.equal(count('ko', 1_234_567), '1,234,567')
    assert.equal(change('en', 1000, 1088), '+8.8\u00a0%')
    assert.equal(change('ko', 1000, 912), '−8.8%')
    assert.equal(change('en', 1000, 1000), '0.0\u00a0%')
    assert.equal(change('en', 0, 5), undefined)
    assert.equal(signed('en', -1204), '−1,204')
    assert.equal(signedSpan('ko', 60), '+1분')
  })

  test('moments are those of the zone of the app', () => {
    const now = Date.parse('2026-06-01T00:00:00Z')
    assert.match(moment('en', 'Asia/Seoul', '2026-01-05T00:30:00Z', false, now), /^Mon,? 5 Jan,? 09:30$/)
    assert.match(moment('ko', 'Asia/Seoul', '2026-01-05T00:30:00Z', false, now), /1월 5일 \(월\) 09:30/)
    assert.match(moment('en', 'America/New_York', '2026-01-05T00:30:00Z', false, now), /^Sun,? 4 Jan,? 19:30$/)
  })

  test('the Korean particle fits its word', () => {
    assert.deepEqual(['15분', '24시간', '2일', '10초', '1분 42초'].map(direction), ['으로', '으로', '로', '로', '로'])
  })

  test('the sentence says what changes, each way, in either language', () => {
    const curve = curveOf(lab())
    assert.equal(
      sentence('en', curve.at(1800), curve.at(300)),
      'With 5 min instead of 30 min, 11 sessions would have been 12 (+9.1\u00a0%). An average visit would have lasted 10 s instead of 1 min 32 s.')
    assert.equal(
      sentence('ko', curve.at(1800), curve.at(300)),
      '타임아웃을 30분에서 5분으로 바꿨다면 세션은 11개에서 12개로 늘고(+9.1%), 평균 방문은 1분 32초에서 10초로 달라졌을 것입니다.')
    assert.match(sentence('en', curve.at(300), curve.at(1800)), /^With 30 min instead of 5 min, 12 sessions would have been joined to 11 \(−8\.3\u00a0%\)/)
    assert.match(sentence('ko', curve.at(300), curve.at(1800)), /줄고\(−8\.3%\)/)
    assert.match(sentence('en', curve.at(1800), curve.at(3600)), /nothing would have been counted otherwise: 11 sessions/)
    assert.match(sentence('ko', curve.at(1800), curve.at(1800)), /^30분: 지금 적용 중/)
  })
})

describe('lanes', () => {
  const session = (id: string, started_at: string, ended_at: string) => ({ session_id: id, started_at, ended_at }) as Session

  test('a session lies in the day of the app, the newest day first', () => {
    const days = lanes('Asia/Seoul', visits([
      session('a', '2026-01-04T15:30:00Z', '2026-01-04T16:00:00Z'), session('b', '2026-01-06T00:00:00Z', '2026-01-06T01:00:00Z'),
    ], null, undefined, 0))
    assert.deepEqual(days.map(({ date }) => date), ['2026-01-06', '2026-01-05'])
    assert.deepEqual([days[1]!.pieces[0]!.from, days[1]!.pieces[0]!.to], [0.5, 1])
  })

  test('one over midnights lies in every day that it touches, once', () => {
    const days = lanes('UTC', visits([session('a', '2026-01-01T23:00:00Z', '2026-01-04T01:00:00Z')], null, undefined, 0))
    assert.deepEqual(days.map(({ date, pieces }) => [date, ...pieces.map(({ from, to }) => [from, to])]), [
      ['2026-01-04', [0, 1]], ['2026-01-03', [0, 24]], ['2026-01-02', [0, 24]], ['2026-01-01', [23, 24]],
    ])
  })

  test('what lies within a visit is laid out where it was, over midnight too, and only where all of it is known', () => {
    const at = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour)).toISOString()
    const phase = (from: number, to: number, state: 'foreground' | 'playing' | 'idle') => ({ ordinal: 1, from: at(from), to: at(to), state })
    const old = session('a', at(1), at(3))
    const night = session('b', at(22), at(26))
    const known = { known_from: at(2), phases: [phase(2, 3, 'idle'), phase(22, 23, 'foreground'), phase(23, 26, 'playing'), phase(30, 31, 'foreground')] }
    const open = { started_at: at(30), last_seen_at: at(30), ends_at_unless_seen: at(34) } as never
    const all = visits([old, night], open, known, Date.parse(at(31)))
    assert.deepEqual(all.map(({ phases }) => phases.length), [0, 2, 1])
    const parts = lanes('UTC', all).map(({ pieces }) => pieces.map(({ parts, waits }) => [parts.map(({ from, to, state }) => [from, to, state]), waits]))
    assert.deepEqual(parts, [
      [[[[0, 2, 'playing']], undefined], [[[6, 7, 'foreground']], { from: 7, to: 10 }]],
      [[[], undefined], [[[22, 23, 'foreground'], [23, 24, 'playing']], undefined]],
    ])
  })

  test('midnight is hour 0', () => {
    assert.deepEqual(place('UTC', Date.parse('2026-01-05T00:00:00Z')), { date: '2026-01-05', hour: 0 })
  })
})

describe('the overview', () => {
  const asked = (text: string) => askedIn(new URLSearchParams(text))

  test('an address is read as it is written, and what cannot be read is what is usual', () => {
    for (const text of ['', 'days=28', 'days=1&last=today', 'days=1&last=2026-03-29&metric=median', 'metric=engaged', 'platform=ios', 'days=28&metric=mean&country=KR', 'days=91&by=week', 'version=']) {
      assert.equal(new URLSearchParams(queryOf(asked(text))).toString(), text)
    }
    for (const text of ['days=0', 'days=367', 'days=x', 'days=1.5', 'last=soon', 'metric=happiness', 'metric=', 'by=hour', 'by=year']) {
      assert.deepEqual(asked(text), { days: 7, last: 'yesterday', metric: 'sessions', by: undefined, filter: undefined }, text)
    }
    // One filter at a time: Dwell would refuse two.
    assert.deepEqual(questionOf(asked('version=2&platform=a+b%26c').filter), { platform: 'a b&c' })
  })

  const measures: Measures = {
    sessions: 3, ended: 2, users: null, mean_length_seconds: 90, median_length_seconds: null, total_length_seconds: 180,
    foreground_seconds: 60, playing_seconds: 100, idle_seconds: 20,
  }

  test('what is not known is nothing, and not zero', () => {
    assert.deepEqual(METRICS.map((metric) => valueOf(metric, measures)), [3, null, 90, null, 160, 100])
  })

  test('as CSV it has the names of the API and a line for each place', () => {
    const places = [{ ...measures, day: '2026-03-29', begins_at: '2026-03-28T23:00:00Z' }]
    assert.equal(overviewCsv({ places } as Overview),
      'begins_at,sessions,ended,users,mean_length_seconds,median_length_seconds,total_length_seconds,foreground_seconds,playing_seconds,idle_seconds\n' +
      '2026-03-28T23:00:00Z,3,2,,90,,180,60,100,20\n')
  })
})

describe('where sessions come from', () => {
  const measures: Measures = {
    sessions: 3, ended: 2, users: null, mean_length_seconds: 90, median_length_seconds: null, total_length_seconds: 180,
    foreground_seconds: 60, playing_seconds: 100, idle_seconds: 20,
  }

  test('as CSV it has a line for each row, and no value leaves its cell', () => {
    const row = (value: string | null): Row => ({ ...measures, facet: 'version', value, before: { ...measures, sessions: 7 } })
    const lines = originsCsv({ rows: [row('a,"b"\n'), row(''), row(null)] }).split('\n')
    assert.equal(lines.slice(1).join('\n'), 'version,"a,""b""\n",3,2,,90,,180,60,100,20,7\nversion,,3,2,,90,,180,60,100,20,7\nversion,*,3,2,,90,,180,60,100,20,7\n')
  })

  test('a country has its name in either language, where it is known by two letters', () => {
    assert.deepEqual(['KR', 'South Korea', 'kr', 'QQ'].map((code) => country('en', code)), ['South Korea', 'South Korea', 'kr', 'QQ'])
    assert.equal(country('ko', 'DE'), '독일')
  })
})

describe('the feed', () => {
  const at = '2026-01-01T00:01:00Z'
  const started = (number: number, user: string): Statement =>
    ({ number, at, type: 'session.started', user, started_at: `2026-01-01T00:00:0${number % 10}Z` })

  test('who began is here until the end, and the newest is said first', () => {
    const heard = [started(1, 'ada'), started(2, 'bo'), { number: 3, at, type: 'session.ended', user: 'ada' } as Statement].reduce(hear, silence())
    assert.deepEqual([...heard.here.keys()], ['bo'])
    assert.deepEqual(heard.statements.map(({ number }) => number), [3, 2, 1])
  })

  test('of somebody who was erased nothing stays, and of everybody else all', () => {
    const told = (number: number, type: Statement['type'], user: string) => ({ number, type, user }) as Statement
    const heard = [started(1, 'ada'), started(2, 'bo'), told(3, 'user.erased', 'ada'), told(4, 'session.erased', '')].reduce(hear, silence())
    assert.deepEqual([...heard.here.keys()], ['bo'])
    assert.deepEqual(heard.statements.map(({ number }) => number), [2])
  })

  test('what is remembered is bounded, and the oldest is forgotten', () => {
    let heard = silence()
    for (let number = 0; number < MOST + 50; number++) heard = hear(heard, started(number, `user ${number}`))
    assert.equal(heard.statements.length, MOST)
    assert.equal(heard.here.size, MOST)
    assert.ok(!heard.here.has('user 0') && heard.here.has(`user ${MOST + 49}`))
  })

  test('a stream is read whatever pieces it comes in', () => {
    const stream = 'id: 7\nevent: session.started\ndata: {"a":1}\n\n:\n\nid: 8\r\ndata: x\r\ndata: y\r\n\r\nid: 9\nda'
    const whole = readEvents(stream)
    assert.deepEqual(whole, { events: [{ id: '7', data: '{"a":1}' }, { id: '8', data: 'x\ny' }], rest: 'id: 9\nda' })
    const found: unknown[] = []
    let rest = ''
    for (const piece of stream) {
      const read = readEvents(rest + piece)
      found.push(...read.events)
      rest = read.rest
    }
    assert.deepEqual(found, whole.events)
  })

  test('what is remembered is asked for, wherever the feed begins', () => {
    assert.equal(latest({ first: 0, next: 0 }), undefined)
    assert.equal(latest({ first: 0, next: MOST }), undefined)
    assert.equal(latest({ first: 0, next: MOST + 1 }), 0)
    assert.equal(latest({ first: 1000, next: 1000 }), 999)
    assert.equal(latest({ first: 1000, next: 1001 }), 999)
    assert.equal(latest({ first: 1000, next: 1000 + MOST }), 999)
    assert.equal(latest({ first: 1000, next: 123_456 }), 123_456 - MOST - 1)
  })
})

const GRID = [10, 60, 1800].map((timeout_seconds) => ({
  timeout_seconds, sessions: 12_000 / timeout_seconds, per_day: 3, per_user: 2, one_activity: 3, total_length_seconds: 50, mean_length_seconds: 5,
  median_length_seconds: timeout_seconds / 10, p75_length_seconds: 7, p90_length_seconds: 9, p99_length_seconds: 11,
}))

test('the timeout of the grid is the nearest by factor, and shares are of the sessions there', () => {
  assert.equal(nearest(GRID, 24)?.timeout_seconds, 10)
  assert.equal(nearest(GRID, 25)?.timeout_seconds, 60)
  assert.equal(nearest(GRID, 86_400)?.timeout_seconds, 1800)
  assert.equal(nearest([], 60), undefined)
  assert.equal(onGrid('one_activity', GRID[0]!), 3 / 1200)
  assert.equal(onGrid('one_activity', { ...GRID[0]!, sessions: 0 }), 0)
})

test('the day that is drawn of somebody is that of the zone on which most changes', () => {
  // From 22:00 in Seoul on: the second evening two visits are one, the first nothing changes.
  const lane = {
    user: 'ada', begins_at: '2026-03-02T13:00:00Z', activities: [0, 600, 86_400, 88_200], foreground: [[0, 300], [86_400, 86_700]],
    playing: [], idle: [[300, 600]], sessions: [[0, 600], [86_400, 86_400], [88_200, 88_200]], versus_sessions: [[0, 600], [86_400, 88_200]],
  }
  const seoul = dayOf('Asia/Seoul', lane)
  assert.deepEqual([seoul.sessions, seoul.versus], [[[22, 22], [22.5, 22.5]], [[22, 22.5]]])
  assert.deepEqual([seoul.activities, seoul.idle, seoul.all], [[22, 22.5], [], { sessions: 3, versus: 2 }])
  assert.equal(new Date(seoul.at).toISOString(), '2026-03-03T13:00:00.000Z')
  // A visit over midnight is cut there.
  const late = dayOf('Asia/Seoul', { ...lane, sessions: [[0, 8000]], versus_sessions: [] })
  assert.deepEqual(late.sessions, [[22, 24]])
})

test('a refusal and an advice are said in both languages, with their numbers', () => {
  const advice = {
    words: '', kind: null, timeout_seconds: null, low_seconds: null, high_seconds: null, depth: null, users: 3, gaps: 4, doubling: -0.03,
    convention_low_seconds: 10, convention_high_seconds: 7200, refusal: { reason: 'too_few_users' as const, found: 3, needed: 50 },
  }
  assert.equal(adviceIn('en', advice), 'No advice: 3 people are too few to speak for the others, 50 are needed.')
  assert.match(adviceIn('ko', { ...advice, refusal: { reason: 'unusual', at_seconds: 120, usual_seconds: 1800 } }), /2분.*30분/)
  const sure = { ...advice, refusal: null, timeout_seconds: 900, low_seconds: 600, high_seconds: 1200, depth: 0.625 }
  assert.match(adviceIn('en', sure), /^15 min, give or take \(10 min to 20 min\)\. A valley 62\.5\u00a0% deep/)
})
