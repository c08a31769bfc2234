import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { onCleanUp } from '@spooled/testing';

import { SpooledClient, type SpooledClientOptions } from './client.js';
import {
  AuthenticationError,
  AuthorizationError,
  ConflictError,
  NetworkError,
  NotFoundError,
  PayloadTooLargeError,
  RateLimitError,
  ServerError,
  SpooledError,
  TimeoutError,
  ValidationError,
} from './errors.js';

/** What a server that misbehaves on purpose does with a request. */
type Answer = (
  response: ServerResponse,
  request: IncomingMessage & { readonly body: string },
) => void;

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
const hangUp: Answer = (response) => response.destroy();
const silence: Answer = () => undefined;
const created = json(201, { id: 'job-1', created: true });

/** Gives each request the next answer, the last one for ever. */
async function misbehaving(
  answers: readonly Answer[],
  options: Partial<SpooledClientOptions> = {},
) {
  const requests: {
    method: string;
    url: string;
    headers: IncomingMessage['headers'];
    body: string;
  }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      requests.push({ method, url, headers, body });
      answers[Math.min(requests.length, answers.length) - 1]?.(
        response,
        Object.assign(request, { body }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onCleanUp(() => {
    server.close();
    server.closeAllConnections();
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new SpooledClient({
    baseUrl,
    apiKey: 'sp_test_key',
    retry: { baseDelayMs: 1, maxDelayMs: 5 },
    ...options,
  });
  return { client, requests };
}

const caught = (promise: Promise<unknown>): Promise<SpooledError> =>
  promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: SpooledError) => error,
  );
const job = { queueName: 'emails', payload: { userName: 'ada' } };

describe('what is sent', () => {
  it('is snake case, except what is the caller’s own, with dates as RFC 3339', async () => {
    const { client, requests } = await misbehaving([created]);
    const scheduledAt = new Date('2030-01-02T03:04:05Z');
    const tags = { myTag: { innerTag: 1 } };
    await client.jobs.create({ ...job, maxRetries: 2, scheduledAt, tags, idempotencyKey: 'k' });
    expect(requests[0]).toMatchObject({ method: 'POST', url: '/api/v1/jobs' });
    expect(requests[0]?.headers).toMatchObject({
      authorization: 'Bearer sp_test_key',
      'content-type': 'application/json',
    });
    expect(JSON.parse(requests[0]?.body ?? '')).toEqual({
      queue_name: 'emails',
      payload: { userName: 'ada' },
      max_retries: 2,
      scheduled_at: '2030-01-02T03:04:05.000Z',
      tags: { myTag: { innerTag: 1 } },
      idempotency_key: 'k',
    });
  });

  it('and what comes is read by the parser that was given', async () => {
    const { client } = await misbehaving([json(200, { id: 'j', payload: { n: 1 } })], {
      parseJson: (text) => JSON.parse(text.replace('1', '2')),
    });
    expect(await client.jobs.get('j')).toEqual({ id: 'j', payload: { n: 2 } });
  });

  it('escapes what stands in a path and leaves out what is not given in a query', async () => {
    const { client, requests } = await misbehaving([json(200, [])]);
    await client.queues.get('a/b?c');
    await client.jobs.list({ queueName: 'a&b', status: undefined, orderBy: 'created_at' });
    expect(requests.map(({ url }) => url)).toEqual([
      '/api/v1/queues/a%2Fb%3Fc',
      '/api/v1/jobs?queue_name=a%26b&order_by=created_at',
    ]);
  });

  it.each(['', '.', '..'])(
    'is nothing when the id is %j, which would be another path',
    async (id) => {
      const { client, requests } = await misbehaving([created]);
      expect(await caught(client.jobs.cancel(id))).toBeInstanceOf(ValidationError);
      expect(requests).toEqual([]);
    },
  );
});

describe('an answer', () => {
  it('is camel case, except what is the caller’s own', async () => {
    const body = { id: '1', queue_name: 'q', result: { some_key: 1 }, tags: { a_b: [{ c_d: 1 }] } };
    const { client } = await misbehaving([json(200, body)]);
    expect(await client.jobs.get('1')).toEqual({
      id: '1',
      queueName: 'q',
      result: { some_key: 1 },
      tags: { a_b: [{ c_d: 1 }] },
    });
  });

  it.each([
    [400, 'VALIDATION_ERROR', ValidationError, false],
    [401, 'UNAUTHORIZED', AuthenticationError, false],
    [403, 'ACCESS_DENIED', AuthorizationError, false],
    [404, 'NOT_FOUND', NotFoundError, false],
    [405, 'METHOD_NOT_ALLOWED', SpooledError, false],
    [408, 'REQUEST_TIMEOUT', SpooledError, true],
    [409, 'LEASE_EXPIRED', ConflictError, false],
    [413, 'PAYLOAD_TOO_LARGE', PayloadTooLargeError, false],
    [429, 'RATE_LIMIT_EXCEEDED', RateLimitError, true],
    [429, 'QUOTA_EXCEEDED', RateLimitError, false],
    [500, 'INTERNAL_ERROR', ServerError, true],
    [503, 'SERVICE_UNAVAILABLE', ServerError, true],
  ])('%i %s is a %p', async (status, code, Class, retryable) => {
    const details = [{ field: 'queue_name', message: 'is required', code: 'invalid' }];
    const body = { code, message: 'No.', details, upgrade_to: 'pro' };
    const headers = { 'x-request-id': 'request-1', 'retry-after': '7' };
    const { client } = await misbehaving([json(status, body, headers)], {
      retry: { maxRetries: 0 },
    });
    const error = await caught(client.jobs.get('1'));
    expect(error).toBeInstanceOf(Class);
    expect(error).toMatchObject({
      name: Class.name,
      message: 'No.',
      code,
      status,
      retryable,
      details,
      requestId: 'request-1',
      retryAfterMs: 7000,
      extra: { upgradeTo: 'pro' },
    });
  });

  it('that is not JSON still makes an error with its text', async () => {
    const { client } = await misbehaving([
      (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad</h1>'),
    ]);
    const error = await caught(client.workflows.cancel('1'));
    expect(error).toMatchObject({ message: '<h1>Bad</h1>', code: 'UNKNOWN_ERROR', status: 502 });
    const proxy = await misbehaving([(response) => response.end('<p>hello</p>')]);
    expect(await caught(proxy.client.jobs.get('1'))).toMatchObject({ code: 'UNKNOWN_ERROR' });
  });
});

describe('a call that fails', () => {
  const down = json(503, { code: 'SERVICE_UNAVAILABLE', message: 'Down.' });
  const limited = json(429, { code: 'RATE_LIMIT_EXCEEDED', message: 'Slow.' });

  it.each([
    ['GET', (client: SpooledClient) => client.jobs.get('1')],
    ['PUT', (client: SpooledClient) => client.jobs.setPriority('1', 5)],
    ['DELETE', (client: SpooledClient) => client.jobs.cancel('1')],
  ])('is repeated when it is a %s', async (_, call) => {
    const { client, requests } = await misbehaving([down, hangUp, json(200, {})]);
    await call(client);
    expect(requests).toHaveLength(3);
  });

  it.each([
    ['5xx', down],
    ['a cut connection', hangUp],
  ])('is not repeated when it is a POST without an idempotency key: %s', async (_, answer) => {
    const { client, requests } = await misbehaving([answer, json(200, { success: true })]);
    const error = await caught(client.jobs.complete('1', { workerId: 'w' }));
    expect(error).toBeInstanceOf(answer === down ? ServerError : NetworkError);
    expect(requests).toHaveLength(1);
  });

  it('is repeated with the same key when it makes a job', async () => {
    const { client, requests } = await misbehaving([hangUp, down, created]);
    expect(await client.jobs.create(job)).toEqual({ id: 'job-1', created: true });
    const keys = requests.map(
      ({ body }) => (JSON.parse(body) as typeof job & { idempotency_key: string }).idempotency_key,
    );
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^sdk-[0-9a-f]{32}$/);
  });

  it('is repeated with the same keys when it makes many jobs', async () => {
    const { client, requests } = await misbehaving([hangUp, json(200, { succeeded: [] })]);
    const jobs = [{ payload: 1 }, { payload: 2, idempotencyKey: 'mine' }];
    await client.jobs.bulkEnqueue({ queueName: 'q', jobs });
    const sent = requests.map(
      ({ body }) => (JSON.parse(body) as { jobs: { idempotency_key: string }[] }).jobs,
    );
    expect(sent[0]).toEqual(sent[1]);
    expect(sent[0]?.[0]?.idempotency_key).toMatch(/^sdk-/);
    expect(sent[0]?.[1]?.idempotency_key).toBe('mine');
  });

  it('is repeated after a 429, whatever its method', async () => {
    const { client, requests } = await misbehaving([limited, json(200, { success: true })]);
    await client.jobs.complete('1', { workerId: 'w' });
    expect(requests).toHaveLength(2);
  });

  it('waits as long as the server says', async () => {
    const { client, requests } = await misbehaving([
      json(429, { code: 'RATE_LIMIT_EXCEEDED' }, { 'retry-after': '1' }),
      json(200, {}),
    ]);
    const startedAt = performance.now();
    await client.jobs.get('1');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);
    expect(requests).toHaveLength(2);
  });

  it('does not wait for minutes', async () => {
    const answer = json(429, { code: 'RATE_LIMIT_EXCEEDED' }, { 'retry-after': '3600' });
    const { client, requests } = await misbehaving([answer]);
    expect(await caught(client.jobs.get('1'))).toMatchObject({ retryAfterMs: 3_600_000 });
    expect(requests).toHaveLength(1);
  });

  it('is not repeated when a quota is reached', async () => {
    const { client, requests } = await misbehaving([json(429, { code: 'QUOTA_EXCEEDED' })]);
    expect(await caught(client.jobs.create(job))).toMatchObject({ code: 'QUOTA_EXCEEDED' });
    expect(requests).toHaveLength(1);
  });

  it('gives up after the repetitions that are allowed', async () => {
    const { client, requests } = await misbehaving([down], {
      retry: { maxRetries: 2, baseDelayMs: 1 },
    });
    expect(await caught(client.jobs.get('1'))).toBeInstanceOf(ServerError);
    expect(requests).toHaveLength(3);
  });

  it('times out, and is repeated then only if it is safe', async () => {
    const { client, requests } = await misbehaving([silence], {
      timeoutMs: 1000,
      retry: { maxRetries: 1, baseDelayMs: 1 },
    });
    expect(await caught(client.jobs.retry('1'))).toBeInstanceOf(TimeoutError);
    expect(requests).toHaveLength(1);
    expect(await caught(client.jobs.get('1'))).toMatchObject({ code: 'TIMEOUT', timeoutMs: 1000 });
    expect(requests).toHaveLength(3);
  });

  it('rejects with the reason of the signal, also between two tries', async () => {
    const { client } = await misbehaving([down], { retry: { baseDelayMs: 60_000 } });
    const abort = new AbortController();
    const call = caught(client.jobs.get('1', { signal: abort.signal }));
    const reason = new Error('enough');
    abort.abort(reason);
    expect(await call).toBe(reason);
    const late = new AbortController();
    const { client: waiting, requests } = await misbehaving([silence]);
    const hanging = caught(waiting.jobs.get('1', { signal: late.signal }));
    late.abort(reason);
    expect(await hanging).toBe(reason);
    expect(requests.length).toBeLessThanOrEqual(1);
  });

  it('refreshes a refused access token once for many calls', async () => {
    const answer: Answer = (response, { url, headers }) => {
      if (url === '/api/v1/auth/refresh')
        return json(200, { access_token: 'new' })(response, null as never);
      const isGood = headers.authorization === 'Bearer new';
      return json(isGood ? 200 : 401, { code: isGood ? undefined : 'UNAUTHORIZED' })(
        response,
        null as never,
      );
    };
    const { client, requests } = await misbehaving([answer], {
      accessToken: 'old',
      refreshToken: 'refresh',
    });
    await Promise.all([
      client.jobs.get('1'),
      client.jobs.get('2'),
      client.jobs.complete('3', { workerId: 'w' }),
    ]);
    expect(requests.filter(({ url }) => url.endsWith('/auth/refresh'))).toHaveLength(1);
  });

  it('tells a refused access token when the refresh is refused too', async () => {
    const { client, requests } = await misbehaving([json(401, { code: 'UNAUTHORIZED' })], {
      accessToken: 'old',
      refreshToken: 'refresh',
    });
    expect(await caught(client.jobs.get('1'))).toBeInstanceOf(AuthenticationError);
    expect(requests).toHaveLength(2);
  });
});

it('counts an option that is undefined as not given', async () => {
  const { client, requests } = await misbehaving([hangUp, json(200, {})], {
    timeoutMs: undefined,
    headers: undefined,
    fetch: undefined,
    retry: { maxRetries: undefined, baseDelayMs: 1, maxDelayMs: undefined },
  });
  await client.jobs.get('1');
  expect(requests).toHaveLength(2);
});
