/** The conformance kit finds that we keep what docs/realtime.md promises, and finds those who do not. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

import { onCleanUp, spawnProcess } from '@spooled/testing';

import { FrontDoor } from './harness/front-door.js';
import { hostKinds, root } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

interface Report {
  readonly code: number | null;
  readonly lines: readonly string[];
  /** How many promises have this verdict. */
  count(verdict: 'PASS' | 'FAIL' | 'SKIP'): number;
}

async function conformance(args: readonly string[]): Promise<Report> {
  const { exited, lines } = await spawnProcess({
    command: process.execPath,
    args: [path.join(root, 'tools/conformance/main.mjs'), ...args],
  });
  const { code } = await exited;
  const count = (verdict: string): number =>
    lines.filter((line) => line.startsWith(`${verdict} `)).length;
  return { code, lines, count };
}

describe.each(hostKinds)('the conformance kit, on %s', (kind) => {
  let world: World;
  let organization: Organization;

  beforeAll(async () => {
    world = await World.start(kind);
    organization = await world.organization('conformance');
  });
  afterAll(() => world?.stop());

  function target(door: FrontDoor): string[] {
    return ['--base-url', door.base(), '--api-key', organization.key];
  }

  it('finds every promise kept, on all three transports', async () => {
    const door = await FrontDoor.open(world.host);
    const grpc = ['--grpc-address', world.host.grpcAddress('/events')];
    const patience = ['--patience', '5'];
    const { code, lines, count } = await conformance([...target(door), ...grpc, ...patience]);
    expect(lines.filter((line) => /^(FAIL|SKIP) /.test(line))).toEqual([]);
    expect(code).toBe(0);
    for (const transport of ['websocket', 'sse', 'grpc', 'all']) {
      expect(lines.some((line) => line.startsWith(`PASS ${transport} `))).toBe(true);
    }
    expect(count('PASS')).toBeGreaterThan(100);
    expect(lines.at(-1)).toBe(`${count('PASS')} passed, 0 failed, 0 skipped`);
  });

  it('leaves nothing behind', async () => {
    const { body } = await organization.client.get<{ is_active: boolean }[]>('/api-keys');
    expect(body.filter(({ is_active }) => is_active)).toHaveLength(1);
    expect((await organization.client.get('/jobs')).body).toEqual([]);
    expect((await organization.client.get('/queues')).body).toEqual([]);
    const workers = await organization.client.get<{ status: string }[]>('/workers');
    expect(workers.body.filter(({ status }) => status !== 'offline')).toEqual([]);
  });

  it('says what it cannot check, and why', async () => {
    const door = await FrontDoor.open(world.host);
    const scoped = await organization.client.post<{ key: string }>('/api-keys', {
      name: 'scoped',
      queues: ['emails'],
    });
    const args = [
      '--base-url',
      door.base(),
      '--api-key',
      scoped.body.key,
      '--only',
      'a key scoped',
    ];
    const { code, lines, count } = await conformance(args);
    expect([count('PASS'), count('FAIL'), count('SKIP')]).toEqual([0, 0, 3]);
    expect(lines.filter((line) => line.includes('may not create keys'))).toHaveLength(2);
    expect(lines.filter((line) => line.includes('no --grpc-address'))).toHaveLength(1);
    // Nothing was shown to hold.
    expect(code).toBe(1);
  });
});

describe('the conformance kit, on a server that breaks a promise', () => {
  let world: World;
  let organization: Organization;

  beforeAll(async () => {
    world = await World.start('standalone');
    organization = await world.organization('breaking');
    for (const [index, fault] of faults.entries()) reports.push(judge(fault, index));
    reports.push(judgeForgetful());
  });
  afterAll(async () => {
    await Promise.allSettled(reports);
    await world?.stop();
  });

  /** What is said of each fault. The kit waits for what does not come: it does so for all of them at once. */
  const reports: Promise<Report>[] = [];
  /** What a server might do wrong, the promise that it breaks, what is said of it, and what it does to the stream. */
  const faults: [string, string, RegExp, (text: string) => string][] = [
    [
      'gives control events a cursor',
      'control events never carry',
      /type of id of QueueStats/,
      (text) => text.replaceAll('{"type":"QueueStats",', '{"id":"x-1","type":"QueueStats",'),
    ],
    [
      'loses an event',
      'a job that is completed tells it in order',
      /4 stored events did not come/,
      (text) => text.replaceAll(/id: .*\nevent: job.completed\ndata: .*\n\n/g, ''),
    ],
    [
      'delivers an event twice',
      'a job that is completed tells it in order',
      /the events: expected .*"JobCompleted".* got .*"JobCompleted".*"JobCompleted"/,
      (text) => text.replaceAll(/(id: .*\nevent: job.completed\ndata: .*\n\n)/g, '$1$1'),
    ],
    [
      'miscounts the lines of a log',
      'log lines are told whole',
      /the offset: expected 0, got 1/,
      (text) => text.replaceAll('"offset":0,', '"offset":1,'),
    ],
    [
      'is silent about a lost cursor',
      'a cursor that is garbage',
      /a Error did not come/,
      (text) => text.replaceAll(/event: error\ndata: .*\n\n/g, ''),
    ],
    [
      'skips a revision',
      'a job that is completed tells it in order',
      /their rev: expected \[1,2,3,3\], got \[1,2,4,4\]/,
      (text) => text.replaceAll('"rev":3', '"rev":4'),
    ],
    [
      'keeps the cursor to itself',
      'the head',
      /no cursor in the comment/,
      (text) => text.replace(/: connected \S+/, ': connected'),
    ],
  ];

  async function judge(
    [, promise, , tamper]: (typeof faults)[number],
    index: number,
  ): Promise<Report> {
    const { key } = await world.organization(`breaking-${index}`);
    const door = await FrontDoor.open(world.host, { tamper });
    const target = ['--base-url', door.base(), '--api-key', key];
    return conformance([...target, '--only', `sse ${promise}`]);
  }

  it.each(faults)('notices one that %s', async (title, _promise, why) => {
    const { code, lines } = await reports[faults.findIndex(([each]) => each === title)]!;
    const told = lines.filter((line) => /^(PASS|FAIL|SKIP) /.test(line));
    expect(told).toEqual([expect.stringMatching(/^FAIL sse /)]);
    expect(told[0]).toMatch(why);
    expect(code).toBe(1);
  });

  it('passes over progress and logs of jobs on one that takes none', async () => {
    const door = await FrontDoor.open(world.host, {
      rewriteUrl: (url) => url.replace(/[^/]*\/(progress|logs)$/, 'none/$1'),
    });
    const target = ['--base-url', door.base(), '--api-key', organization.key];
    const { lines, count } = await conformance([...target, '--only', 'sse log lines']);
    expect([count('PASS'), count('FAIL'), count('SKIP')]).toEqual([0, 0, 1]);
    expect(lines.join('\n')).toContain('the server takes no progress and no logs of jobs');
  });

  async function judgeForgetful(): Promise<Report> {
    const { key } = await world.organization('forgetful');
    const door = await FrontDoor.open(world.host, {
      rewriteUrl: (url) => url.replace(/last_event_id=[^&]*/, ''),
    });
    const target = ['--base-url', door.base(), '--api-key', key];
    const only = ['--only', 'sse a cut at every event', '--only', 'sse cut again and again'];
    return conformance([...target, ...only]);
  }

  it('notices one that forgets what came while a client was away', async () => {
    const { code, count } = await reports.at(-1)!;
    expect([count('PASS'), count('FAIL'), count('SKIP')]).toEqual([0, 2, 0]);
    expect(code).toBe(1);
  });
});

describe('the conformance kit, on a server that is none', () => {
  it('finds that it lets everybody in', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': connected x-0\nretry: 3000\n\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onCleanUp(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code, lines, count } = await conformance([
      '--base-url',
      url,
      '--api-key',
      'any',
      '--only',
      'sse an unknown credential',
      '--only',
      'sse no credential',
    ]);
    expect([count('PASS'), count('FAIL'), count('SKIP')]).toEqual([0, 2, 0]);
    expect(lines.join('\n')).toContain('the stream was opened instead of refused');
    expect(code).toBe(1);
  });

  it.each([
    [[]],
    [['--base-url', 'http://localhost']],
    [['--base-url', 'nonsense', '--api-key', 'k']],
    [['--base-url', 'http://localhost', '--api-key', 'k', '--colour', 'blue']],
  ])('says how it is called when it is called with %j', async (args) => {
    const { code, lines } = await conformance(args);
    expect(code).toBe(2);
    expect(lines.join('\n')).toContain('usage: npm run conformance');
  });
});
