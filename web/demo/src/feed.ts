// The feed: posts that go on as long as somebody scrolls.

import type { Dwell } from '../../sdk/src/types.ts'
import { el } from './dom.ts'
import type { Words } from './words.ts'

/** How many posts are added at once. */
const MORE = 8

export function feed(dwell: Dwell, words: Words): HTMLElement {
  const list = el('ol', { class: 'posts' })
  const end = el('div', { class: 'end' })
  let next = 0

  // What comes to be half on the screen is seen, and seen again when it comes back: whoever scrolls over what they know is here, too.
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue
      dwell.track('Post Seen', { post: Number((target as HTMLElement).dataset.post) })
    }
  }, { threshold: 0.5 })
  const more = new IntersectionObserver((entries) => {
    if (entries.some(({ isIntersecting }) => isIntersecting)) grow()
  }, { rootMargin: '600px' })

  function grow(): void {
    for (const last = next + MORE; next < last; next += 1) {
      const made = post(next)
      list.append(made)
      seen.observe(made)
    }
    // What is still in reach says nothing anew unless it is looked at anew.
    more.unobserve(end)
    more.observe(end)
  }

  function post(number: number): HTMLElement {
    const like = el('button', { type: 'button', 'aria-pressed': 'false' }, words.like)
    like.addEventListener('click', () => {
      const liked = like.getAttribute('aria-pressed') !== 'true'
      like.setAttribute('aria-pressed', String(liked))
      like.textContent = liked ? words.liked : words.like
      if (liked) dwell.track('Post Liked', { post: number })
    })
    const author = words.authors[(number * 5) % words.authors.length]!
    const text = words.posts[(number * 7) % words.posts.length]!
    return el('li', { 'data-post': String(number), class: `post hue${number % 5}` },
      el('span', { class: 'face', 'aria-hidden': 'true' }, [...author][0]!),
      el('div', {}, el('strong', {}, author), el('p', {}, text), like))
  }

  grow()
  return el('section', { class: 'feed', 'aria-labelledby': 'feed' },
    el('h2', { id: 'feed' }, words.feed), el('p', { class: 'soft small' }, words.feed_lead), list, end)
}
