// Speaks for the SDKs of the web: a page of another origin than Dwell, in headless Chromium.

import fs from 'node:fs'
import http from 'node:http'
import { chromium } from 'playwright-core'
import { serve, versionOf } from './orders.mjs'

const SDKS = {
  segment: {
    name: '@segment/analytics-next',
    script: 'dist/umd/index.js',
    load: ({ write_key, host, second_way }) => {
      const options = second_way
        ? { integrations: { 'Segment.io': { deliveryStrategy: { strategy: 'batching', config: { timeout: 200 } } } } }
        : {}
      window.sdk = window.AnalyticsNext.AnalyticsBrowser.load({ writeKey: write_key, cdnURL: host }, options)
      return window.sdk.ready()
    },
  },
  rudder: {
    name: '@rudderstack/analytics-js',
    script: 'dist/npm/modern/bundled/umd/index.js',
    load: ({ write_key, host, second_way }) => {
      window.sdk = new window.rudderanalytics.RudderAnalytics()
      const options = { configUrl: host, queueOptions: { minRetryDelay: 500 } }
      if (second_way) Object.assign(options, { useBeacon: true, beaconQueueOptions: { flushQueueInterval: 200 } })
      window.sdk.load(write_key, host, options)
      return new Promise((resolve) => window.sdk.ready(() => resolve()))
    },
  },
}

const sdk = SDKS[process.argv[2]]
const folder = new URL(`../node_modules/${sdk.name}/`, import.meta.url)
const trouble = []
let browser, page, site

function answer(request, response) {
  const path = new URL(request.url, 'http://page').pathname
  if (path === '/') {
    response.setHeader('content-type', 'text/html')
    return response.end(`<!doctype html><title>A shop</title><script src="/${sdk.script}"></script>`)
  }
  const file = new URL(`.${path}`, folder)
  if (!fs.existsSync(file)) return response.writeHead(404).end()
  response.setHeader('content-type', 'text/javascript')
  response.end(fs.readFileSync(file))
}

await serve({
  async start(order) {
    site = http.createServer(answer)
    await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve))
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] })
    page = await browser.newPage()
    page.on('console', (message) => { if (process.env.SHOW) console.error(message.text()) })
    page.on('pageerror', (error) => trouble.push(String(error)))
    await page.goto(`http://127.0.0.1:${site.address().port}/`)
    await page.evaluate(sdk.load, order)
    return { version: versionOf(sdk.name) }
  },
  track: (order) => page.evaluate((name) => void window.sdk.track(name), order.name),
  page: (order) => page.evaluate((name) => void window.sdk.page(name), order.name),
  screen: (order) => page.evaluate((name) => {
    if (!window.sdk.screen) return { cannot: true }
    window.sdk.screen(name)
    return {}
  }, order.name),
  identify: (order) => page.evaluate((user) => void window.sdk.identify(user, { plan: 'free' }), order.user),
  alias: (order) => page.evaluate(([user, previous]) => void window.sdk.alias(user, previous), [order.user, order.previous]),
  flush: () => (trouble.length ? { trouble } : {}),
  async end() {
    await browser?.close()
    site?.close()
  },
})
