/** What clients do all the time while processes are replaced below them, and whether any of it suffered. */
import { setTimeout as delay } from 'node:timers/promises';

import { eventually, onCleanUp } from '@spooled/testing';

import { Client, failuresOf } from './client.js';
import { Fleet } from './fleet.js';
import { Follower } from './follower.js';
import { FrontDoor, openGrpcDoor } from './front-door.js';
import { Ledger } from './ledger.js';
import type { Organization, World } from './world.js';

export interface TrafficOptions {
  readonly queue: string;
  readonly producers: number;
  readonly workers: number;
  /** Over WebSocket, over SSE and over gRPC so many each. */
  readonly streamsOfAKind: number;
  /** Of the job with this number: how many of its attempts fail. Default none. */
  readonly failures?: (number: number) => number;
  /** Headers of every request of the fleet, besides its key. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A read of each service that the fleet itself does not call. */
const reads = ['/organizations', '/schedules', '/workers', '/outgoing-webhooks'];

/** How a server that goes away in order ends streams, as far as each transport says. */
const orderlyEnds: Readonly<Record<string, string>> = {
  WebSocket: '1001',
  SSE: 'ended',
  gRPC: 'UNAVAILABLE',
};

export class Traffic {
  readonly ledger = new Ledger();
  private readonly fleet: Fleet;
  private readonly reading: Promise<string[][]>;
  private isReading = true;

  /** Through one door before all processes of a host; resolves when it flows. */
  static async start(
    world: World,
    { key }: Organization,
    options: TrafficOptions,
  ): Promise<Traffic> {
    const door = await FrontDoor.open(world.host);
    const grpc = await openGrpcDoor(world.host, '/events');
    const client = new Client(door, { authorization: `Bearer ${key}`, ...options.headers });
    const followers = await Promise.all(
      Array.from({ length: options.streamsOfAKind }, () => [
        Follower.webSocket(door, key),
        Follower.sse(door, key),
        Follower.grpc(grpc, key),
      ]).flat(),
    );
    const traffic = new Traffic(client, followers, options);
    await traffic.flows();
    return traffic;
  }

  private constructor(
    /** Of the organization, through the same door. */
    readonly client: Client,
    private readonly followers: readonly Follower[],
    { queue, producers, workers, failures }: TrafficOptions,
  ) {
    // A lease that outlasts the test: what is claimed twice was given twice.
    const load = { queue, producers, workers, failures, leaseSecs: 3600 };
    this.fleet = new Fleet({ client, ledger: this.ledger, ...load });
    onCleanUp(() => void (this.isReading = false));
    this.reading = Promise.all(reads.map((path) => this.readOn(path)));
  }

  /** Little goes on while that is asked for. */
  readonly beCalm = (isCalm: boolean): void => void (this.fleet.isCalm = isCalm);

  /** Resolves when so many more jobs are completed. */
  async flows(jobs = 100): Promise<void> {
    const before = this.ledger.completedCount;
    await eventually(() => this.ledger.completedCount > before + jobs, { timeoutMs: 120_000 });
  }

  /** Brings it to its end. @returns what went wrong, as sentences; none when nobody noticed anything. */
  async end(): Promise<string[]> {
    this.isReading = false;
    await this.fleet.stopProducing();
    await this.ledger.settled(this.client);
    await this.fleet.stop();
    const wrong = [
      ...(await this.reading).flat(),
      ...this.fleet.losses,
      ...this.fleet.faults,
      // Answered, every one: with success, or with "not now".
      ...[...this.fleet.answers.keys()].filter((name) => !/ (20[01]|503)$/.test(name)),
      ...(await this.ledger.violations(this.client, this.followers)),
    ];
    for (const { name, ends, connectionCount } of this.followers) {
      const others = ends.filter((end) => end !== orderlyEnds[name]);
      if (others.length > 0) wrong.push(`a ${name} stream was ended with ${others.join()}`);
      // All gateways went: nobody's first stream is left.
      if (connectionCount < 2) wrong.push(`a ${name} stream was never ended`);
    }
    await Promise.all(this.followers.map((follower) => follower.stop()));
    return wrong;
  }

  /** @returns what was neither success nor "not now". */
  private async readOn(path: string): Promise<string[]> {
    const failures: string[] = [];
    while (this.isReading) {
      const found = await failuresOf(this.client.get(path));
      failures.push(...found.map((what) => `${path}: ${what}`));
      // A pace, not a wait: the fleet needs the processor, too.
      await delay(this.fleet.isCalm ? 200 : 20);
    }
    return failures;
  }
}
