import { Injectable, type INestApplicationContext } from '@nestjs/common';
import { AppError, route } from '@spooled/contracts';
import { eventually, Signal } from '@spooled/testing';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { HttpServer, rawJson, Route, withStatus, type RequestOf } from '../src/index.js';
import { MetricsPort } from '../src/metrics-port.js';
import { callPort, key, portOf, Servers, type Answer, type CallOptions } from './setup.js';

const base = { service: 'job-api', summary: 'A route of this test.' } as const;
const api = {
  echo: route({
    ...base,
    method: 'POST',
    path: '/echo/:id',
    auth: 'key',
    query: z.object({ n: z.coerce.number().int().optional() }),
    body: z.object({ text: z.string().max(10), more: z.unknown().optional() }),
    responses: { 201: z.unknown() },
  }),
  optional: route({
    ...base,
    method: 'POST',
    path: '/optional',
    auth: 'key',
    body: z.object({ text: z.string().optional() }),
    bodyOptional: true,
    responses: { 200: z.unknown() },
  }),
  bodiless: route({
    ...base,
    method: 'DELETE',
    path: '/thing',
    auth: 'key',
    responses: { 204: null },
  }),
  large: route({
    ...base,
    method: 'GET',
    path: '/large',
    auth: 'key',
    responses: { 200: z.unknown() },
  }),
  open: route({
    ...base,
    method: 'GET',
    path: '/open',
    auth: 'public',
    responses: { 200: z.unknown() },
  }),
  full: route({
    ...base,
    method: 'GET',
    path: '/full',
    auth: 'full-key',
    responses: { 200: z.unknown() },
  }),
  jwt: route({
    ...base,
    method: 'GET',
    path: '/jwt',
    auth: 'jwt',
    responses: { 200: z.unknown() },
  }),
  admin: route({
    ...base,
    method: 'GET',
    path: '/admin',
    auth: 'admin',
    responses: { 200: z.unknown() },
  }),
  broken: route({
    ...base,
    method: 'GET',
    path: '/broken',
    auth: 'public',
    responses: { 200: z.unknown() },
  }),
  away: route({
    ...base,
    method: 'GET',
    path: '/away',
    auth: 'public',
    responses: { 200: z.unknown() },
  }),
  hang: route({
    ...base,
    method: 'GET',
    path: '/hang',
    auth: 'key',
    responses: { 200: z.unknown() },
  }),
};

const hung = new Signal<AbortSignal>();

@Injectable()
class Controller {
  @Route(api.echo)
  echo({ principal, params, query, body, ip, requestId }: RequestOf<typeof api.echo>) {
    return { organization: principal.organizationId, params, query, body, ip, requestId };
  }
  @Route(api.optional)
  optional({ body }: RequestOf<typeof api.optional>) {
    return { got: body };
  }
  @Route(api.bodiless)
  bodiless(_: RequestOf<typeof api.bodiless>): void {}
  @Route(api.large)
  large(_: RequestOf<typeof api.large>) {
    return rawJson(JSON.stringify({ text: 'x'.repeat(5000) }));
  }
  @Route(api.open)
  open({ ip }: RequestOf<typeof api.open>) {
    return withStatus(202, { ip });
  }
  @Route(api.full)
  full(_: RequestOf<typeof api.full>) {
    return {};
  }
  @Route(api.jwt)
  jwt(_: RequestOf<typeof api.jwt>) {
    return {};
  }
  @Route(api.admin)
  admin(_: RequestOf<typeof api.admin>) {
    return {};
  }
  @Route(api.broken)
  broken(_: RequestOf<typeof api.broken>): never {
    throw new Error('select password from secrets');
  }
  @Route(api.away)
  away(_: RequestOf<typeof api.away>): never {
    throw new AppError('SERVICE_UNAVAILABLE', undefined, { retryAfterSecs: 3 });
  }
  @Route(api.hang)
  async hang({ signal }: RequestOf<typeof api.hang>) {
    hung.fire(signal);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    return {};
  }
}

let servers: Servers;
let context: INestApplicationContext;
const boot = (environment?: Record<string, string>) => servers.boot(environment);

beforeAll(async () => {
  servers = await Servers.setup(Controller);
  context = await boot();
});
afterAll(async () => {
  await context.close();
  await servers.stop();
});

const call = (
  method: string,
  path: string,
  { on = context, ...options }: CallOptions & { on?: INestApplicationContext | undefined } = {},
) => callPort(portOf(on), method, path, options);

const post = (body: string, headers?: Record<string, string>) =>
  call('POST', '/api/v1/echo/7', { credential: key(), body, headers });

describe('a route', () => {
  it('gives its handler what the spec promises, and its answer the first status', async () => {
    const answer = await call('POST', '/api/v1/echo/a%2Fb?n=5&other=1', {
      credential: key(),
      body: '{"text":"hi","unknown":1,"more":{"n":12345678901234567890}}',
    });
    expect(answer).toMatchObject({
      status: 201,
      body: { params: { id: 'a/b' }, query: { n: 5 }, body: { text: 'hi' }, ip: '127.0.0.1' },
    });
    expect(answer.text).toContain('"n":12345678901234567890');
    expect(answer.body['body']).not.toHaveProperty('unknown');
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it('may answer another status, or nothing', async () => {
    expect(await call('GET', '/api/v1/open')).toMatchObject({ status: 202 });
    const nothing = await call('DELETE', '/api/v1/thing', { credential: key() });
    expect(nothing).toMatchObject({ status: 204, text: '' });
  });

  it.each([
    ['no header at all', undefined, {}],
    ['a JSON type and no body', '', { 'content-type': 'application/json' }],
    ['white space', ' \n', {}],
    ['an empty object', '{}', {}],
  ])('whose body is optional takes %s', async (_, body, headers) => {
    const answer = await call('POST', '/api/v1/optional', { credential: key(), body, headers });
    expect(answer).toMatchObject({ status: 200, body: { got: {} } });
  });

  it('without a body takes an empty one with a JSON type', async () => {
    for (const method of ['DELETE'] as const) {
      const headers = { 'content-type': 'application/json', 'content-length': '0' };
      expect((await call(method, '/api/v1/thing', { credential: key(), headers })).status).toBe(
        204,
      );
    }
    const headers = { 'content-type': 'application/json' };
    expect((await call('GET', '/api/v1/open', { headers })).status).toBe(202);
  });
});

describe('a refusal', () => {
  const expectRefusal = (answer: Answer, status: number, code: string): void => {
    expect({ status: answer.status, code: answer.body['code'] }).toEqual({ status, code });
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.body['message']).toEqual(expect.any(String));
    expect(answer.headers['x-request-id']).toEqual(expect.any(String));
    expect(answer.headers['x-api-version']).toBe('1');
  };

  it('of an unknown path is 404, whatever the method and the body', async () => {
    expectRefusal(await call('GET', '/nowhere'), 404, 'NOT_FOUND');
    expectRefusal(await call('GET', '/api/v1/nowhere?x=1'), 404, 'NOT_FOUND');
    expectRefusal(await call('POST', '/api/v1/nowhere', { body: '{}' }), 404, 'NOT_FOUND');
    const text = { body: 'hello', headers: { 'content-type': 'text/plain' } };
    expectRefusal(await call('POST', '/api/v1/nowhere', text), 404, 'NOT_FOUND');
    expectRefusal(await call('POST', '/api/v1/nowhere', { body: '{' }), 404, 'NOT_FOUND');
    expectRefusal(await call('GET', '/%zz'), 404, 'NOT_FOUND');
  });

  it('of a known path with another method is 405', async () => {
    expectRefusal(await call('PUT', '/api/v1/echo/7', { body: '{}' }), 405, 'METHOD_NOT_ALLOWED');
    expectRefusal(await call('DELETE', '/api/v1/echo/7?x=1'), 405, 'METHOD_NOT_ALLOWED');
    expectRefusal(await call('POST', '/health'), 405, 'METHOD_NOT_ALLOWED');
    const text = { body: 'hello', headers: { 'content-type': 'text/plain' } };
    expectRefusal(await call('PUT', '/api/v1/open', text), 405, 'METHOD_NOT_ALLOWED');
  });

  it.each(['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'nonsense'])(
    'of a body of the type %s is 415',
    async (type) => {
      expectRefusal(
        await post('{"text":"x"}', { 'content-type': type }),
        415,
        'UNSUPPORTED_MEDIA_TYPE',
      );
    },
  );

  it('of a body without a type is 415', async () => {
    const raw = await rawRequest(
      `POST /api/v1/echo/7 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key()}\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{"text":"x"}`,
    );
    expect(raw).toMatch(/^HTTP\/1\.1 415 /);
    expect(raw).toContain('UNSUPPORTED_MEDIA_TYPE');
  });

  it('takes a charset beside the JSON type', async () => {
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    expect((await post('{"text":"x"}', headers)).status).toBe(201);
  });

  it.each(['{', '{"text":}', "{'text':'x'}", 'hello', '{"text":"x"}x', '\ufeff{"text":"x"}'])(
    'of the body %j is 400 INVALID_JSON',
    async (body) => {
      expectRefusal(await post(body), 400, 'INVALID_JSON');
    },
  );

  it('of a body that nests too deep is 400 INVALID_JSON', async () => {
    const nest = (depth: number) => `{"text":"x","more":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect((await post(nest(63))).status).toBe(201);
    expectRefusal(await post(nest(64)), 400, 'INVALID_JSON');
    expectRefusal(await post(nest(100_000)), 400, 'INVALID_JSON');
  });

  it('of fields names them all', async () => {
    const answer = await call('POST', '/api/v1/echo/7?n=x', { credential: key(), body: '{}' });
    expectRefusal(answer, 400, 'VALIDATION_ERROR');
    expect(answer.body).toMatchObject({ error: 'Validation failed', details: [{ field: 'n' }] });
    expectRefusal(await post('{"text":"12345678901"}'), 400, 'VALIDATION_ERROR');
    expectRefusal(await post(''), 400, 'VALIDATION_ERROR');
    expectRefusal(await post('null'), 400, 'VALIDATION_ERROR');
  });

  it('of a body over the ceiling is 413, and one below passes', async () => {
    const body = (bytes: number) => `{"text":"x","more":"${'x'.repeat(bytes - 22)}"}`;
    const ceiling = 5 * 1024 * 1024 + 64 * 1024;
    expect((await post(body(ceiling))).status).toBe(201);
    expectRefusal(await post(body(ceiling + 1)), 413, 'PAYLOAD_TOO_LARGE');
  });

  it('of what the server did wrong is 500 and shows nothing', async () => {
    const answer = await call('GET', '/api/v1/broken');
    expectRefusal(answer, 500, 'INTERNAL_ERROR');
    expect(answer.text).not.toMatch(/secrets|Error:|at /);
  });

  it('for want of something is 503 with the time to try again', async () => {
    const answer = await call('GET', '/api/v1/away');
    expectRefusal(answer, 503, 'SERVICE_UNAVAILABLE');
    expect(answer.headers['retry-after']).toBe('3');
  });

  it('of a request line or header that is none is JSON as well', async () => {
    const garbage = await rawRequest('GARBAGE\r\n\r\n');
    expect(garbage).toMatch(/^HTTP\/1\.1 400 /);
    expect(garbage).toContain('"code":"BAD_REQUEST"');
    const huge = await rawRequest(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(huge).toMatch(/^HTTP\/1\.1 400 /);
    expect(huge).toContain('"code":"BAD_REQUEST"');
  });
});

async function rawRequest(text: string): Promise<string> {
  const socket = connect(context.get(HttpServer).port, '127.0.0.1');
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.on('close', () => resolve(answer));
  socket.on('error', () => resolve(answer));
  socket.write(text);
  return promise;
}

describe('the caller', () => {
  it('is known by bearer or X-API-Key, and by nothing in the query', async () => {
    const credential = key();
    const body = '{"text":"x"}';
    const by = async (headers: Record<string, string>, query = '') =>
      (await call('POST', `/api/v1/echo/7${query}`, { headers, body })).status;
    expect(await by({ authorization: `Bearer ${credential}` })).toBe(201);
    expect(await by({ authorization: `bearer ${credential}` })).toBe(201);
    expect(await by({ 'x-api-key': credential })).toBe(201);
    expect(await by({}, `?token=${credential}`)).toBe(401);
    expect(await by({})).toBe(401);
    expect(await by({ authorization: `Basic ${credential}` })).toBe(401);
    expect(await by({ authorization: 'Bearer unknown' })).toBe(401);
  });

  it('that is nobody gets 401 before its body is read', async () => {
    const answer = await call('POST', '/api/v1/echo/7', { body: '{' });
    expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' } });
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.headers).not.toHaveProperty('x-ratelimit-limit');
  });

  it('nobody can tell of gets 503', async () => {
    const answer = await call('GET', '/api/v1/full', { credential: 'nobody-can-tell' });
    expect(answer).toMatchObject({ status: 503, body: { code: 'SERVICE_UNAVAILABLE' } });
    expect(answer.headers['retry-after']).toBe('1');
  });

  it('with a scope may not where a full key is needed; with a key not where a JWT is', async () => {
    const scoped = key({ queues: ['emails'] });
    expect(await call('GET', '/api/v1/full', { credential: scoped })).toMatchObject({
      status: 403,
      body: { code: 'ACCESS_DENIED' },
    });
    expect((await call('GET', '/api/v1/full', { credential: key() })).status).toBe(200);
    expect((await call('GET', '/api/v1/jwt', { credential: key() })).status).toBe(401);
    const jwt = key({ credential: 'jwt' });
    expect((await call('GET', '/api/v1/jwt', { credential: jwt })).status).toBe(200);
  });

  it('of a public route is not asked, whatever it sends along', async () => {
    expect((await call('GET', '/api/v1/open', { credential: 'stale' })).status).toBe(202);
  });

  it('of an admin route needs the admin key', async () => {
    const by = async (headers: Record<string, string>) =>
      (await call('GET', '/api/v1/admin', { headers })).status;
    expect(await by({ 'x-admin-key': 'the-admin-key' })).toBe(200);
    expect(await by({ 'x-admin-key': 'another' })).toBe(401);
    expect(await by({ authorization: `Bearer ${key()}` })).toBe(401);
    expect(await by({})).toBe(401);
  });
});

describe('headers', () => {
  it('echo a request id that can be printed, and make one otherwise', async () => {
    const idOf = async (given?: string) => {
      const headers: Record<string, string> = given === undefined ? {} : { 'x-request-id': given };
      return (await call('GET', '/api/v1/open', { headers })).headers['x-request-id'];
    };
    expect(await idOf('abc-123')).toBe('abc-123');
    expect(await idOf('x'.repeat(128))).toBe('x'.repeat(128));
    for (const bad of [undefined, 'x'.repeat(129), 'a b', 'ä', '']) {
      expect(await idOf(bad)).toMatch(/^[0-9a-f-]{36}$/);
    }
    const answer = await call('POST', '/api/v1/echo/7', {
      credential: key(),
      body: '{"text":"x"}',
      headers: { 'x-request-id': 'mine' },
    });
    expect(answer.body['requestId']).toBe('mine');
  });

  it('name the version, and only version 1 is served', async () => {
    const ask = async (version: string) =>
      call('GET', '/api/v1/open', { headers: { 'x-api-version': version } });
    for (const version of ['1', '01', 'abc', '', '1.0']) {
      const answer = await ask(version);
      expect({ version, status: answer.status }).toEqual({ version, status: 202 });
      expect(answer.headers['x-api-version']).toBe('1');
    }
    for (const version of ['2', '0', '99999999999']) {
      expect(await ask(version)).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
    }
  });

  it('protect pages and readers', async () => {
    for (const path of ['/api/v1/open', '/api/v1/nowhere', '/health']) {
      const { headers } = await call('GET', path);
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': expect.any(String),
        'content-security-policy': expect.stringContaining("default-src 'none'"),
        'permissions-policy': expect.any(String),
      });
      expect(headers).not.toHaveProperty('strict-transport-security');
    }
  });
});

describe('compression', () => {
  it('is used for what is large, as the client likes it', async () => {
    const credential = key();
    const ask = (encoding: string) =>
      call('GET', '/api/v1/large', { credential, headers: { 'accept-encoding': encoding } });
    const plain = await ask('identity');
    expect(plain.headers).not.toHaveProperty('content-encoding');
    const gzip = await ask('gzip');
    expect(gzip.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(gzip.bytes).toString()).toBe(plain.text);
    const brotli = await ask('br');
    expect(brotli.headers['content-encoding']).toBe('br');
    expect(brotliDecompressSync(brotli.bytes).toString()).toBe(plain.text);
    expect(gzip.headers['vary']).toMatch(/accept-encoding/i);
  });

  it('is not for small answers', async () => {
    const answer = await call('GET', '/api/v1/open', { headers: { 'accept-encoding': 'gzip' } });
    expect(answer.headers).not.toHaveProperty('content-encoding');
  });
});

describe('CORS', () => {
  const preflight = (origin: string, on?: INestApplicationContext) =>
    call('OPTIONS', '/api/v1/echo/7', {
      on,
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });

  it('lets any page in while developing', async () => {
    const answer = await preflight('https://page.example');
    expect(answer.status).toBe(204);
    expect(answer.headers['access-control-allow-origin']).toBe('https://page.example');
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      expect(answer.headers['access-control-allow-methods']).toContain(method);
    }
    for (const name of [
      'authorization',
      'content-type',
      'x-api-key',
      'x-request-id',
      'x-admin-key',
      'x-organization-id',
    ]) {
      expect(answer.headers['access-control-allow-headers']).toContain(name);
    }
    const open = await call('GET', '/api/v1/open', { headers: { origin: 'https://page.example' } });
    for (const name of ['x-request-id', 'retry-after', 'x-ratelimit-limit']) {
      expect(open.headers['access-control-expose-headers']).toContain(name);
    }
  });

  it('lets only the configured pages in in production; and HSTS is said when wanted', async () => {
    const production = await boot({
      SPOOLED_ENV: 'production',
      CORS_ALLOWED_ORIGINS: 'https://good.example, https://other.example',
      ENABLE_HSTS: 'true',
    });
    try {
      const good = await preflight('https://good.example', production);
      expect(good.headers['access-control-allow-origin']).toBe('https://good.example');
      expect(good.headers['strict-transport-security']).toMatch(/max-age=\d+/);
      const bad = await preflight('https://bad.example', production);
      expect(bad.headers['access-control-allow-origin']).not.toBe('https://bad.example');
      expect(bad.headers['access-control-allow-origin']).not.toBe('*');
    } finally {
      await production.close();
    }
  });
});

describe('operations', () => {
  it('are public: health, liveness, readiness', async () => {
    expect(await call('GET', '/health')).toMatchObject({
      status: 200,
      body: { status: 'healthy', version: null, database: true, cache: true },
    });
    expect(await call('GET', '/health/live')).toMatchObject({ status: 200, text: '' });
    expect(await call('GET', '/health/ready')).toMatchObject({ status: 200, text: '' });
  });

  it('show metrics as Prometheus text, by route and status', async () => {
    await call('POST', '/api/v1/echo/7', { credential: key(), body: '{}' });
    const { status, headers, text } = await call('GET', '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toContain('text/plain; version=0.0.4');
    expect(text).toMatch(
      /spooled_api_requests_total\{method="POST",route="\/api\/v1\/echo\/:id",status="400"\} \d+/,
    );
    expect(text).toContain('spooled_api_request_duration_seconds_bucket');
  });

  it('ask for the token on metrics when there is one', async () => {
    const guarded = await boot({ METRICS_TOKEN: 'scrape-me' });
    try {
      const ask = async (credential?: string) =>
        (await call('GET', '/metrics', { on: guarded, credential })).status;
      expect(await ask()).toBe(401);
      expect(await ask('wrong')).toBe(401);
      expect(await ask('scrape-me')).toBe(200);
    } finally {
      await guarded.close();
    }
  });

  it('show metrics on a port of their own as well, when one is set', async () => {
    const own = await boot({ METRICS_PORT: '0', METRICS_TOKEN: 'scrape-me' });
    const port = own.get(MetricsPort).port!;
    const ask = (method: string, path: string, credential?: string) =>
      callPort(port, method, path, { credential });
    try {
      const answer = await ask('GET', '/metrics?x=1', 'scrape-me');
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toContain('text/plain; version=0.0.4');
      expect(answer.text).toContain('spooled_api_requests_total');
      expect(await ask('GET', '/metrics')).toMatchObject({
        status: 401,
        body: { code: 'UNAUTHORIZED' },
      });
      expect(await ask('GET', '/health')).toMatchObject({ status: 404 });
      expect(await ask('POST', '/metrics', 'scrape-me')).toMatchObject({ status: 405 });
      await expect(boot({ METRICS_PORT: String(port) })).rejects.toThrow(
        new RegExp(`Port ${port} is taken .* METRICS_PORT`),
      );
    } finally {
      await own.close();
    }
    await expect(ask('GET', '/metrics', 'scrape-me')).rejects.toThrow('ECONNREFUSED');
    expect(context.get(MetricsPort).port).toBeUndefined();
  });

  it('serve the OpenAPI and AsyncAPI documents and a page to read', async () => {
    const document = await call('GET', '/api/v1/openapi.json');
    expect(document.headers['content-type']).toMatch(/^application\/json/);
    expect(document.body).toMatchObject({ openapi: '3.1.0', paths: { '/api/v1/jobs': {} } });
    const streams = await call('GET', '/api/v1/asyncapi.json');
    expect(streams.headers['content-type']).toMatch(/^application\/json/);
    expect(streams.body).toMatchObject({ asyncapi: '3.0.0', channels: { webSocket: {} } });
    const page = await call('GET', '/docs');
    expect(page.headers['content-type']).toMatch(/^text\/html/);
    const scripts = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url!);
    expect(scripts.length).toBeGreaterThanOrEqual(3);
    for (const url of scripts) expect((await call('GET', url)).status).toBe(200);
  });
});

describe('a client that goes away', () => {
  it('aborts the signal of its request', async () => {
    const credential = key();
    const abort = new AbortController();
    const asking = fetch(`http://127.0.0.1:${context.get(HttpServer).port}/api/v1/hang`, {
      headers: { authorization: `Bearer ${credential}` },
      signal: abort.signal,
    }).catch(() => undefined);
    const signal = await hung.next();
    expect(signal.aborted).toBe(false);
    abort.abort();
    await asking;
    await eventually(() => signal.aborted);
  });
});

describe('a stop', () => {
  it('lets requests under way finish, refuses new ones, and is not held up by silent connections', async () => {
    const own = await boot();
    const { port } = own.get(HttpServer);
    const silent = connect(port, '127.0.0.1');
    await new Promise((resolve) => silent.once('connect', resolve));
    const idle = await fetch(`http://127.0.0.1:${port}/health/live`);
    await idle.text();
    const startedAt = performance.now();
    await own.close();
    expect(performance.now() - startedAt).toBeLessThan(60_000);
    await expect(fetch(`http://127.0.0.1:${port}/health/live`)).rejects.toThrow();
    silent.destroy();
  });

  it('ends a busy connection with an answer that says so', async () => {
    const own = await boot();
    const { port } = own.get(HttpServer);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = () =>
      new Promise<string | undefined>((resolve, reject) => {
        get({ port, host: '127.0.0.1', path: '/health/live', agent }, (response) => {
          response.resume().once('end', () => resolve(response.headers.connection));
        }).once('error', reject);
      });
    expect(await ask()).toBe('keep-alive');
    const closed = own.close();
    // One after the other on the same connection, so that it is never idle for long.
    await eventually(async () => expect(await ask()).toBe('close'), { intervalMs: 1 });
    await closed;
    agent.destroy();
  });

  it('says which port is taken when it cannot start', async () => {
    const { port } = context.get(HttpServer);
    await expect(boot({ PORT: String(port) })).rejects.toThrow(
      new RegExp(`Port ${port} is taken by another program`),
    );
  });
});
