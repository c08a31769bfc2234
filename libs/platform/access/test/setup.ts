import { Bus } from '@spooled/nats';
import { createLogger } from '@spooled/telemetry';
import { natsServer } from '@spooled/testing';
import { jest } from '@jest/globals';

export const logger = createLogger('test', 'silent');

/** A bus with two ends: the test plays auth on one, what is tested asks on the other. */
export class World {
  private constructor(
    readonly nats: Awaited<ReturnType<typeof natsServer>>,
    readonly auth: Bus,
    readonly bus: Bus,
  ) {}

  static async setup(): Promise<World> {
    const nats = await natsServer();
    const world = new World(
      nats,
      new Bus({ NATS_URL: nats.url, SERVICE_NAME: 'auth' }, logger),
      new Bus({ NATS_URL: nats.url, SERVICE_NAME: 'test' }, logger),
    );
    await world.auth.onModuleInit();
    await world.bus.onModuleInit();
    return world;
  }

  /** Until the server knows every subscription made so far. */
  async flush(): Promise<void> {
    await this.auth.connection.flush();
    await this.bus.connection.flush();
  }

  async stop(): Promise<void> {
    jest.restoreAllMocks();
    await this.auth.onApplicationShutdown();
    await this.bus.onApplicationShutdown();
    await this.nats.stop();
  }
}

/** The clock jumps ahead. */
export function later(ms: number): void {
  const now = Date.now;
  const base = now();
  jest.spyOn(Date, 'now').mockImplementation(() => base + ms);
}
