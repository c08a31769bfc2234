import { Store, useStore } from './store.js';

/** Now, to the second. It only makes shown ages grow; nothing is asked of the server. */
const now = new Store(Date.now());
let watchers = 0;
let timer: ReturnType<typeof setInterval> | undefined;

const clock: Pick<Store<number>, 'get' | 'subscribe'> = {
  get: now.get,
  subscribe: (listener) => {
    if (watchers++ === 0) timer = setInterval(() => now.set(Date.now()), 1000);
    const off = now.subscribe(listener);
    return () => {
      off();
      if (--watchers === 0) clearInterval(timer);
    };
  },
};

/** Milliseconds since 1970, once a second. */
export function useNow(): number {
  return useStore(clock);
}
