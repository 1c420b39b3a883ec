// Speaks for Segment's SDK for React Native. React Native itself is stood in for by `../phone`.

import { require, serve, versionOf } from './orders.mjs'

// The SDK tells of itself; the story reads what goes to standard output.
console.info = console.error

const { createClient } = require('@segment/analytics-react-native')
const phone = require('react-native')
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const kept = new Map()
let client

await serve({
  async start(order) {
    client = createClient({
      writeKey: order.write_key,
      proxy: `${order.host}/v1`,
      cdnProxy: `${order.host}/v1`,
      useSegmentEndpoints: true,
      allowInsecureProxy: true,
      trackAppLifecycleEvents: order.second_way,
      debug: Boolean(process.env.SHOW),
      flushInterval: 1,
      storePersistor: {
        get: async (key) => structuredClone(kept.get(key)),
        set: async (key, state) => void kept.set(key, structuredClone(state)),
      },
    })
    while (!client.isReady.value) await wait(10)
    return { version: versionOf('@segment/analytics-react-native') }
  },
  track: (order) => void client.track(order.name),
  page: () => ({ cannot: true }),
  screen: (order) => void client.screen(order.name),
  identify: (order) => void client.identify(order.user, { plan: 'free' }),
  alias: (order) => void client.alias(order.user),
  background: () => phone.put('background'),
  foreground: () => phone.put('active'),
  async flush() {
    do {
      await client.flush()
      await wait(200)
    } while (await client.pendingEvents())
  },
})
