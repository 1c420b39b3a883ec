// A demo that runs, for tests and for the pictures of the guides. No dependency: others may be where this is used.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** Starts `dwell demo` with few people in a folder of its own, and says where it is. `close` stops it, and returns how it ended. */
export async function openDemo(binary, ...more) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dwell-demo-'))
  const args = ['demo', '--folder', path.join(folder, 'demo'), '--listen', '127.0.0.1:0', '--users', '300', '--days', '5', ...more]
  const demo = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  const url = await new Promise((resolve, reject) => {
    demo.stdout.on('data', (text) => {
      const found = (said += text).match(/Dwell is at (http:[^,\s]+)/)
      if (found) resolve(found[1])
    })
    demo.on('exit', (code) => reject(new Error(`the demo ended with ${code}: ${said}`)))
  })
  return {
    url,
    async close() {
      const ended = new Promise((resolve) => demo.on('exit', resolve))
      demo.kill('SIGINT')
      const code = await ended
      fs.rmSync(folder, { recursive: true, force: true })
      return code
    },
  }
}
