// Builds the page into dist, whence the next `cargo build` takes it. The SDK is the one that is published, as `web/sdk` built it.

import fs from 'node:fs'
import { build } from 'esbuild'

const here = (name) => new URL(name, import.meta.url)
const sdk = here('../sdk/dist/dwell.js')
if (!fs.existsSync(sdk)) throw new Error('the SDK was not built: run `npm ci && npm run build` in web/sdk, or `cargo xtask demo`')

for (const name of fs.readdirSync(here('dist'))) {
  if (name !== '.keep') fs.rmSync(here(`dist/${name}`))
}
await build({
  absWorkingDir: here('.').pathname,
  entryPoints: ['src/demo.ts', 'src/demo.css'],
  outdir: 'dist',
  bundle: true,
  minify: true,
  target: ['es2022', 'chrome123', 'firefox120', 'safari17.5'],
  legalComments: 'none',
})
fs.copyFileSync(here('src/index.html'), here('dist/index.html'))
fs.copyFileSync(here('src/icon.svg'), here('dist/icon.svg'))
fs.copyFileSync(sdk, here('dist/dwell.js'))
