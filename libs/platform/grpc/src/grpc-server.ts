import { Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { ConfigError } from '@spooled/config';
import type { GrpcSpec } from '@spooled/contracts';
import { listenProblem } from '@spooled/http';
import { HealthImplementation } from 'grpc-health-check';
import { readFile } from 'node:fs/promises';
import { isIPv6, type Server as Listener, type Socket } from 'node:net';
import { GRPC_CONFIG, type GrpcConfig } from './grpc.config.js';
import { grpcMethodOf } from './grpc.decorator.js';
import { MethodBinding } from './method-binding.js';
import { descriptors, serviceDefinition } from './protos.js';

/** The largest plan's payload, and some envelope around it. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
const KEEPALIVE_MS = 10_000;
const SECOND_MS = 1000;
/** After the drain, how long a connection whose client does not close it may stay, in milliseconds. */
const HANG_UP_MS = 500;

/**
 * The process's gRPC server: one bare grpc-js server. Methods marked with `@Grpc` are found and bound when the
 * application starts, with health and reflection beside them (docs/adr/0015).
 */
@Injectable()
export class GrpcServer
  implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown
{
  readonly #server: Server;
  readonly #health = new HealthImplementation({ '': 'SERVING' });
  readonly #services: string[] = [];
  readonly #sockets = new Set<Socket>();
  #port: number | undefined;

  constructor(
    @Inject(GRPC_CONFIG) private readonly config: GrpcConfig,
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly binding: MethodBinding,
  ) {
    this.#server = new Server({
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      // What is stored may be sent, whatever it has become on the way.
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': config.GRPC_MAX_CONCURRENT_STREAMS,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
      'grpc.max_connection_idle_ms': config.GRPC_MAX_CONNECTION_IDLE_SECS * SECOND_MS,
      'grpc.max_connection_age_ms': config.GRPC_MAX_CONNECTION_AGE_SECS * SECOND_MS,
      'grpc.enable_channelz': 0,
    });
  }

  /** The port it listens on. */
  get port(): number {
    return this.#port ?? this.config.GRPC_PORT;
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#addServices();
    const credentials = await this.#credentials();
    const { GRPC_PORT: port } = this.config;
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(this.#address(port), credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else reject(bindProblem(error, port));
      });
    });
    this.#followSockets();
  }

  /** First of all: whoever asks sends no more here. */
  onModuleDestroy(): void {
    for (const name of ['', ...this.#services]) this.#health.setStatus(name, 'NOT_SERVING');
  }

  /** Ends streams, lets calls under way finish, and closes. */
  async beforeApplicationShutdown(): Promise<void> {
    if (this.#port === undefined) return;
    this.binding.endStreams();
    // Not `forceShutdown` after a time: it finds no connection when channelz is off.
    this.#server.drain(this.#address(this.#port), this.config.GRPC_DRAIN_MS);
    const hangUp = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, this.config.GRPC_DRAIN_MS + HANG_UP_MS);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    clearTimeout(hangUp);
  }

  /**
   * A session that is closed waits for its client to close the connection, if it takes for ever, and grpc-js waits with
   * it. It shows its listeners to nobody.
   */
  #followSockets(): void {
    const { http2Servers } = this.#server as unknown as {
      readonly http2Servers: ReadonlyMap<Listener, unknown>;
    };
    for (const listener of http2Servers.keys()) {
      listener.on('connection', (socket) => {
        this.#sockets.add(socket);
        socket.once('close', () => this.#sockets.delete(socket));
      });
    }
  }

  #addServices(): void {
    const implementations = new Map<string, Record<string, UntypedHandleCall>>();
    for (const { spec, handler } of this.#methods()) {
      const implementation = implementations.get(spec.service) ?? {};
      implementations.set(spec.service, implementation);
      implementation[spec.method] = this.binding.bind(spec, handler);
    }
    for (const [name, implementation] of implementations) {
      this.#services.push(name);
      this.#health.setStatus(name, 'SERVING');
      this.#server.addService(serviceDefinition(name), implementation);
    }
    this.#health.addToServer(this.#server);
    const services = [...this.#services, HEALTH];
    new ReflectionService(descriptors(), { services }).addToServer(this.#server);
  }

  *#methods(): Generator<{ spec: GrpcSpec; handler: (call: unknown) => unknown }> {
    for (const { instance } of this.discovery.getProviders()) {
      if (typeof instance !== 'object' || instance === null) continue;
      const prototype = Object.getPrototypeOf(instance) as object;
      for (const method of this.scanner.getAllMethodNames(prototype)) {
        const spec = grpcMethodOf(prototype, method);
        if (spec === undefined) continue;
        const handler = (instance as Record<string, (call: unknown) => unknown>)[method]!;
        yield { spec, handler: handler.bind(instance) };
      }
    }
  }

  #address(port: number): string {
    const { HOST: host } = this.config;
    return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  }

  async #credentials(): Promise<ServerCredentials> {
    const {
      GRPC_TLS_ENABLED: isTls,
      GRPC_TLS_CERT_PATH: certPath,
      GRPC_TLS_KEY_PATH: keyPath,
    } = this.config;
    if (!isTls) return ServerCredentials.createInsecure();
    const [certificate, key] = await Promise.all([
      readPem('GRPC_TLS_CERT_PATH', certPath),
      readPem('GRPC_TLS_KEY_PATH', keyPath),
    ]);
    return ServerCredentials.createSsl(null, [{ cert_chain: certificate, private_key: key }]);
  }
}

const HEALTH = 'grpc.health.v1.Health';

async function readPem(setting: string, path: string): Promise<Buffer> {
  if (path === '') throw new ConfigError(`GRPC_TLS_ENABLED needs ${setting}.`);
  try {
    return await readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${setting}: ${reason}`);
  }
}

/** grpc-js tells in words alone why it could not listen. */
function bindProblem(error: Error, port: number): Error {
  const isTaken = error.message.includes('EADDRINUSE');
  return listenProblem(
    isTaken ? Object.assign(error, { code: 'EADDRINUSE' }) : error,
    'GRPC_PORT',
    port,
  );
}
