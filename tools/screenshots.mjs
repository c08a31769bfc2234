/**
 * `npm run screenshots`: makes docs/screenshots anew from a server on which `npm run demo` has run for some minutes (see
 * tools/demo/local-key.mjs for which). Every page in the light theme, the overview in both.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { SpooledClient } from '../libs/sdk/dist/index.js';
import { chromium } from '../libs/platform/testing/dist/browser.js';
import { apiKey, baseUrl } from './demo/local-key.mjs';

const directory = fileURLToPath(new URL('../docs/screenshots', import.meta.url));
/** For the charts to have something to draw. */
const OVERVIEW_MS = 20_000;
const PAGE_MS = 3000;

const key = await apiKey();
const client = new SpooledClient({ baseUrl, apiKey: key });
const [[job], [workflow], [schedule], [webhook]] = await Promise.all([
  client.jobs.list({ queueName: 'reports', status: ['completed'], limit: 1 }),
  client.workflows.list({ limit: 1 }),
  client.schedules.list({ limit: 1 }),
  client.webhooks.list(),
]);
const pages = {
  jobs: '/jobs',
  ...(job && { job: `/jobs/${job.id}` }),
  queues: '/queues',
  queue: '/queues/reports',
  workers: '/workers',
  'dead-letters': '/dead-letters',
  schedules: '/schedules',
  ...(schedule && { schedule: `/schedules/${schedule.id}` }),
  workflows: '/workflows',
  ...(workflow && { workflow: `/workflows/${workflow.id}` }),
  webhooks: '/webhooks',
  ...(webhook && { webhook: `/webhooks/${webhook.id}` }),
  'api-keys': '/api-keys',
  usage: '/usage',
  audit: '/audit',
};

await mkdir(directory, { recursive: true });
const browser = await chromium();
try {
  for (const theme of ['light', 'dark']) {
    const page = await signedIn(theme);
    await picture(page, `overview-${theme}`, '/', OVERVIEW_MS);
    if (theme === 'dark') continue;
    for (const [name, place] of Object.entries(pages)) await picture(page, name, place, PAGE_MS);
  }
} finally {
  await browser.close();
}

async function signedIn(theme) {
  const viewport = { width: 1280, height: 800 };
  const context = await browser.newContext({
    baseURL: baseUrl,
    locale: 'en-GB',
    colorScheme: theme,
    viewport,
  });
  const page = await context.newPage();
  const tokens = JSON.stringify(await client.auth.login({ apiKey: key }));
  await page.goto('/favicon.svg');
  await page.evaluate((text) => sessionStorage.setItem('spooled.tokens', text), tokens);
  return page;
}

async function picture(page, name, place, ms) {
  await page.goto(place);
  await page.locator('[data-testid=freshness][data-state=live]').waitFor();
  await page.waitForTimeout(ms);
  await page.screenshot({ path: path.join(directory, `${name}.png`) });
  console.log(name);
}
