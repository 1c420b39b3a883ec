// Every word on the page, in both languages. A test compares what they have to say.

import type { State } from './lane.ts'

export type Locale = 'en' | 'ko'

const two = (number: number) => String(number).padStart(2, '0')

/** A span as people read it: `3 min 20 s`. */
function span(seconds: number, minute: string, second: string): string {
  const whole = Math.max(0, Math.round(seconds))
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60]
  if (minutes === 0) return `${rest}${second}`
  return rest === 0 ? `${minutes}${minute}` : `${minutes}${minute} ${rest}${second}`
}

export interface Words {
  title: string
  lead: (user: string) => string
  language: string
  theme: string
  themes: { auto: string; light: string; dark: string }
  dashboard: string
  waiting: string
  failed: string
  span: (seconds: number) => string
  clock: (at: number) => string
  state: Record<State, string>
  explained: Record<State, string>
  /** For the title of the tab, which is seen from other tabs. */
  tab: Record<State, string>
  left: (seconds: number) => string
  held: (end: string) => string
  lane: string
  lane_is: (state: string) => string
  deadline: string
  now: string
  past: string
  no_past: string
  columns: { from: string; length: string; parts: string; end: string }
  parts: (foreground: string, playing: string, idle: string) => string
  reasons: Record<string, string>
  try: string
  timeout: string
  steps: readonly string[]
  player: string
  tracks: readonly string[]
  making: string
  feed: string
  feed_lead: string
  like: string
  liked: string
  posts: readonly string[]
  authors: readonly string[]
}

const en: Words = {
  title: 'Be a user',
  lead: (user) => `This is a small music app with Dwell's SDK in it. You are the user “${user}” of the app Music, beside thousands of simulated people. What Dwell knows of you stands next to it, a second later.`,
  language: 'Language',
  theme: 'Theme',
  themes: { auto: 'Device', light: 'Light', dark: 'Dark' },
  dashboard: 'Dashboard',
  waiting: 'Waiting for Dwell …',
  failed: 'Dwell does not answer. Is it still running? This page tries again by itself.',
  span: (seconds) => span(seconds, ' min', ' s'),
  clock: (at) => { const t = new Date(at); return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}` },
  state: { foreground: 'On the screen', playing: 'Playing', idle: 'Idle', away: 'Not here' },
  explained: {
    foreground: 'The page is before you, and you did something on it a moment ago.',
    playing: 'The page is out of sight, and it can still be heard. You are here all the same.',
    idle: 'The page is out of sight and nothing plays. If it stays so, your session ends.',
    away: 'You have no open session. It begins with the next thing that you do.',
  },
  tab: { foreground: 'on the screen', playing: '▶ playing', idle: 'idle', away: 'session ended' },
  left: (seconds) => `Unless you do something, your session ends in ${span(seconds, ' min', ' s')}.`,
  held: (end) => `The music holds your session open. It ends at ${end}, 30 s after the piece, if nothing else happens.`,
  lane: 'Your lane',
  lane_is: (state) => `Your last five minutes as a lane. Now: ${state}.`,
  deadline: 'ends here',
  now: 'now',
  past: 'Your sessions so far',
  no_past: 'None has ended yet.',
  columns: { from: 'From', length: 'Length', parts: 'Of this', end: 'Why it ended' },
  parts: (foreground, playing, idle) => `screen ${foreground}, playing ${playing}, idle ${idle}`,
  reasons: { timed_out: '30 s of silence', closed: 'closed', user_changed: 'somebody else', too_long: 'too long' },
  try: 'What to try',
  timeout: 'So that you can watch it happen, your own timeout is 30 seconds. Everybody else in Music has 30 minutes.',
  steps: [
    'Scroll the feed, or like something. You are on the screen.',
    'Play a piece. Your deadline moves behind its end.',
    'Switch to another tab while it plays, wait some seconds, and come back. You were playing, not gone.',
    'Pause, and do nothing for 30 seconds, here or in another tab. Your session ends at its deadline.',
    'Do anything again. Your next session begins.',
    'Close this tab, and look for “you” in the dashboard, under Users of the app Music: the session ends there by itself, too.',
  ],
  player: 'Player',
  tracks: ['Slow water', 'Lamps at four', 'The long way home'],
  making: 'Making the music …',
  feed: 'Feed',
  feed_lead: 'Each post that you see, and each that you like, is an event.',
  like: 'Like',
  liked: 'Liked',
  authors: ['Ada', 'Bo', 'Cleo', 'Dara', 'Eli', 'Fay', 'Gus', 'Hana'],
  posts: [
    'Found a record in a box on the street. It was Bach, and it was raining.',
    'Three hours of rain sounds and not one minute of work.',
    'Who else listens to the same song until it is empty?',
    'The bass player smiled. That was the whole concert.',
    'New headphones. I can hear my own doubts now.',
    'My neighbour practises scales. We have arrived at D minor.',
    'Put the phone away and let the album run. That counts, too.',
    'The best part is the second before the drums come back.',
    'Playlist for cleaning windows, please. Something with violins.',
    'I came for one song and stayed for the whole evening.',
  ],
}

const ko: Words = {
  title: '사용자가 되어 보기',
  lead: (user) => `Dwell SDK를 넣은 작은 음악 앱입니다. 여러분은 Music 앱의 사용자 “${user}”이며, 시뮬레이션된 사용자 수천 명과 함께 있습니다. Dwell이 파악한 여러분의 상태가 1초쯤 뒤에 옆에 나타납니다.`,
  language: '언어',
  theme: '테마',
  themes: { auto: '기기 설정', light: '밝게', dark: '어둡게' },
  dashboard: '대시보드',
  waiting: 'Dwell의 응답을 기다리는 중 …',
  failed: 'Dwell이 응답하지 않습니다. 실행 중인지 확인하세요. 이 페이지는 자동으로 다시 시도합니다.',
  span: (seconds) => span(seconds, '분', '초'),
  clock: en.clock,
  state: { foreground: '화면 보는 중', playing: '듣는 중', idle: '활동 없음', away: '자리 비움' },
  explained: {
    foreground: '페이지를 보고 있고, 방금 활동이 있었습니다.',
    playing: '페이지는 보이지 않지만 소리가 나고 있습니다. 떠난 것이 아닙니다.',
    idle: '페이지가 보이지 않고 재생 중인 것도 없습니다. 이대로 두면 세션이 끝납니다.',
    away: '진행 중인 세션이 없습니다. 다시 활동하면 새 세션이 시작됩니다.',
  },
  tab: { foreground: '화면 보는 중', playing: '▶ 듣는 중', idle: '활동 없음', away: '세션 끝남' },
  left: (seconds) => `아무것도 하지 않으면 ${span(seconds, '분', '초')} 뒤에 세션이 끝납니다.`,
  held: (end) => `음악이 재생되는 동안 세션이 이어집니다. 다른 활동이 없으면 곡이 끝나고 30초 뒤인 ${end}에 끝납니다.`,
  lane: '나의 타임라인',
  lane_is: (state) => `지난 5분의 타임라인입니다. 지금: ${state}.`,
  deadline: '종료 예정',
  now: '지금',
  past: '지금까지의 세션',
  no_past: '아직 끝난 세션이 없습니다.',
  columns: { from: '시작', length: '길이', parts: '그중', end: '끝난 이유' },
  parts: (foreground, playing, idle) => `화면 ${foreground}, 듣기 ${playing}, 활동 없음 ${idle}`,
  reasons: { timed_out: '30초 동안 활동 없음', closed: '닫음', user_changed: '다른 사용자로 바뀜', too_long: '최대 길이 도달' },
  try: '해 보기',
  timeout: '바로 확인할 수 있도록 여러분의 타임아웃만 30초입니다. Music의 다른 사용자는 모두 30분입니다.',
  steps: [
    '피드를 스크롤하거나 좋아요를 눌러 보세요. 상태가 ‘화면 보는 중’이 됩니다.',
    '곡을 재생해 보세요. 세션의 종료 예정 시각이 곡이 끝난 뒤로 미뤄집니다.',
    '재생 중에 다른 탭으로 갔다가 몇 초 뒤에 돌아오세요. 떠난 것이 아니라 듣고 있었습니다.',
    '일시 정지한 뒤 여기서든 다른 탭에서든 30초 동안 아무것도 하지 마세요. 종료 예정 시각에 세션이 끝납니다.',
    '다시 무엇이든 해 보세요. 다음 세션이 시작됩니다.',
    '이 탭을 닫고, 대시보드의 Music 앱에서 사용자 “you”를 찾아보세요. 거기서도 세션이 저절로 끝납니다.',
  ],
  player: '플레이어',
  tracks: ['느린 물', '네 시의 불빛', '집으로 가는 먼 길'],
  making: '음악을 만드는 중 …',
  feed: '피드',
  feed_lead: '글을 보거나 좋아요를 누를 때마다 이벤트가 하나씩 기록됩니다.',
  like: '좋아요',
  liked: '좋아요 함',
  authors: ['아다', '보', '클레오', '다라', '엘리', '페이', '거스', '하나'],
  posts: [
    '길가 상자에서 음반을 하나 주웠다. 바흐였고, 비가 오고 있었다.',
    '빗소리 세 시간, 일은 1분도 못 했다.',
    '한 곡이 텅 빌 때까지 듣는 사람, 나 말고 또 있나요?',
    '베이스 연주자가 웃었다. 그게 공연의 전부였다.',
    '새 헤드폰. 이제 내 망설임까지 들린다.',
    '이웃이 음계를 연습한다. 우리는 라단조에 도착했다.',
    '휴대폰을 내려놓고 앨범을 틀어 두었다. 그것도 머무는 것이다.',
    '가장 좋은 건 드럼이 돌아오기 직전의 1초.',
    '창문 닦을 때 들을 재생 목록 추천 좀. 바이올린이 있으면 좋겠다.',
    '한 곡만 들으려다 저녁 내내 있었다.',
  ],
}

export const words: Record<Locale, Words> = { en, ko }
