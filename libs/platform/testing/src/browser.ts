import { existsSync } from 'node:fs';

import type { Browser } from 'playwright-core';

import { onCleanUp } from './clean-up.js';

/** Browsers that need no download, the given one first. */
const installed = [process.env['CHROMIUM_PATH'], '/usr/bin/chromium'];

/** Against anything that would go out to the network by itself. */
const quiet = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * A real Chromium without a window: that of `CHROMIUM_PATH`, the machine's, or the one that a package carries. Closed at
 * the end of the test file.
 */
export async function chromium(): Promise<Browser> {
  // Both are large, and few tests need them.
  const [{ chromium: launcher }, { default: carried }] = await Promise.all([
    import('playwright-core'),
    import('@sparticuz/chromium'),
  ]);
  const own = installed.find((path) => path !== undefined && existsSync(path));
  const browser = await launcher.launch({
    executablePath: own ?? (await carried.executablePath()),
    args: [...carried.args, ...quiet],
    headless: true,
    // The first start unpacks it.
    timeout: 120_000,
  });
  onCleanUp(() => browser.close());
  return browser;
}
