import {
  credentials,
  loadPackageDefinition,
  Metadata,
  status,
  type ClientDuplexStream,
  type ServiceClientConstructor,
  type StatusObject,
} from '@grpc/grpc-js';
import {
  loadFileDescriptorSetFromBuffer,
  loadSync,
  type PackageDefinition,
} from '@grpc/proto-loader';
import { eventually } from '@spooled/testing';
import { protoPath } from 'grpc-health-check';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { job, World } from './setup.js';

let world: World | undefined;
afterEach(async () => {
  await world?.stop();
  world = undefined;
});

type Call<More extends unknown[] = []> = (
  request: object,
  ...more: [...More, answer: (error: unknown, response: unknown) => void]
) => void;

function clientOf(definition: PackageDefinition, name: string, port: number) {
  let found: unknown = loadPackageDefinition(definition);
  for (const part of name.split('.')) found = (found as Record<string, unknown>)[part];
  const Service = found as ServiceClientConstructor;
  return new Service(`127.0.0.1:${port}`, credentials.createInsecure());
}

function serviceClient(protoFile: string, name: string, port: number) {
  return clientOf(loadSync(protoFile, { keepCase: true, enums: String }), name, port);
}

describe('health', () => {
  const check = async (port: number, service: string): Promise<unknown> => {
    const client = serviceClient(protoPath, 'grpc.health.v1.Health', port);
    try {
      return await new Promise((resolve) => {
        const ask = client['Check'] as unknown as Call;
        ask.call(client, { service }, (error, response) => resolve(error ?? response));
      });
    } finally {
      client.close();
    }
  };

  it.each(['', 'spooled.v1.QueueService', 'spooled.v1.WorkerService'])(
    'of %j is told to whoever asks',
    async (service) => {
      world = await World.setup();
      expect(await check(world.port, service)).toEqual({ status: 'SERVING' });
    },
  );

  it('of a service that is not hosted is unknown', async () => {
    world = await World.setup();
    for (const service of ['spooled.v1.EventService', 'nothing']) {
      expect(await check(world.port, service)).toMatchObject({ code: status.NOT_FOUND });
    }
  });
});

describe('reflection', () => {
  const require = createRequire(import.meta.url);
  const protos = path.join(path.dirname(require.resolve('@grpc/reflection')), '../proto');

  type Reply = Readonly<Record<string, unknown>>;
  /** A file that it answers with. */
  interface File {
    readonly name: string;
    readonly dependency: string[];
    readonly messageType: { name: string; field: { typeName: string }[] }[];
    readonly enumType: { name: string }[];
    readonly service: { name: string; method: { inputType: string; outputType: string }[] }[];
  }

  /** One reflection call, answered question by question. */
  function reflection(version: string, port: number) {
    const file = path.join(protos, `grpc/reflection/${version}/reflection.proto`);
    const client = serviceClient(file, `grpc.reflection.${version}.ServerReflection`, port);
    const open = client['ServerReflectionInfo'] as () => ClientDuplexStream<object, Reply>;
    const stream = open.call(client).on('error', () => undefined);
    const ask = async (question: object): Promise<Reply> => {
      stream.write(question);
      const [answer] = (await once(stream, 'data')) as [Reply];
      return answer;
    };
    return {
      ask,
      /** As bytes, the file that was asked for first. */
      async files(question: object): Promise<Buffer[]> {
        const { file_descriptor_response: found } = await ask(question);
        return (found as { file_descriptor_proto: Buffer[] }).file_descriptor_proto;
      },
      close(): void {
        stream.end();
        client.close();
      },
    };
  }

  const decoded = (bytes: Buffer): File =>
    descriptor.FileDescriptorProto.toObject(descriptor.FileDescriptorProto.decode(bytes), {
      arrays: true,
    }) as File;

  it.each(['v1', 'v1alpha'])('%s lists the services', async (version) => {
    world = await World.setup();
    const asked = reflection(version, world.port);
    const { list_services_response: listed } = await asked.ask({ list_services: '*' });
    const { service } = listed as { service: { name: string }[] };
    expect(service.map((each) => each.name).sort()).toEqual([
      'grpc.health.v1.Health',
      'spooled.v1.QueueService',
      'spooled.v1.WorkerService',
    ]);
    asked.close();
  });

  it.each(['v1', 'v1alpha'])('%s describes by symbol and by file', async (version) => {
    world = await World.setup();
    const asked = reflection(version, world.port);
    for (const [question, name] of [
      [{ file_containing_symbol: 'spooled.v1.QueueService' }, 'spooled/v1/queue.proto'],
      [{ file_containing_symbol: 'spooled.v1.QueueService.Enqueue' }, 'spooled/v1/queue.proto'],
      [{ file_containing_symbol: 'spooled.v1.Job' }, 'spooled/v1/job.proto'],
      [{ file_containing_symbol: 'spooled.v1.JobStatus' }, 'spooled/v1/job.proto'],
      [{ file_containing_symbol: 'google.protobuf.Struct' }, 'google/protobuf/struct.proto'],
      [{ file_containing_symbol: 'grpc.health.v1.Health' }, 'grpc/health/v1/health.proto'],
      [{ file_by_filename: 'spooled/v1/worker.proto' }, 'spooled/v1/worker.proto'],
      [{ file_by_filename: 'google/protobuf/timestamp.proto' }, 'google/protobuf/timestamp.proto'],
    ] as const) {
      expect(decoded((await asked.files(question))[0]!).name).toBe(name);
    }
    for (const question of [
      { file_containing_symbol: 'spooled.v1.Nothing' },
      { file_by_filename: 'nothing.proto' },
    ]) {
      const { error_response: error } = await asked.ask(question);
      expect(error).toMatchObject({ error_code: status.NOT_FOUND });
    }
    asked.close();
  });

  it('gives files that a strict compiler takes: every type is in the file or in one it imports', async () => {
    world = await World.setup();
    const asked = reflection('v1', world.port);
    const declared = async (name: string): Promise<File> =>
      decoded((await asked.files({ file_by_filename: name }))[0]!);
    const scopeOf = (name: string): string => name.split('/').slice(0, -1).join('.');
    const names = ({ messageType, enumType, name }: File): string[] =>
      [...messageType, ...enumType].map((each) => `.${scopeOf(name)}.${each.name}`);
    for (const name of [
      'spooled/v1/queue.proto',
      'spooled/v1/worker.proto',
      'spooled/v1/event.proto',
      'spooled/v1/job.proto',
      'grpc/health/v1/health.proto',
    ]) {
      const file = await declared(name);
      const imported: File[] = [];
      for (const each of file.dependency) imported.push(await declared(each));
      expect(imported.map((each) => each.name)).toEqual(file.dependency);
      const known = new Set([file, ...imported].flatMap(names));
      const wanted = [
        ...file.messageType.flatMap((message) =>
          message.field
            .map(({ typeName }) => typeName)
            .filter((each) => each && !each.startsWith(`.${scopeOf(name)}.${message.name}.`)),
        ),
        ...file.service.flatMap(({ method }) => method.flatMap((m) => [m.inputType, m.outputType])),
      ];
      expect(wanted.filter((each) => !known.has(each))).toEqual([]);
    }
    asked.close();
  });

  it('is enough to make a client of', async () => {
    world = await World.setup();
    const asked = reflection('v1', world.port);
    const files = await asked.files({ file_containing_symbol: 'spooled.v1.QueueService' });
    asked.close();
    const set = { file: files.map((bytes) => descriptor.FileDescriptorProto.decode(bytes)) };
    const bytes = descriptor.FileDescriptorSet.encode(descriptor.FileDescriptorSet.fromObject(set));
    const client = clientOf(
      loadFileDescriptorSetFromBuffer(bytes.finish() as Buffer, { keepCase: true }),
      'spooled.v1.QueueService',
      world.port,
    );
    let seen: unknown;
    world.methods.onEnqueue = (payload) => (seen = payload);
    const headers = new Metadata();
    headers.set('x-api-key', world.key());
    const request = {
      queue_name: 'emails',
      // protobufjs knows no map in a descriptor, only the list that it is on the wire.
      payload: { fields: [{ key: 'to', value: { string_value: 'you@example.com' } }] },
    };
    const answer = await new Promise((resolve) => {
      const enqueue = client['Enqueue'] as unknown as Call<[Metadata]>;
      enqueue.call(client, request, headers, (error, response) => resolve(error ?? response));
    });
    expect(answer).toEqual({ job_id: 'emails', created: true });
    expect(seen).toEqual({ to: 'you@example.com' });
    client.close();
  });
});

describe('a stop', () => {
  it('tells health first, finishes calls, ends streams, and is soon over', async () => {
    world = await World.setup({ GRPC_DRAIN_MS: '4000' });
    const client = world.client();
    const headers = { 'x-api-key': world.key() };
    const begun = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    world.methods.onGetJob = async () => {
      begun.resolve();
      await answer.promise;
      return {};
    };
    world.methods.onStreamJobs = ({ stream, signal }) => {
      stream.open();
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    };
    const watcher = serviceClient(protoPath, 'grpc.health.v1.Health', world.port);
    const seen: unknown[] = [];
    const watch = (watcher['Watch'] as (request: object) => NodeJS.ReadableStream).call(watcher, {
      service: 'spooled.v1.QueueService',
    });
    watch.on('data', (each: { status: unknown }) => seen.push(each.status));
    watch.on('error', () => undefined);
    await eventually(() => expect(seen).toEqual(['SERVING']));
    const stream = client.stream('StreamJobs', { queue_name: 'q', worker_id: 'w' }, headers);
    stream.on('error', () => undefined).resume();
    await once(stream, 'metadata');
    const call = client.call('GetJob', {}, headers);
    await begun.promise;

    const ended = new Promise<StatusObject>((resolve) => stream.once('status', resolve));
    const closed = world.context.close();
    expect(await ended).toMatchObject({ code: status.UNAVAILABLE });
    await eventually(() => expect(seen).toEqual(['SERVING', 'NOT_SERVING']));
    answer.resolve();
    expect(await call).toEqual({ job: null });
    await closed;
    watcher.close();
    await expect(client.call('GetJob', {}, headers)).rejects.toMatchObject({
      code: status.UNAVAILABLE,
    });
  });
});

describe('a connection of some age', () => {
  it('takes no further calls, and its streams go on', async () => {
    world = await World.setup({ GRPC_MAX_CONNECTION_AGE_SECS: '1' });
    const end = Promise.withResolvers<void>();
    world.methods.onStreamJobs = async ({ stream }) => {
      stream.open();
      await end.promise;
      stream.write(job('late'));
    };
    const session = connectHttp2(`http://127.0.0.1:${world.port}`);
    const aged = once(session, 'goaway');
    const call = session.request({
      ':method': 'POST',
      ':path': '/spooled.v1.QueueService/StreamJobs',
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-api-key': world.key(),
    });
    // Queue "q", worker "w".
    call.end(Buffer.from([0, 0, 0, 0, 6, 0x0a, 1, 0x71, 0x12, 1, 0x77]));
    const trailers = once(call, 'trailers');
    let text = '';
    call.on('data', (bytes: Buffer) => (text += bytes.toString()));
    await aged;
    const client = world.client();
    expect(await client.call('GetJob', {}, { 'x-api-key': world.key() })).toEqual({ job: null });
    end.resolve();
    const [ended] = (await trailers) as [Record<string, unknown>];
    expect(ended).toMatchObject({ 'grpc-status': '0' });
    expect(text).toContain('late');
    session.close();
  });
});

describe('a client that never closes its connection', () => {
  it('does not hold up a stop', async () => {
    world = await World.setup({ GRPC_DRAIN_MS: '500' });
    const socket = connect({ port: world.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined);
    const closed = once(socket, 'close');
    // Source: RFC 9113 §3.4, and an empty SETTINGS frame
    socket.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    await once(socket, 'data');
    const began = Date.now();
    await world.context.close();
    expect(Date.now() - began).toBeLessThan(60_000);
    socket.destroy();
    await closed;
  });
});

describe('the port', () => {
  it('that is taken is told by the name of its setting', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await expect(World.setup({ GRPC_PORT: String(port) })).rejects.toThrow(
      `Port ${port} is taken by another program. Stop it, or choose another port with GRPC_PORT=…`,
    );
    taken.close();
  });
});

describe('TLS', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'spooled-tls-'));
    // prettier-ignore
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-keyout', path.join(directory, 'key.pem'), '-out', path.join(directory, 'cert.pem'),
    ], { stdio: 'ignore' });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('is served with the certificate that is named, and nothing else is then', async () => {
    world = await World.setup({
      GRPC_TLS_ENABLED: 'true',
      GRPC_TLS_CERT_PATH: path.join(directory, 'cert.pem'),
      GRPC_TLS_KEY_PATH: path.join(directory, 'key.pem'),
    });
    const headers = { 'x-api-key': world.key() };
    const trusted = credentials.createSsl(readFileSync(path.join(directory, 'cert.pem')));
    const client = world.client('spooled.v1.QueueService', { credentials: trusted });
    expect(await client.call('GetJob', {}, headers)).toEqual({ job: null });
    await expect(world.client().call('GetJob', {}, headers)).rejects.toMatchObject({
      code: status.UNAVAILABLE,
    });
  });

  it.each([
    ['no certificate', {}, 'GRPC_TLS_ENABLED needs GRPC_TLS_CERT_PATH.'],
    [
      'a certificate that is not there',
      { GRPC_TLS_CERT_PATH: '/nowhere.pem' },
      'GRPC_TLS_CERT_PATH: ',
    ],
  ])('refuses to start with %s', async (_name, settings, message) => {
    await expect(
      World.setup({ GRPC_TLS_ENABLED: 'true', GRPC_TLS_KEY_PATH: '/nowhere.key', ...settings }),
    ).rejects.toThrow(message);
  });
});
