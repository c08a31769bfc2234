/** What `helm test` runs in a cluster does what it says, and notices when it does not. */
import { eventually, freePort, spawnProcess } from '@spooled/testing';

import { adminKey, root } from './harness/host.js';
import { World } from './harness/world.js';

describe('the smoke test of the chart, on services', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start('services');
  });
  afterAll(() => world?.stop());

  async function smokeTest(env: Readonly<Record<string, string>>) {
    const { host } = world;
    const run = await spawnProcess({
      command: process.execPath,
      args: ['k8s/chart/files/smoke-test.mjs'],
      cwd: root,
      env: {
        AUTH_URL: host.base('/admin'),
        JOBS_URL: host.base('/jobs'),
        EVENTS_URL: host.base('/events'),
        ...env,
      },
    });
    const { code } = await run.exited;
    return { code, said: run.lines.join('\n') };
  }

  it('makes an organization of its own and leaves none behind', async () => {
    const { code, said } = await smokeTest({ ADMIN_API_KEY: adminKey });
    expect(said).toMatch(/^ok: job .* was enqueued, claimed, completed, and seen to complete$/);
    expect(code).toBe(0);
    const left = await world.admin.get<{ organizations: { slug: string }[] }>(
      '/admin/organizations',
    );
    left.expectStatus(200);
    expect(left.body.organizations.filter(({ slug }) => slug.startsWith('smoke-'))).toEqual([]);
  });

  it('uses the organization whose key it is given', async () => {
    const { key } = await world.organization('smoked');
    expect(await smokeTest({ API_KEY: key })).toMatchObject({ code: 0 });
  });

  it('loads the dashboard, where there is one', async () => {
    const { key } = await world.organization('looked-at');
    const PORT = String(await freePort());
    const PAGE_URL = `http://127.0.0.1:${PORT}`;
    await spawnProcess({
      command: process.execPath,
      args: ['apps/dashboard/dist/main.js'],
      cwd: root,
      env: { PORT },
    });
    await eventually(async () => (await fetch(`${PAGE_URL}/health/ready`)).ok);
    const { code, said } = await smokeTest({ API_KEY: key, PAGE_URL });
    expect(said).toMatch(/^ok: the dashboard loads\nok: job /);
    expect(code).toBe(0);
    const elsewhere = await smokeTest({ API_KEY: key, PAGE_URL: world.host.base('/jobs') });
    expect(elsewhere.code).not.toBe(0);
    expect(elsewhere.said).toContain(`GET ${world.host.base('/jobs')}/: 404`);
  });

  it('fails when a service does not do its part', async () => {
    const { key } = await world.organization('unwatched');
    const { code, said } = await smokeTest({ API_KEY: key, EVENTS_URL: world.host.base('/jobs') });
    expect(code).not.toBe(0);
    expect(said).toContain('/api/v1/events');
  });
});
