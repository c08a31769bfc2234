import { AppError, rpc } from '@spooled/contracts';
import { createLogger } from '@spooled/telemetry';
import { eventually, natsServer } from '@spooled/testing';
import { z } from 'zod';
import { Bus, isUnserved } from '../src/index.js';

const spec = rpc({
  subject: 'spooled.v1.rpc.test.anything',
  request: z.object({}),
  response: z.object({}),
  timeoutMs: 3000,
});

let nats: Awaited<ReturnType<typeof natsServer>>;
let bus: Bus;

beforeEach(async () => {
  nats = await natsServer();
  bus = new Bus({ NATS_URL: nats.url, SERVICE_NAME: 'test' }, createLogger('test', 'silent'));
  await bus.onModuleInit();
});
afterEach(async () => {
  await bus.onApplicationShutdown();
  await nats.stop();
});

async function failure(): Promise<unknown> {
  return bus.request(spec, {}).then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('a question is unserved', () => {
  it('when no instance of the service is there', async () => {
    expect(isUnserved(await failure())).toBe(true);
  });

  it('but not when one is there and late, refuses, or the bus is away', async () => {
    let answer: () => Promise<Record<string, never>> = () => new Promise(() => undefined);
    bus.respond(spec, () => answer());
    await bus.connection.flush();
    const late = await failure();
    answer = () => Promise.reject(new AppError('SERVICE_UNAVAILABLE', 'Not now.'));
    const refused = await failure();
    await nats.kill();
    await eventually(() => !bus.isConnected);
    const away = await failure();
    for (const error of [late, refused, away]) {
      expect(error).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
      expect(isUnserved(error)).toBe(false);
    }
  });
});
