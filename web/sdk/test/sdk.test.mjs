import assert from 'node:assert/strict'
import { test } from 'node:test'
import { START, World, names } from './world.mjs'

const iso = (seconds) => new Date(START + seconds * 1000).toISOString()

test('a call becomes a message of the dialect, with an id and a time of the call', async () => {
  const world = new World()
  const { dwell } = world.open()
  dwell.identify('ada', { plan: 'free' })
  await world.pass(0.4)
  dwell.track('Bought', { price: 7 })
  dwell.page()
  await world.pass(2)
  assert.equal(world.seen.length, 1)
  const [{ writeKey, sentAt, context, batch }] = world.seen
  assert.equal(writeKey, 'dw_w_1')
  assert.equal(sentAt, iso(1))
  assert.deepEqual(context, { library: { name: 'dwell-web', version: '0.1.0' }, platform: 'web' })
  assert.deepEqual(names(batch), ['Application Foregrounded', 'identify', 'Bought', '/cart'])
  const [opened, identified, bought, page] = batch
  assert.equal(opened.userId, undefined)
  assert.match(opened.anonymousId, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.deepEqual([identified.userId, identified.anonymousId, identified.traits], ['ada', opened.anonymousId, { plan: 'free' }])
  assert.equal(bought.timestamp, iso(0.4))
  assert.deepEqual(bought.properties, { price: 7 })
  assert.deepEqual(page.properties, {
    path: '/cart',
    url: 'https://shop.example/cart',
    title: 'Cart',
    referrer: 'https://search.example/',
  })
  assert.equal(page.context, undefined)
  const ids = batch.map(({ messageId }) => messageId)
  assert.deepEqual([...ids].sort(), ids, 'ids sort in the order of the calls')
  assert.equal(new Set(ids).size, ids.length)
})

test('ids keep the order of calls when the clock is put back', async () => {
  const world = new World()
  const { dwell } = world.open()
  dwell.track('before')
  world.skew -= 3_600_000
  dwell.track('after')
  await world.pass(2)
  const ids = world.accepted.map(({ messageId }) => messageId)
  assert.deepEqual([...ids].sort(), ids)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded', 'before', 'after'])
})

test('the campaign of the address goes with the page', async () => {
  const world = new World()
  world.open({ page: true }, { url: 'https://shop.example/?utm_campaign=spring&token=1' })
  await world.pass(2)
  const page = world.accepted.find(({ type }) => type === 'page')
  assert.deepEqual(page.context, { campaign: { name: 'spring' } })
  assert.ok(!JSON.stringify(world.seen).includes('token'))
})

test('the page comes to the front and leaves it; what is said then is sent at once', async () => {
  const world = new World()
  const tab = world.open()
  await world.pass(60)
  tab.hide()
  await world.pass(0)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded', 'Application Backgrounded'])
  tab.show()
  tab.show()
  await world.pass(2)
  assert.deepEqual(names(world.accepted).slice(2), ['Application Foregrounded'])
  tab.hide()
  tab.show()
  tab.hide()
  await world.pass(2)
  assert.deepEqual(names(world.accepted).slice(3), ['Application Backgrounded'], 'a glance is no visit')
})

test('a page that opens in the background is not in the foreground', async () => {
  const world = new World()
  const tab = world.open({}, { visible: false })
  await world.pass(5)
  assert.deepEqual(world.seen, [])
  tab.show()
  await world.pass(5)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded'])
})

test('a page that goes says so by a beacon, and comes back from the back-forward cache', async () => {
  const world = new World()
  const tab = world.open()
  await world.pass(5)
  tab.close({ persisted: true })
  assert.deepEqual(world.seen.slice(1).map(({ how, batch }) => [how, names(batch)]), [['beacon', ['Application Backgrounded']]])
  tab.document.visibilityState = 'visible'
  tab.window.fire('pageshow', { persisted: true })
  await world.pass(5)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded', 'Application Backgrounded', 'Application Foregrounded'])
})

test('what a beacon became of is unknown, so the next page sends it again, under the same id', async () => {
  const world = new World()
  const tab = world.open()
  await world.pass(5)
  world.answers = ['offline']
  tab.close()
  assert.deepEqual(names(world.accepted), ['Application Foregrounded'])
  world.open()
  await world.pass(70)
  assert.deepEqual(names(world.accepted).sort(), ['Application Backgrounded', 'Application Foregrounded', 'Application Foregrounded'])
})

test('a beacon that the browser does not take leaves its events in the queue', async () => {
  const world = new World()
  const tab = world.open()
  await world.pass(5)
  world.beaconWorks = false
  world.answers = ['offline']
  tab.close()
  world.open({}, { visible: false })
  await world.pass(7)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded'])
  await world.pass(30)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded', 'Application Backgrounded'])
})

for (const trouble of ['offline', 500, 503, 408, [429, {}, {}]]) {
  test(`after ${Array.isArray(trouble) ? trouble[0] : trouble} everything is sent again, later and later, with the time of each attempt`, async () => {
    const world = new World()
    const { dwell, dropped } = world.open()
    world.answers = Array(6).fill(trouble)
    for (let number = 0; number < 30; number++) {
      dwell.track(`event ${number}`)
      await world.pass(1)
    }
    await world.pass(200)
    assert.deepEqual(dropped, [])
    assert.equal(new Set(world.accepted.map(({ messageId }) => messageId)).size, 31)
    assert.equal(world.accepted.length, 31)
    for (const { at, sentAt } of world.seen) assert.equal(sentAt, new Date(at).toISOString())
    const waits = world.seen.slice(1, 6).map(({ at }, index) => (at - world.seen[index].at) / 1000)
    // Between half and all of 1, 2, 4, 8, 16 seconds.
    if (trouble !== 'offline') waits.forEach((wait, index) => assert.ok(2 ** index / 2 <= wait && wait <= 2 ** index, `${waits}`))
  })
}

test('Retry-After is obeyed, also by a page that goes', async () => {
  const world = new World()
  const tab = world.open()
  world.answers = [[429, { 'retry-after': '20' }, {}]]
  await world.pass(2)
  tab.dwell.track('Bought')
  tab.hide()
  tab.show()
  tab.window.fire('online')
  void tab.dwell.flush()
  await world.pass(17)
  assert.equal(world.seen.length, 1)
  await world.pass(5)
  assert.equal(world.accepted.length, 4)
})

test('a server that asks for weeks waits for an hour', async () => {
  const world = new World()
  world.open()
  world.answers = [[503, { 'retry-after': '9999999999' }, {}]]
  await world.pass(3590)
  assert.equal(world.seen.length, 1)
  await world.pass(60)
  assert.equal(world.accepted.length, 1)
})

test('any other 4xx gives the batch up, and says so', async () => {
  const world = new World()
  const { dwell, dropped } = world.open()
  world.answers = [401]
  await world.pass(2)
  assert.deepEqual(dropped, [['refused', 1, 401]])
  dwell.track('Bought')
  await world.pass(100)
  assert.equal(world.seen.length, 2)
  assert.equal(world.seen[1].context.dropped, 1)
  assert.deepEqual(names(world.accepted), ['Bought'])
  dwell.track('Bought')
  await world.pass(2)
  assert.equal(world.seen[2].context.dropped, undefined, 'what was told is told once')
})

test('what the server rejects of a batch is told', async () => {
  const world = new World()
  const { dropped } = world.open()
  world.answers = [[200, {}, { success: true, rejected: 1, rejections: [{ index: 0, reason: 'bad_time' }] }]]
  await world.pass(2)
  assert.deepEqual(JSON.parse(JSON.stringify(dropped)), [['rejected', 1, [{ index: 0, reason: 'bad_time' }]]])
})

test('what is too large or no JSON is given up alone', async () => {
  const world = new World()
  const { dwell, dropped } = world.open()
  const circle = {}
  circle.circle = circle
  dwell.track('Circle', circle)
  dwell.track('Large', { text: 'é'.repeat(17_000) })
  dwell.track('Fits', { text: 'é'.repeat(16_000) })
  await world.pass(2)
  assert.deepEqual(dropped.map(([reason, count]) => [reason, count]), [['not_json', 1], ['too_large', 1]])
  assert.deepEqual(names(world.accepted), ['Application Foregrounded', 'Fits'])
  assert.equal(world.seen[0].context.dropped, 2)
})

test('the queue is bounded: the oldest go, and are counted', async () => {
  const world = new World()
  const { dwell, dropped } = world.open()
  world.answers = ['offline']
  await world.pass(1)
  for (let number = 0; number < 2005; number++) dwell.track(`event ${number}`)
  const gone = dropped.length
  await world.pass(5)
  assert.equal(gone + dropped.reduce((sum, [, count]) => sum + count, 0), 6)
  assert.equal(world.accepted.length, 2000)
  assert.equal(names(world.accepted)[0], 'event 5')
  assert.equal(world.seen[0].context.dropped, 6)
})

test('the queue is bounded by its size too', async () => {
  const world = new World()
  const { dwell } = world.open()
  world.answers = ['offline']
  await world.pass(1)
  for (let number = 0; number < 40; number++) dwell.track(`event ${number}`, { text: 'x'.repeat(30_000) })
  assert.ok([...world.stored.values()].join('').length < 1_010_000)
  await world.pass(5)
  assert.equal(names(world.accepted).at(-1), 'event 39')
  assert.ok(25 < world.accepted.length && world.accepted.length < 40)
})

test('a body is never larger than what browsers send for a page that goes', async () => {
  const world = new World()
  const { dwell } = world.open()
  for (let number = 0; number < 100; number++) dwell.track(`event ${number}`, { text: 'é'.repeat(2_000) })
  await world.pass(5)
  assert.equal(world.accepted.length, 101)
  for (const { tab, how, at, status, ...body } of world.seen) assert.ok(Buffer.byteLength(JSON.stringify(body)) < 64 * 1024)
})

for (const locks of [true, false]) {
  test(`several tabs are one user, and send each event once, ${locks ? 'with' : 'without'} locks`, async () => {
    const world = Object.assign(new World(), { locks, latency: 0.9 })
    const tabs = [world.open(), world.open(), world.open()]
    await world.pass(0)
    tabs[0].dwell.identify('ada')
    for (let number = 0; number < 40; number++) {
      tabs[number % 3].dwell.track(`event ${number}`)
      if (number % 5 === 0) tabs[number % 3].hide()
      if (number % 5 === 1) tabs[(number + 2) % 3].show()
      await world.pass(0.7)
    }
    await world.pass(20)
    const ids = world.accepted.map(({ messageId }) => messageId)
    assert.equal(new Set(ids).size, ids.length)
    assert.equal(world.accepted.filter(({ event }) => event?.startsWith('event')).length, 40)
    assert.equal(new Set(world.accepted.map(({ anonymousId }) => anonymousId)).size, 1)
    const after = world.accepted.slice(world.accepted.findIndex(({ type }) => type === 'identify'))
    assert.deepEqual(new Set(after.map(({ event, userId }) => event?.startsWith('event') && userId)), new Set([false, undefined, 'ada']))
    assert.deepEqual([...world.stored.keys()].filter((key) => /\.[qc]/.test(key)), [])
  })
}

test('what a dead tab left behind is sent by another', async () => {
  const world = new World()
  const tab = world.open()
  tab.dwell.track('Bought')
  tab.kill()
  world.open({}, { visible: false })
  await world.pass(3)
  assert.deepEqual(world.accepted, [], 'its own tab may still do so')
  await world.pass(40)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded', 'Bought'])
})

test('what a dead tab was sending is sent by another when the claim ran out', async () => {
  const world = new World()
  const tab = world.open()
  world.answers = [[500, {}, {}]]
  await world.pass(0.99)
  void tab.dwell.flush()
  tab.kill()
  await world.pass(0)
  world.open({}, { visible: false })
  await world.pass(25)
  assert.deepEqual(world.accepted, [])
  await world.pass(40)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded'])
})

test('where one tab leaves the front and another has it, the other has the last word', async () => {
  const world = new World()
  const first = world.open()
  const second = world.open({}, { visible: false })
  await world.pass(5)
  // Firefox tells the tab that comes before the tab that goes.
  second.show()
  world.ticks += 20
  first.hide()
  await world.pass(5)
  const last = world.accepted.sort((a, b) => (a.timestamp + a.messageId < b.timestamp + b.messageId ? -1 : 1)).at(-1)
  assert.equal(last.event, 'Application Foregrounded')
})

test('without storage everything works within one page', async () => {
  const world = Object.assign(new World(), { storageDenied: true })
  const { dwell } = world.open()
  dwell.identify('ada')
  world.answers = ['offline', 500]
  await world.pass(1)
  dwell.track('Bought')
  await world.pass(20)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded', 'identify', 'Bought'])
  assert.equal(world.accepted[2].userId, 'ada')
})

test('what a full storage does not take is kept in memory', async () => {
  const world = Object.assign(new World(), { room: 0 })
  const { dwell, dropped } = world.open()
  dwell.track('Bought')
  await world.pass(2)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded', 'Bought'])
  assert.deepEqual(dropped, [])
})

test('without consent nothing is stored and nothing is sent', async () => {
  const world = new World()
  const tab = world.open({ consent: false, page: true })
  const song = tab.media('AUDIO')
  tab.dwell.identify('ada')
  tab.dwell.track('Bought')
  song.play()
  tab.hide()
  tab.show()
  await world.pass(100)
  assert.deepEqual([...world.stored], [])
  assert.deepEqual(world.seen, [])
  tab.dwell.optIn()
  song.fire('timeupdate')
  await world.pass(5)
  assert.deepEqual(names(world.accepted), ['Application Foregrounded', 'Audio Playback Started'])
  assert.equal(world.accepted[0].userId, undefined, 'what was said before consent is not remembered')
})

test('opting out forgets everything, in all tabs and for good', async () => {
  const world = new World()
  const tab = world.open()
  const other = world.open()
  await world.pass(2)
  const before = world.seen.length
  world.answers = ['offline']
  other.dwell.track('Unsent')
  tab.dwell.optOut()
  other.dwell.track('Bought')
  other.hide()
  tab.close()
  await world.pass(100)
  world.open()
  await world.pass(100)
  assert.equal(world.seen.length, before)
  assert.deepEqual([...world.stored], [['dwell.dw_w_1.o', '0']])
})

test('nothing is stored for what was under way when somebody opted out', async () => {
  for (const answer of [200, 401, 500]) {
    const world = new World()
    const tab = world.open()
    tab.dwell.track('Circle', { circle: tab })
    tab.hide()
    tab.dwell.optOut()
    world.answers = [answer]
    await world.pass(100)
    assert.equal(world.seen.length, 1)
    assert.deepEqual([...world.stored], [['dwell.dw_w_1.o', '0']], `${answer}`)
  }
})

test('a decision stands above the option', async () => {
  const world = new World()
  world.open({ consent: false }).dwell.optIn()
  await world.pass(2)
  world.open({ consent: false })
  await world.pass(2)
  assert.equal(world.accepted.length, 2)
})

test('another user: the first one left, and the next one is nobody before', async () => {
  const world = new World()
  const { dwell } = world.open()
  dwell.identify('ada')
  dwell.identify('ada')
  dwell.identify('bo')
  dwell.reset()
  dwell.track('Looked')
  await world.pass(2)
  const told = world.accepted.map(({ type, event, userId }) => [event ?? type, userId])
  assert.deepEqual(told, [
    ['Application Foregrounded', undefined], ['identify', 'ada'], ['identify', 'ada'], ['user_changed', 'ada'],
    ['identify', 'bo'], ['user_changed', 'bo'], ['Looked', undefined],
  ])
  const anonymous = world.accepted.map(({ anonymousId }) => anonymousId)
  assert.equal(new Set(anonymous).size, 3)
  assert.equal(anonymous[0], anonymous[3])
})
