/** One Chromium, and tabs of it in which nothing may go wrong unseen. */
import { chromium } from '@spooled/testing';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';

import type { Organization, World } from './world.js';

/** How long anything may take in a page: a machine that does much else is slow. */
const PATIENCE_MS = 60_000;

/** A tab, with what it has to answer for. */
export interface Tab {
  readonly page: Page;
  /** Console errors, uncaught exceptions, and what the content security policy refused. */
  readonly problems: string[];
  /** URLs asked for, in order; WebSockets too. */
  readonly requests: string[];
}

export interface TabOptions {
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
}

export class DashboardBrowser {
  static async start(world: World): Promise<DashboardBrowser> {
    return new DashboardBrowser(await chromium(), world);
  }

  private constructor(
    private readonly browser: Browser,
    private readonly world: World,
  ) {}

  /** An empty tab with storage of its own, at a path of the dashboard. */
  async open(
    path = '/',
    { theme = 'light', width = 1280, height = 800 }: TabOptions = {},
  ): Promise<Tab> {
    const context = await this.browser.newContext({
      baseURL: this.world.host.base(),
      colorScheme: theme,
      locale: 'en-GB',
      viewport: { width, height },
    });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const tab: Tab = { page, problems: [], requests: [] };
    page.on('console', (message) => {
      if (message.type() === 'error') tab.problems.push(message.text());
    });
    page.on('pageerror', (error) => tab.problems.push(String(error)));
    page.on('request', (request) => tab.requests.push(request.url()));
    page.on('websocket', (socket) => tab.requests.push(socket.url()));
    await page.goto(path);
    return tab;
  }

  /** A tab that is signed in with the organization's key, or another one, and live. */
  async signedIn(
    { key }: Pick<Organization, 'key'>,
    path = '/',
    options: TabOptions = {},
  ): Promise<Tab> {
    const tab = await this.open(path, options);
    await signIn(tab.page, key);
    await live(tab.page);
    return tab;
  }
}

export async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Resolves when the page has asked for everything that it shows: what it asks for later has a cause. */
export async function settled({ page }: Tab): Promise<void> {
  await page.waitForLoadState('networkidle');
}

/** Resolves when the freshness mark says that everything shown is live. */
export async function live(page: Page): Promise<void> {
  await page.locator('[data-testid=freshness][data-state=live]').waitFor();
}

/** What axe finds serious or critical on the page as it is, one line each. @param rules only these; default: all */
export async function seriousFindings(page: Page, rules?: readonly string[]): Promise<string[]> {
  const options = { resultTypes: ['violations'], ...(rules && { runOnly: rules }) };
  // Not by a script element, which the policy of the page refuses.
  await page.evaluate(axe.source);
  const found = await page.evaluate<{ id: string; impact: string; nodes: { html: string }[] }[]>(
    `axe.run(document, ${JSON.stringify(options)}).then(({ violations }) => violations)`,
  );
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}
