// Speaks for RudderStack's SDK for Node.

import { idsOf, require, serve, versionOf } from './orders.mjs'

const Analytics = require('@rudderstack/rudder-sdk-node')
let analytics

await serve({
  start(order) {
    analytics = new Analytics(order.write_key, {
      dataPlaneUrl: order.host, gzip: order.gzip, retryCount: 10, logLevel: 'none',
    })
    return { version: versionOf('@rudderstack/rudder-sdk-node') }
  },
  track: (order) => void analytics.track({ ...idsOf(order), event: order.name }),
  page: (order) => void analytics.page({ ...idsOf(order), name: order.name }),
  screen: (order) => void analytics.screen({ ...idsOf(order), name: order.name }),
  identify: (order) => void analytics.identify({ ...idsOf(order), traits: { plan: 'free' } }),
  alias: (order) => void analytics.alias({ previousId: order.previous, userId: order.user }),
  flush: async () => void (await analytics.flush()),
})
