// Speaks for Segment's SDK for Node.

import { idsOf, require, serve, versionOf } from './orders.mjs'

const { Analytics } = require('@segment/analytics-node')
let analytics

await serve({
  start(order) {
    analytics = new Analytics({ writeKey: order.write_key, host: order.host, maxRetries: 10 })
    analytics.on('error', (error) => console.error(error))
    return { version: versionOf('@segment/analytics-node') }
  },
  track: (order) => analytics.track({ ...idsOf(order), event: order.name }),
  page: (order) => analytics.page({ ...idsOf(order), name: order.name }),
  screen: (order) => analytics.screen({ ...idsOf(order), name: order.name }),
  identify: (order) => analytics.identify({ ...idsOf(order), traits: { plan: 'free' } }),
  alias: (order) => analytics.alias({ previousId: order.previous, userId: order.user }),
  flush: () => analytics.flush({ timeout: 60_000 }),
})
