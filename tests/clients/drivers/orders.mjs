// Takes orders from the story, one a line of JSON, and has a speaker carry them out: see README.md.

import readline from 'node:readline'
import { createRequire } from 'node:module'

export const require = createRequire(import.meta.url)

/** Returns the version of a package, whether or not it lets its package.json be required. */
export function versionOf(name) {
  const fs = require('node:fs')
  return JSON.parse(fs.readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url))).version
}

/** Returns the ids of an order under the names that the SDKs give them. */
export function idsOf(order) {
  const ids = {}
  if (order.user) ids.userId = order.user
  if (order.anonymous) ids.anonymousId = order.anonymous
  return ids
}

export async function serve(speaker) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line)
    const at = Date.now() / 1000
    const answer = await speaker[order.do](order)
    console.log(JSON.stringify({ at, ...answer }))
  }
  await speaker.end?.()
  process.exit(0)
}
