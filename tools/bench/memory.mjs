/**
 * Bytes of memory that this process has from the system, without what the collector would give back. Needs `--expose-gc`.
 */
export function rssAfterGc() {
  globalThis.gc();
  return process.memoryUsage.rss();
}
