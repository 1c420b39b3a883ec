// What the SDK asks of a phone: whether the app is on the screen, and what device this is. Both are native code in an app.

const heard = new Set()

exports.AppState = {
  currentState: 'active',
  addEventListener(_change, hear) {
    heard.add(hear)
    return { remove: () => heard.delete(hear) }
  },
}

/** Has the app come to the screen (`active`) or leave it (`background`), as the user's hand would. */
exports.put = (state) => {
  exports.AppState.currentState = state
  heard.forEach((hear) => hear(state))
}

exports.Platform = { OS: 'android', select: (choices) => choices.android ?? choices.default }

exports.NativeModules = {
  AnalyticsReactNative: {
    getContextInfo: async () => ({ appName: 'Shop', appVersion: '1.0', osName: 'Android', osVersion: '16', deviceType: 'android' }),
  },
  Sovran: { getConstants: () => ({ ON_STORE_ACTION: 'action' }) },
}

exports.NativeEventEmitter = class {
  addListener() {
    return { remove() {} }
  }
}
