// Builds what is published: a module, and a script for a tag. The types are made by tsc.

import fs from 'node:fs'
import { build } from 'esbuild'

const { version } = JSON.parse(fs.readFileSync(new URL('package.json', import.meta.url)))
const shared = {
  absWorkingDir: new URL('.', import.meta.url).pathname,
  bundle: true,
  minify: true,
  target: 'es2020',
  define: { VERSION: JSON.stringify(version) },
  legalComments: 'none',
}
fs.rmSync(new URL('dist', import.meta.url), { recursive: true, force: true })
await build({ ...shared, entryPoints: ['src/index.ts'], format: 'esm', outfile: 'dist/index.js' })
await build({ ...shared, entryPoints: ['src/script.ts'], format: 'iife', outfile: 'dist/dwell.js' })
