import { Injectable, type INestApplicationContext } from '@nestjs/common';
import { Readiness } from '@spooled/runtime';
import { eventually } from '@spooled/testing';
import { callPort, portOf, Servers } from './setup.js';

/** A service whose database a test takes away and brings back. */
@Injectable()
class Room {
  isDatabaseUp = true;

  constructor(readonly readiness: Readiness) {
    readiness.add('database', async () => this.isDatabaseUp);
  }
}

let servers: Servers;
let context: INestApplicationContext;
beforeAll(async () => {
  servers = await Servers.setup(Room);
  context = await servers.boot();
});
afterAll(async () => {
  await context.close();
  await servers.stop();
});

describe('what probes are told', () => {
  const up = { version: null, cache: true, status: 'healthy', database: true };
  const down = { version: null, cache: true, status: 'degraded', database: false };
  const rows: readonly [
    when: string,
    change: (room: Room) => void,
    health: object,
    live: number,
    ready: number,
  ][] = [
    ['everything is there', () => undefined, up, 200, 200],
    ['the database is away', (room) => (room.isDatabaseUp = false), down, 200, 503],
    ['the database is back', (room) => (room.isDatabaseUp = true), up, 200, 200],
    ['the process drains', (room) => room.readiness.drain(), up, 200, 503],
  ];
  // In this order: each row goes on from the one before.
  it.each(rows)('when %s', async (_, change, health, live, ready) => {
    change(context.get(Room));
    const ask = (path: string) => callPort(portOf(context), 'GET', path);
    // The answer of a check is good for a second.
    await eventually(async () => {
      const answer = await ask('/health');
      expect([answer.status, answer.body]).toEqual([200, health]);
      expect((await ask('/health/ready')).status).toBe(ready);
    });
    for (const [path, status] of [
      ['/health/live', live],
      ['/health/ready', ready],
    ] as const) {
      const answer = await ask(path);
      expect([path, answer.status, answer.text]).toEqual([path, status, '']);
      expect(answer.headers['content-type']).toBeUndefined();
    }
  });

  it('stays good without the bus, which nothing that is acknowledged needs', async () => {
    const other = await servers.boot();
    try {
      await servers.nats.stop();
      const answer = await callPort(portOf(other), 'GET', '/health');
      expect([answer.status, answer.body]).toEqual([200, up]);
      expect((await callPort(portOf(other), 'GET', '/health/ready')).status).toBe(200);
    } finally {
      await other.close();
      await servers.nats.start();
    }
  });
});
