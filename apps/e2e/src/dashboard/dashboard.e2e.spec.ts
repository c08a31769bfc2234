/** The dashboard in a real browser, before a real server: getting in, living on events, and what it must never do. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import { eventually } from '@spooled/testing';
import type { Page } from 'playwright-core';

import {
  DashboardBrowser,
  live,
  seriousFindings,
  settled,
  signIn,
  type Tab,
} from '../harness/browser.js';
import { root } from '../harness/host.js';
import { World, type Organization } from '../harness/world.js';

const MAX_FIRST_SCRIPT_BYTES = 250 * 1024;

const everyPage = [
  '/',
  '/jobs',
  '/queues',
  '/workers',
  '/dead-letters',
  '/schedules',
  '/workflows',
  '/webhooks',
  '/api-keys',
  '/usage',
  '/audit',
  '/nowhere',
];

let world: World;
let browser: DashboardBrowser;

beforeAll(async () => {
  world = await World.start('standalone');
  browser = await DashboardBrowser.start(world);
});
afterAll(() => world.stop());

/** A key of the organization for some queues only. */
async function scopedKey({ client }: Organization, ...queues: string[]): Promise<string> {
  const { body } = await client.post<{ key: string }>('/api-keys', { name: 'scoped', queues });
  world.host.secrets.add(body.key);
  return body.key;
}

function calls({ requests }: Tab): string[] {
  return requests.filter((url) => url.includes('/api/'));
}

/** Nothing of who was signed in is left in the tab. */
const expectForgotten = (page: Page) =>
  eventually(async () => expect(await page.evaluate('sessionStorage.length')).toBe(0));

/** The row of a job in the list. */
const rowOf = (page: Page, id: string) =>
  page.getByRole('row').filter({ has: page.locator(`a[href$="${id}"]`) });

describe('what is served', () => {
  const get = (url: string, headers: Record<string, string> = {}) =>
    fetch(`${world.host.base()}${url}`, { headers });
  const html = { accept: 'text/html,*/*' };

  it('is the page at / and at every place inside it, never kept without a question', async () => {
    for (const url of ['/', '/jobs/01a2?x=1', '/not/a/page']) {
      const answer = await get(url, html);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(answer.headers.get('cache-control')).toBe('no-cache');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
      const policy = answer.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
      expect(policy).not.toMatch(/unsafe|\*/);
      const etag = answer.headers.get('etag') ?? '';
      expect((await get(url, { ...html, 'if-none-match': etag })).status).toBe(304);
    }
  });

  it('is files that never change, under names that say what is in them', async () => {
    const page = await (await get('/', html)).text();
    const [, script = ''] = /src="(\/assets\/[^"]+\.js)"/.exec(page) ?? [];
    const answer = await get(script);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(answer.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    expect((await answer.text()).length).toBeGreaterThan(10_000);
  });

  it('leaves the JSON answers to unknown paths as they were', async () => {
    for (const url of [
      '/api/v1/nothing',
      '/api',
      '/assets/none.js',
      '/docs/none',
      '/health/none',
    ]) {
      const answer = await get(url, html);
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({ code: 'NOT_FOUND' });
    }
    expect((await get('/elsewhere', { accept: '*/*' })).status).toBe(404);
    expect((await get('/api/v1/auth/login', html)).status).toBe(405);
  });

  it('asks no credential and counts no request', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => get('/favicon.svg', { authorization: 'Bearer nonsense' })),
    );
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(answers[0]?.headers.get('x-ratelimit-limit')).toBeNull();
  });

  it('is small enough to be there in a second', () => {
    const dist = path.join(root, 'apps/dashboard/dist/page');
    const page = readFileSync(path.join(dist, 'index.html'), 'utf8');
    const scripts = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map(
      ([, url = '']) => url,
    );
    expect(scripts.length).toBeGreaterThan(0);
    const bytes = scripts.map((url) => gzipSync(readFileSync(path.join(dist, url))).length);
    expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThan(MAX_FIRST_SCRIPT_BYTES);
  });
});

describe('getting in', () => {
  it('refuses a key that is not known, and says so', async () => {
    const { page } = await browser.open();
    await signIn(page, 'sp_test_nobody_has_this_key');
    await page.getByRole('alert').filter({ hasText: 'does not know this key' }).waitFor();
    await expectForgotten(page);
  });

  it('asks for the code that was sent to an address, and refuses another one', async () => {
    const { page, problems } = await browser.open();
    await page.getByRole('button', { name: 'Use a code by e-mail' }).click();
    await page.getByLabel('E-mail address').fill('nobody@example.com');
    await page.getByRole('button', { name: 'Send a code' }).click();
    await page.getByLabel('Code').fill('000000');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').filter({ hasText: 'wrong or too old' }).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    expect(problems.filter((problem) => !problem.includes('401'))).toEqual([]);
  });

  it('opens the organization of an address with the code that was sent there', async () => {
    const { id, client } = await world.organization('by-mail');
    const email = 'owner@by-mail.example';
    (await client.put(`/organizations/${id}`, { billing_email: email })).expectStatus(200);
    const job = await client.enqueue('mine');
    const { page, problems } = await browser.open('/jobs');
    await page.getByRole('button', { name: 'Use a code by e-mail' }).click();
    await page.getByLabel('E-mail address').fill(email);
    await page.getByRole('button', { name: 'Send a code' }).click();
    // Without a mail server, the log is where mail goes.
    const code = await eventually(() => {
      const mail = world.host.lines().find((line) => line.includes(`"to":"${email}"`)) ?? '';
      return /Your code is (\d{6})\./.exec(mail)?.[1] ?? '';
    });
    await page.getByLabel('Code').fill(code || '');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await rowOf(page, job).waitFor();
    await live(page);
    expect(problems).toEqual([]);
  });

  it('keeps tokens for the tab, never the key, and forgets all of it at the end', async () => {
    const { key } = await world.organization('tab');
    const { page } = await browser.signedIn({ key });
    const kept = await page.evaluate<string>(
      'JSON.stringify([{...sessionStorage}, {...localStorage}])',
    );
    expect(kept).toContain('accessToken');
    expect(kept).not.toContain(key);
    await page.reload();
    await live(page);
    const { accessToken } = JSON.parse(
      await page.evaluate<string>(`sessionStorage.getItem('spooled.tokens')`),
    ) as { accessToken: string };
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API key').waitFor();
    await expectForgotten(page);
    await eventually(async () => {
      expect((await world.client(accessToken).get('/jobs')).status).toBe(401);
    });
  });

  it('shows a key with a queue scope what it may see, and refuses the rest in words', async () => {
    const organization = await world.organization('scoped');
    const mine = await organization.client.enqueue('mine');
    const other = await organization.client.enqueue('other');
    const { page } = await browser.signedIn(
      { key: await scopedKey(organization, 'mine') },
      '/jobs',
    );
    await rowOf(page, mine).waitFor();
    expect(await rowOf(page, other).count()).toBe(0);
    expect(await page.getByRole('link', { name: 'API keys' }).count()).toBe(0);
    await page.goto('/api-keys');
    await page.getByText('The credential does not allow this.').waitFor();
    await page.goto(`/jobs/${other}`);
    await page.getByRole('alert').filter({ hasText: 'NOT_FOUND' }).waitFor();
  });

  it('leads back to the door when the key is revoked', async () => {
    const organization = await world.organization('revoked-tab');
    const { body } = await organization.client.post<{ id: string; key: string }>('/api-keys', {
      name: 'short-lived',
    });
    const { page } = await browser.signedIn(body);
    await organization.client.delete(`/api-keys/${body.id}`);
    await page.getByText('You were signed out').waitFor();
    await expectForgotten(page);
  });
});

describe('living on events', () => {
  it('shows a job, its way and its end, and asks nothing meanwhile', async () => {
    const organization = await world.organization('alive');
    const { client } = organization;
    const tab = await browser.signedIn(organization, '/jobs');
    const { page } = tab;
    await page.getByText('No job yet').waitFor();
    await settled(tab);
    const before = calls(tab).length;
    const id = await client.enqueue('emails');
    await rowOf(page, id).getByText('pending').waitFor();
    await client.work('emails');
    await rowOf(page, id).getByText('completed').waitFor();
    for (let n = 0; n < 100; n += 1) await client.enqueue('emails');
    await eventually(async () => {
      expect(await page.getByRole('row').count()).toBe(51);
    });
    expect(calls(tab)).toHaveLength(before);
    expect(tab.problems).toEqual([]);
  });

  it('shows numbers of a payload that no double can hold, and the log as it is written', async () => {
    const organization = await world.organization('exact');
    const { client } = organization;
    const big = '12345678901234567890.10';
    const created = await fetch(world.host.url('/jobs'), {
      method: 'POST',
      headers: { authorization: `Bearer ${organization.key}`, 'content-type': 'application/json' },
      body: `{"queue_name":"exact","payload":{"big":${big}}}`,
    });
    const { id } = (await created.json()) as { id: string };
    const { page } = await browser.signedIn(organization, `/jobs/${id}`);
    await page.getByRole('region', { name: 'Payload' }).getByText(big).waitFor();
    await page.getByText('Why it is here').waitFor();
    const claimed = await client.post<{ jobs: unknown[] }>('/jobs/claim', {
      queue_name: 'exact',
      worker_id: 'w',
    });
    expect(claimed.body.jobs).toHaveLength(1);
    await client.post(`/jobs/${id}/logs`, { worker_id: 'w', lines: ['half way there'] });
    await client.post(`/jobs/${id}/progress`, { worker_id: 'w', percent: 50 });
    await page.getByText('half way there').waitFor();
    await page.getByText('50 %').waitFor();
    await client.post(`/jobs/${id}/complete`, { worker_id: 'w', result: { sent: true } });
    await page.getByRole('region', { name: 'Result' }).getByText('"sent": true').waitFor();
    await page.getByRole('listitem').filter({ hasText: 'completed' }).waitFor();
  });

  it('does something to many jobs at once', async () => {
    const organization = await world.organization('bulk');
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) ids.push(await organization.client.enqueue('bulk'));
    const { page } = await browser.signedIn(organization, '/jobs?queue=bulk&status=pending');
    await page.getByRole('checkbox', { name: 'Select all on this page' }).check();
    await page.getByText('3 selected').waitFor();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    // A message that goes by itself must be waited for before it comes.
    await Promise.all([
      page.getByText('Cancelled: 3 of 3 jobs.').waitFor(),
      page.getByRole('dialog').getByRole('button', { name: 'Cancel', exact: true }).click(),
    ]);
    for (const id of ids) await rowOf(page, id).getByText('cancelled').waitFor();

    const further = await organization.client.enqueue('bulk');
    await rowOf(page, further).getByText('pending').waitFor();
    await page.getByRole('button', { name: 'Cancel all' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel all' }).click();
    await rowOf(page, further).getByText('cancelled').waitFor();
  });
});

describe.each(['light', 'dark'] as const)('in the %s theme', (theme) => {
  it('has no serious finding of axe, no error and no refusal of its policy on any page', async () => {
    const organization = await world.organization(`axe-${theme}`);
    const { client } = organization;
    const id = await client.enqueue('emails');
    await client.work('emails');
    await client.enqueue('emails');
    const { page, problems } = await browser.signedIn(organization, '/', { theme });
    const findings: string[] = [];
    for (const place of [...everyPage, `/jobs/${id}`]) {
      await page.goto(place);
      await live(page);
      await page.getByRole('main').getByText(/\S/).first().waitFor();
      await eventually(async () => {
        expect(await page.locator('.spinner').count()).toBe(0);
      });
      findings.push(...(await seriousFindings(page)).map((finding) => `${place} ${finding}`));
    }
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API key').waitFor();
    findings.push(...(await seriousFindings(page)).map((finding) => `sign-in ${finding}`));
    expect(findings).toEqual([]);
    expect(problems).toEqual([]);
  });
});

describe('with a keyboard', () => {
  it('reaches the content with one key, and every page by its link', async () => {
    const organization = await world.organization('keyboard');
    const { page } = await browser.signedIn(organization);
    const active = (what: string) => page.evaluate<string>(`document.activeElement.${what}`);
    await page.keyboard.press('Tab');
    expect(await active('textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await eventually(async () => expect(await active('id')).toBe('content'));
    await page.getByRole('link', { name: 'Queues' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Queues' }).waitFor();
    await eventually(async () => {
      expect(await active('id')).toBe('content');
      expect(await page.title()).toBe('Queues · Spooled');
    });
  });
});

describe('when the server goes away', () => {
  it('says so, changes nothing, and misses nothing when it is back', async () => {
    const organization = await world.organization('away');
    const { client } = organization;
    const id = await client.enqueue('emails');
    const { page } = await browser.signedIn(organization, `/jobs/${id}`);
    const cancel = page.getByRole('button', { name: 'Cancel job' });
    const expectDisabled = (disabled: 'true' | 'false') =>
      eventually(async () => expect(await cancel.getAttribute('aria-disabled')).toBe(disabled));
    await expectDisabled('false');
    await world.host.killJobs();
    const mark = page.getByTestId('freshness');
    await mark.filter({ hasText: /(reconnecting|offline).*stale since/ }).waitFor();
    await page.getByText('actions are off until the stream is back').first().waitFor();
    await expectDisabled('true');
    await page.getByText('pending').first().waitFor();
    await world.host.restartJobs();
    await client.work('emails');
    await live(page);
    await page.getByRole('heading', { name: 'Job' }).getByText('completed').waitFor();
  });
});
