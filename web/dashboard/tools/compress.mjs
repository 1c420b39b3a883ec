// Puts a brotli and a gzip file beside each file of `dist` that gains by it: Dwell compresses nothing while it runs.

import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'

const DIST = new URL('../dist/', import.meta.url).pathname

for (const name of fs.readdirSync(DIST, { recursive: true })) {
  const file = path.join(DIST, name)
  if (!/\.(html|js|css|svg|txt)$/.test(file)) continue
  const bytes = fs.readFileSync(file)
  const brotli = zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11 } })
  for (const [end, less] of [['.br', brotli], ['.gz', zlib.gzipSync(bytes, { level: 9 })]]) {
    if (less.length < bytes.length) fs.writeFileSync(file + end, less)
  }
}
