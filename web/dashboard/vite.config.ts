import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [svelte()],
  base: './',
  // Nothing is put into the page itself: its policy forbids that.
  build: { target: 'es2023', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  // `npx vite` shows changes at once, with a Dwell that runs on its usual port.
  server: { proxy: { '/v1': process.env.DWELL_URL ?? 'http://127.0.0.1:8080' } },
})
