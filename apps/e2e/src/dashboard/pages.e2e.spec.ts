/** What operators do in the dashboard, each thing really done and then looked up in the server. */
import { eventually } from '@spooled/testing';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Locator, Page } from 'playwright-core';

import { DashboardBrowser, live, seriousFindings, settled, type Tab } from '../harness/browser.js';
import { World, type Organization } from '../harness/world.js';

let world: World;
let browser: DashboardBrowser;
let receiver: Server;
/** Bodies that the receiver of webhooks got. */
const received: { event: string }[] = [];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      received.push(JSON.parse(text) as { event: string });
      response.end();
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  world = await World.start('standalone');
  browser = await DashboardBrowser.start(world);
});
afterAll(async () => {
  await world?.stop();
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
});

const opened = (organization: Pick<Organization, 'key'>, path: string): Promise<Tab> =>
  browser.signedIn(organization, path);

const button = (place: Page | Locator, name: string) =>
  place.getByRole('button', { name, exact: true });
const rowOf = (page: Page, text: string) => page.getByRole('row').filter({ hasText: text });
const dialogOf = (page: Page) => page.getByRole('dialog');
/** REST calls that read, other than signing in. */
const reads = ({ requests }: Tab) => requests.filter((url) => url.includes('/api/v1/'));

async function deadLetter({ client }: Organization, queue: string): Promise<string> {
  const id = await client.enqueue(queue, { payload: { order: 7 }, max_retries: 0 });
  const [job] = await client.claim(queue, { worker_id: 'worker-1' });
  const failure = { worker_id: 'worker-1', lease_id: job!.lease_id, error: 'card declined' };
  (await client.post(`/jobs/${id}/fail`, failure)).expectStatus(200);
  return id;
}

describe('queues', () => {
  it('are paused with a reason, given limits, resumed and deleted, and count without a reload', async () => {
    const organization = await world.organization('pages-queues');
    const { client } = organization;
    await client.enqueue('emails');
    const tab = await opened(organization, '/queues');
    const { page, problems } = tab;
    const row = rowOf(page, 'emails');
    await button(row, 'Pause').click();
    await dialogOf(page).getByLabel('Reason').fill('deploy');
    await button(dialogOf(page), 'Pause').click();
    await row.getByText('paused').waitFor();
    const read = async () =>
      (await client.get<{ enabled: boolean; rate_limit: number | null }>('/queues/emails')).body;
    expect(await read()).toMatchObject({ enabled: false });

    await button(row, 'Limits').click();
    await dialogOf(page).getByLabel('Jobs started per second').fill('25');
    await button(dialogOf(page), 'Save').click();
    await dialogOf(page).waitFor({ state: 'detached' });
    expect(await read()).toMatchObject({ rate_limit: 25 });

    await button(row, 'Resume').click();
    await row.getByText('active').waitFor();
    await settled(tab);
    const before = reads(tab).length;
    await client.enqueue('emails');
    await row.getByRole('cell', { name: '2', exact: true }).first().waitFor();
    expect(reads(tab)).toHaveLength(before);

    await page.getByRole('link', { name: 'emails' }).click();
    await page.getByRole('heading', { name: 'emails' }).waitFor();
    await button(page, 'Delete').click();
    await dialogOf(page).getByLabel('Delete its jobs').check();
    await button(dialogOf(page), 'Delete emails').click();
    await page.getByText('No queue yet').waitFor();
    expect((await client.get('/queues/emails')).status).toBe(404);
    expect(problems).toEqual([]);
  });

  it('say beside the field what the server refuses', async () => {
    const { page } = await opened(await world.organization('pages-refused'), '/queues');
    await button(page, 'New queue').click();
    await dialogOf(page).getByLabel('Name').fill('no spaces');
    await button(dialogOf(page), 'Create').click();
    await dialogOf(page).getByText('VALIDATION_ERROR').waitFor();
  });
});

describe('dead letters', () => {
  it('appear by themselves, are retried and purged, and the purge is in the audit trail', async () => {
    const organization = await world.organization('pages-dead');
    const { client } = organization;
    const first = await deadLetter(organization, 'billing');
    const { page, problems } = await opened(organization, '/dead-letters?queue=billing');
    await page.getByText('card declined').waitFor();
    const second = await deadLetter(organization, 'billing');
    await page.getByLabel(`Select ${second}`).check();
    await button(page, 'Retry 1 selected').click();
    await button(dialogOf(page).filter({ visible: true }), 'Retry 1 selected').click();
    await page.getByLabel(`Select ${second}`).waitFor({ state: 'detached' });
    expect((await client.job(second)).status).toBe('pending');

    await button(page, 'Purge all 1').click();
    await dialogOf(page).filter({ visible: true }).getByText('Delete 1 job of billing').waitFor();
    await button(dialogOf(page).filter({ visible: true }), 'Purge all 1').click();
    await page.getByText('No dead letters').waitFor();
    expect((await client.get(`/jobs/${first}`)).status).toBe(404);

    await page.getByRole('link', { name: 'Audit trail' }).click();
    await page.getByLabel('Action').fill('dead_letters.purged');
    await button(page, 'Filter').click();
    await page.waitForURL(/action=dead_letters\.purged/);
    await rowOf(page, 'dead_letters.purged').waitFor();
    expect(problems).toEqual([]);
  });
});

describe('workers', () => {
  it('come, work and go before the eyes', async () => {
    const organization = await world.organization('pages-workers');
    const { client } = organization;
    const { page, problems } = await opened(organization, '/workers');
    await page.getByText('No worker is there').waitFor();
    const registered = await client.post<{ id: string }>('/workers/register', {
      queue_name: 'video',
      hostname: 'host-7',
    });
    const { id } = registered.body;
    const row = rowOf(page, 'host-7');
    await row.getByText('healthy').waitFor();
    const job = await client.enqueue('video');
    await client.claim('video', { worker_id: id });
    await row.getByRole('link', { name: job.slice(-12) }).waitFor();
    const report = { current_jobs: 1, status: 'draining' };
    (await client.post(`/workers/${id}/heartbeat`, report)).expectStatus(200);
    await row.getByText('draining').waitFor();
    await button(row, 'Take off').click();
    await button(dialogOf(page), 'Take off').click();
    await row.waitFor({ state: 'detached' });
    expect((await client.job(job)).status).toBe('pending');
    expect(problems).toEqual([]);
  });
});

describe('schedules', () => {
  it('are created, triggered, paused and deleted, and their runs live', async () => {
    const organization = await world.organization('pages-schedules');
    const { client } = organization;
    const { page, problems } = await opened(organization, '/schedules');
    await button(page, 'New schedule').click();
    const form = dialogOf(page);
    await form.getByLabel('Name').fill('weekday report');
    await form.getByLabel('Cron').fill('0 9 * * 1-5');
    await form.getByLabel('Time zone').fill('Europe/Berlin');
    await form.getByLabel('Queue').fill('reports');
    await form.getByLabel('Payload').fill('{');
    await button(form, 'Create').click();
    await form.getByText('This is not JSON').waitFor();
    await form.getByLabel('Payload').fill('{"kind":"daily"}');
    await button(form, 'Create').click();
    await rowOf(page, 'weekday report').getByText('Monday through Friday').waitFor();

    await page.getByRole('link', { name: 'weekday report' }).click();
    await page.getByRole('listitem').filter({ hasText: '09:00:00' }).nth(4).waitFor();
    await button(page, 'Trigger').click();
    const run = page.getByRole('region', { name: 'Runs' }).locator('tbody tr');
    await run.getByText('pending').waitFor();
    await client.work('reports');
    await run.getByText('completed').first().waitFor();
    await button(page, 'Pause').click();
    await page.getByText('It is paused').waitFor();
    const listed = await client.get<{ id: string; is_active: boolean }[]>('/schedules');
    expect(listed.body).toMatchObject([{ is_active: false, run_count: 1 }]);
    await button(page, 'Delete').click();
    await button(dialogOf(page), 'Delete').click();
    await page.getByText('No schedule yet').waitFor();
    expect((await client.get('/schedules')).body).toEqual([]);
    expect(problems).toEqual([]);
  });
});

describe('workflows', () => {
  it('light up as their jobs run, fail, are retried and cancelled', async () => {
    const organization = await world.organization('pages-workflows');
    const { client } = organization;
    const created = await client.post<{ workflow_id: string }>('/workflows', {
      name: 'checkout',
      jobs: [
        { key: 'reserve', queue_name: 'stock', payload: {}, max_retries: 0 },
        { key: 'charge', queue_name: 'cards', payload: {}, depends_on: ['reserve'] },
      ],
    });
    created.expectStatus(200);
    const tab = await opened(organization, '/workflows');
    const { page, problems } = tab;
    await page.getByRole('link', { name: 'checkout' }).click();
    const box = (key: string, status: string) =>
      page.locator(`.graph-job[data-job=${key}][data-status=${status}]`);
    await box('reserve', 'pending').waitFor();
    await settled(tab);
    const before = reads(tab).length;
    const fail = async () => {
      const [job] = await client.claim('stock', { worker_id: 'worker-1' });
      await box('reserve', 'processing').waitFor();
      const body = { worker_id: 'worker-1', lease_id: job!.lease_id, error: 'sold out' };
      (await client.post(`/jobs/${job!.id}/fail`, body)).expectStatus(200);
    };
    await fail();
    await box('reserve', 'deadletter').waitFor();
    await box('charge', 'cancelled').waitFor();
    await page.getByText('sold out').waitFor();
    await page.locator('.page-head .badge[data-status=failed]').waitFor();
    expect(reads(tab)).toHaveLength(before);

    await button(page, 'Retry').click();
    await box('reserve', 'pending').waitFor();
    await client.work('stock');
    await box('reserve', 'completed').waitFor();
    await button(page, 'Cancel workflow').click();
    await button(dialogOf(page), 'Cancel workflow').click();
    await page.locator('.page-head .badge[data-status=cancelled]').waitFor();
    const path = `/workflows/${created.body.workflow_id}`;
    expect((await client.get(path)).body).toMatchObject({ status: 'cancelled' });

    // One that begins while the list is watched.
    await page.getByRole('link', { name: 'Workflows' }).click();
    await client.post('/workflows', {
      name: 'later',
      jobs: [{ key: 'only', queue_name: 'late', payload: {} }],
    });
    await page.getByRole('link', { name: /^new, / }).waitFor();
    await client.work('late');
    await page.getByText('1 of 1').waitFor();
    expect(problems).toEqual([]);
  });
});

describe('webhooks', () => {
  it('are created with a secret shown once, tested, rotated, delivered to and redelivered', async () => {
    const organization = await world.organization('pages-webhooks');
    const { client } = organization;
    const { page, problems } = await opened(organization, '/webhooks');
    await button(page, 'New webhook').click();
    const form = dialogOf(page);
    await form.getByLabel('Name').fill('shop');
    const { port } = receiver.address() as AddressInfo;
    await form.getByLabel('URL').fill(`http://127.0.0.1:${port}/hook`);
    await form.getByLabel('queue.paused').check();
    await button(form, 'Create').click();
    const secret = await page.getByLabel('Signing secret of shop').last().inputValue();
    expect(secret).toMatch(/^whsec_/);
    world.host.secrets.add(secret);
    await button(page, 'I have kept it').click();

    await Promise.all([
      page.getByText('shop took the test: status 200').waitFor(),
      button(rowOf(page, 'shop'), 'Send a test').click(),
    ]);
    expect(received).toHaveLength(1);

    await client.enqueue('orders');
    (await client.post('/queues/orders/pause', {})).expectStatus(200);
    await eventually(() => Promise.resolve(received.length === 2));
    await page.getByRole('link', { name: 'shop' }).click();
    await eventually(async () => {
      if (await rowOf(page, 'queue.paused').getByText('success').isVisible()) return true;
      await button(page, 'Read again').click();
      return false;
    });
    await button(rowOf(page, 'queue.paused'), 'Redeliver').click();
    await eventually(() => Promise.resolve(received.length === 3));

    await button(page, 'Rotate secret').click();
    await button(dialogOf(page), 'Rotate secret').click();
    const rotated = await page.getByLabel('New signing secret of shop').last().inputValue();
    expect(rotated).not.toBe(secret);
    world.host.secrets.add(rotated);
    await button(page, 'I have kept it').click();
    await button(page, 'Delete').click();
    await button(dialogOf(page).filter({ visible: true }), 'Delete').click();
    await page.getByText('No webhook yet').waitFor();
    expect((await client.get('/outgoing-webhooks')).body).toEqual([]);
    expect(problems).toEqual([]);
  });
});

describe('API keys', () => {
  it('are created, shown once, edited and revoked; one with a scope sees only what is its own', async () => {
    const organization = await world.organization('pages-keys');
    await organization.client.enqueue('mine');
    await organization.client.enqueue('others');
    const { page, problems } = await opened(organization, '/api-keys');
    await button(page, 'New key').click();
    const form = dialogOf(page);
    await form.getByLabel('Name').fill('worker of mine');
    await form.getByLabel('Queues').fill('mine');
    await button(form, 'Create').click();
    const key = await page.getByLabel('API key worker of mine').last().inputValue();
    world.host.secrets.add(key);
    await Promise.all([
      page.getByText(/^Copied\.|press Ctrl\+C/).waitFor(),
      button(page, 'Copy').click(),
    ]);
    await button(page, 'I have kept it').click();

    const scoped = await opened({ key }, '/queues');
    await rowOf(scoped.page, 'mine').waitFor();
    expect(await rowOf(scoped.page, 'others').count()).toBe(0);
    expect(await scoped.page.getByRole('link', { name: 'API keys' }).count()).toBe(0);
    await scoped.page.goto('/api-keys');
    await scoped.page.getByText('ACCESS_DENIED').waitFor();
    await scoped.page.goto('/schedules');
    await button(scoped.page, 'New schedule').click();
    const refused = dialogOf(scoped.page);
    await refused.getByLabel('Name').fill('not mine');
    await refused.getByLabel('Cron').fill('0 9 * * *');
    await refused.getByLabel('Queue').fill('others');
    await button(refused, 'Create').click();
    await refused.getByText('ACCESS_DENIED').waitFor();

    const row = rowOf(page, 'worker of mine');
    await button(row, 'Edit').click();
    await dialogOf(page).getByLabel('Requests per minute').fill('600');
    await button(dialogOf(page), 'Save').click();
    await row.getByText('600').waitFor();
    await button(row, 'Revoke').click();
    await button(dialogOf(page).filter({ visible: true }), 'Revoke').click();
    await row.waitFor({ state: 'detached' });
    await scoped.page.getByText('You were signed out').waitFor();
    expect((await world.client(key).get('/queues')).status).toBe(401);
    expect(problems).toEqual([]);
  });
});

describe('axe', () => {
  let tab: Tab;
  const ids = new Map<string, string>();
  beforeAll(async () => {
    const organization = await world.organization('pages-axe');
    await fill(organization, ids);
    tab = await opened(organization, '/queues');
  });

  it.each([
    ...['/queues', '/queues/billing', '/dead-letters', '/workers', '/schedules', '/schedules/:id'],
    ...['/workflows', '/workflows/:id', '/webhooks', '/webhooks/:id', '/api-keys', '/usage'],
    '/audit',
  ])('finds nothing serious on %s, in both themes, and the console has no error', async (path) => {
    const { page, problems } = tab;
    await page.goto(path.replace(/(\w+)\/:id/, (_, kind: string) => `${kind}/${ids.get(kind)}`));
    await page.locator('.table, .graph-job, .facts').first().waitFor();
    await eventually(async () => expect(await page.locator('.spinner').count()).toBe(0));
    // Buttons are off until then: one that changes under the eyes of axe has the colours of neither state.
    await live(page);
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    expect(await seriousFindings(page)).toEqual([]);
    // Only colours differ.
    await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
    expect(await seriousFindings(page, ['color-contrast'])).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('finds nothing serious in a dialog with a form', async () => {
    const { page } = tab;
    await page.goto('/schedules');
    await live(page);
    await button(page, 'New schedule').click();
    await dialogOf(page).getByLabel('Name').waitFor();
    expect(await seriousFindings(page)).toEqual([]);
  });
});

/** One of everything; ids by the page they are shown on. */
async function fill(organization: Organization, ids: Map<string, string>): Promise<void> {
  const { client } = organization;
  await deadLetter(organization, 'billing');
  await client.post('/workers/register', { queue_name: 'billing', hostname: 'host-1' });
  const schedule = await client.post<{ id: string }>('/schedules', {
    name: 'nightly',
    cron_expression: '0 3 * * *',
    queue_name: 'billing',
    payload_template: { deep: true },
  });
  (await client.post(`/schedules/${schedule.body.id}/trigger`)).expectStatus(200);
  const workflow = await client.post<{ workflow_id: string }>('/workflows', {
    name: 'checkout',
    jobs: [
      { key: 'reserve', queue_name: 'stock', payload: {} },
      { key: 'charge', queue_name: 'cards', payload: {}, depends_on: ['reserve'] },
    ],
  });
  const webhook = await client.post<{ id: string }>('/outgoing-webhooks', {
    name: 'shop',
    url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`,
    events: ['queue.paused'],
  });
  (await client.post('/api-keys', { name: 'another' })).expectStatus(201);
  ids.set('schedules', schedule.body.id);
  ids.set('workflows', workflow.body.workflow_id);
  ids.set('webhooks', webhook.body.id);
}
