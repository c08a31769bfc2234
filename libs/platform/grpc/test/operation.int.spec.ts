import {
  credentials,
  loadPackageDefinition,
  status,
  type ServiceClientConstructor,
  type StatusObject,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { eventually } from '@spooled/testing';
import { protoPath } from 'grpc-health-check';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { World } from './setup.js';

let world: World | undefined;
afterEach(async () => {
  await world?.stop();
  world = undefined;
});

type Call = (request: object, answer: (error: unknown, response: unknown) => void) => void;

function serviceClient(protoFile: string, name: string, port: number) {
  let found: unknown = loadPackageDefinition(
    loadSync(protoFile, { keepCase: true, enums: String }),
  );
  for (const part of name.split('.')) found = (found as Record<string, unknown>)[part];
  const Service = found as ServiceClientConstructor;
  return new Service(`127.0.0.1:${port}`, credentials.createInsecure());
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

  it.each(['v1', 'v1alpha'])('%s names the services and their files', async (version) => {
    world = await World.setup();
    const file = path.join(protos, `grpc/reflection/${version}/reflection.proto`);
    const name = `grpc.reflection.${version}.ServerReflection`;
    const client = serviceClient(file, name, world.port);
    const stream = (
      client['ServerReflectionInfo'] as () => ReturnType<World['client']['prototype']['duplex']>
    ).call(client);
    stream.on('error', () => undefined);
    const ask = async (question: object): Promise<Record<string, unknown>> => {
      stream.write(question);
      const [answer] = (await once(stream, 'data')) as [Record<string, unknown>];
      return answer;
    };
    const listed = await ask({ list_services: '' });
    const { service } = listed['list_services_response'] as { service: { name: string }[] };
    expect(service.map((each) => each.name).sort()).toEqual([
      'grpc.health.v1.Health',
      'spooled.v1.QueueService',
      'spooled.v1.WorkerService',
    ]);
    const found = await ask({ file_containing_symbol: 'spooled.v1.QueueService' });
    const { file_descriptor_proto: files } = found['file_descriptor_response'] as {
      file_descriptor_proto: Buffer[];
    };
    expect(Buffer.concat(files).toString('latin1')).toContain('StreamJobs');
    stream.end();
    client.close();
  });
});

describe('a stop', () => {
  it('tells health first, finishes calls, ends streams, and is soon over', async () => {
    world = await World.setup({ GRPC_DRAIN_MS: '1000' });
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
