import type {
  EmailCheck,
  EmailStarted,
  EmailVerified,
  Identity,
  SessionGrant,
  SignupCompleted,
} from '@spooled/contracts';
import { Database, sql } from '@spooled/postgres';
import { Metrics } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import { decodeJwt } from 'jose';
import { ExpiryPruner } from '../src/maintenance/expiry-pruner.js';
import { TokenSigner } from '../src/tokens/token-signer.js';
import { Mailbox } from './mailbox.js';
import { freshSlug, TestService, withinOne } from './setup.js';

let service: TestService;
let mailbox: Mailbox;

beforeAll(async () => {
  service = await TestService.start();
  mailbox = await Mailbox.open();
  await reboot();
});

afterAll(async () => {
  await service.stop();
  await mailbox.close();
});

async function reboot(environment: Readonly<Record<string, string>> = {}): Promise<void> {
  await service.shutDown();
  await service.boot({
    TRUSTED_PROXIES: 'loopback',
    EMAIL_PROVIDER: 'smtp',
    SMTP_URL: mailbox.url,
    EMAIL_FROM: 'Spooled <no-reply@spooled.example>',
    ...environment,
  });
}

const freshAddress = (): string => `${freshSlug()}@mail.example`;

function start(email: string) {
  return service.call<EmailStarted>('POST', '/auth/email/start', { body: { email } });
}

function verify(email: string, code: string) {
  return service.call<EmailVerified>('POST', '/auth/email/verify', { body: { email, code } });
}

/** An organization that has an address. */
async function owned(address = freshAddress()) {
  const organization = await service.organization();
  await service.call('PUT', `/organizations/${organization.id}`, {
    credential: organization.key,
    body: { billing_email: address },
  });
  return { ...organization, address };
}

/** A code that was sent, and every other one. */
async function codes(address: string): Promise<{ right: string; wrong: string }> {
  await start(address);
  const right = await mailbox.codeFor(address);
  return { right, wrong: right === '000000' ? '000001' : '000000' };
}

async function signupToken(address = freshAddress()): Promise<string> {
  const { right } = await codes(address);
  const { body } = await verify(address, right);
  if (body.type !== 'signup') throw new Error('that was no new address');
  return body.signup_token;
}

describe('POST /auth/email/start', () => {
  it('sends a code of six digits', async () => {
    const address = freshAddress();
    const { status, body } = await start(address);
    expect(status).toBe(200);
    expect(body).toEqual({
      success: true,
      message: expect.any(String),
      sent: true,
      email_sent_to: address,
    });
    const code = await mailbox.codeFor(address);
    const [mail] = mailbox.mails.filter(({ to }) => to === address);
    expect(mail).toMatchObject({ from: 'no-reply@spooled.example' });
    expect(mail!.raw).toContain('From: Spooled <no-reply@spooled.example>');
    expect(mail!.raw).toContain(`Subject: ${code} is your Spooled code`);
  });

  it('answers the same for an address that is known and one that is not', async () => {
    const { address } = await owned();
    const known = await start(address);
    const other = freshAddress();
    const unknown = await start(other);
    expect(known.text.replace(address, '')).toBe(unknown.text.replace(other, ''));
    expect(known.status).toBe(unknown.status);
  });

  it('sends five codes an hour to an address, however it is written', async () => {
    const answers = await withinOne(3_600_000, async () => {
      const address = freshAddress();
      const all = [];
      for (let sent = 0; sent < 5; sent += 1) all.push(await start(address));
      return [...all, await start(address.toUpperCase())];
    });
    expect(answers.map(({ status }) => status)).toEqual([...Array(5).fill(200), 429]);
    const { body, headers } = answers.at(-1)!;
    expect(body).toMatchObject({ code: 'RATE_LIMIT_EXCEEDED', limit: 5 });
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect((await start(freshAddress())).status).toBe(200);
  });

  it.each([{}, { email: '' }, { email: 'nobody' }, { email: 'a@x.example, b@x.example' }])(
    'refuses %j',
    async (body) => {
      const answer = await service.call('POST', '/auth/email/start', { body });
      expect(answer.status).toBe(400);
    },
  );

  it('says nothing of a mail server that is in trouble, and counts it', async () => {
    const address = freshAddress();
    mailbox.refused.add(address);
    expect((await start(address)).status).toBe(200);
    await eventually(async () => {
      const text = await service.context.get(Metrics).exposition();
      expect(text).toContain('spooled_mails_total{outcome="failed"} 1');
    });
    mailbox.refused.delete(address);
    await start(address);
    expect(await mailbox.codeFor(address)).toMatch(/^\d{6}$/);
  });

  it('keeps neither address nor code', async () => {
    const address = freshAddress();
    const { right } = await codes(address);
    const rows = await service.context
      .get(Database)
      .query<Record<string, unknown>>([], sql('test.codes', 'select * from auth.email_code'));
    expect(rows.length).toBeGreaterThan(0);
    const text = JSON.stringify(rows);
    for (const hidden of [address, Buffer.from(right).toString('hex')]) {
      expect(text).not.toContain(hidden);
    }
  });
});

describe('POST /auth/email/verify', () => {
  it('logs an address in that an organization has, in any case', async () => {
    const { id, keyId, address } = await owned();
    const { right } = await codes(address);
    const { status, body } = await verify(address.toUpperCase(), right);
    expect(status).toBe(200);
    expect(body).toEqual({
      type: 'login',
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 24 * 3600,
      refresh_expires_in: 24 * 24 * 3600,
    });
    const { access_token: credential, refresh_token } = body as SessionGrant;
    const { body: me } = await service.call<Identity>('GET', '/auth/me', { credential });
    expect(me).toMatchObject({ organization_id: id, api_key_id: keyId, queues: ['*'] });
    expect(decodeJwt(credential)).toMatchObject({ email: address.toUpperCase(), org_id: id });
    const refreshed = await service.call<SessionGrant>('POST', '/auth/refresh', {
      body: { refresh_token },
    });
    expect(decodeJwt(refreshed.body.access_token)).toMatchObject({ email: address.toUpperCase() });
  });

  it('lets an address sign up that no organization has', async () => {
    const address = freshAddress();
    const { right } = await codes(address);
    const { status, body } = await verify(address, right);
    expect(status).toBe(200);
    expect(body).toEqual({
      type: 'signup',
      signup_token: expect.stringMatching(/^eyJ/),
      email: address,
      expires_in: 900,
    });
  });

  it('takes a code once, also from two at the same moment', async () => {
    const address = freshAddress();
    const { right } = await codes(address);
    const answers = await Promise.all([verify(address, right), verify(address, right)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
    expect((await verify(address, right)).status).toBe(401);
  });

  it('takes five tries, however many come at once', async () => {
    const address = freshAddress();
    const { right, wrong } = await codes(address);
    const tries = await Promise.all(Array.from({ length: 20 }, () => verify(address, wrong)));
    expect(tries.every(({ status }) => status === 401)).toBe(true);
    expect((await verify(address, right)).status).toBe(401);
  });

  it('takes the right code on the fifth try', async () => {
    const address = freshAddress();
    const { right, wrong } = await codes(address);
    for (let tried = 0; tried < 4; tried += 1) await verify(address, wrong);
    expect((await verify(address, right)).status).toBe(200);
  });

  it('takes only the newest code', async () => {
    const address = freshAddress();
    const { right: first } = await codes(address);
    await start(address);
    const second = await mailbox.codeFor(address, 2);
    if (first !== second) expect((await verify(address, first)).status).toBe(401);
    expect((await verify(address, second)).status).toBe(200);
  });

  it('takes no code after ten minutes, and forgets it', async () => {
    const address = freshAddress();
    const { right } = await codes(address);
    const database = service.context.get(Database);
    await database.query([], inTenMinutes);
    expect((await verify(address, right)).status).toBe(401);
    await service.context.get(ExpiryPruner).step();
    expect(await database.query([], sql('test.left', 'select from auth.email_code'))).toEqual([]);
  });

  it('does not say what is wrong', async () => {
    const [address, never] = [freshAddress(), freshAddress()];
    const { right, wrong } = await codes(address);
    const refusals = [await verify(address, wrong), await verify(never, right)];
    await verify(address, right);
    refusals.push(await verify(address, right));
    expect(new Set(refusals.map(({ text }) => text)).size).toBe(1);
    expect(refusals[0]!.body).toMatchObject({ code: 'AUTHENTICATION_FAILED' });
    expect(refusals[0]!.status).toBe(401);
  });

  it.each(['12345', '1234567', 'abcdef', ''])('refuses %j as no code at all', async (code) => {
    expect((await verify(freshAddress(), code)).status).toBe(400);
  });

  it('makes a key for an owner who has none left, and says so in the trail', async () => {
    const { id, key, keyId, address } = await owned();
    await service.call('DELETE', `/api-keys/${keyId}`, { credential: key });
    await service.key(id, { queues: ['emails'] });
    const { right } = await codes(address);
    const { access_token: credential } = (await verify(address, right)).body as SessionGrant;
    const { body: keys } = await service.call<{ name: string; queues: string[] }[]>(
      'GET',
      '/api-keys',
      { credential },
    );
    expect(keys[0]).toMatchObject({ name: 'Email login', queues: ['*'] });
    const { body: trail } = await service.call<object[]>('GET', '/audit?action=key.created', {
      credential,
    });
    expect(trail[0]).toMatchObject({ actor_type: 'system', details: { name: 'Email login' } });
  });

  it('ends with the key it stands on', async () => {
    const { key, keyId, address } = await owned();
    const { right } = await codes(address);
    const { access_token: credential } = (await verify(address, right)).body as SessionGrant;
    await service.call('DELETE', `/api-keys/${keyId}`, { credential: key });
    await eventually(async () => {
      expect((await service.call('GET', '/auth/me', { credential })).status).toBe(401);
    });
  });
});

const inTenMinutes = sql(
  'test.in-ten-minutes',
  `update auth.email_code set expires_at = expires_at - interval '10 minutes'`,
);

describe('GET /auth/check-email', () => {
  let lastAddress = 0;
  const from = () => ({ 'x-forwarded-for': `203.0.113.${(lastAddress += 1)}` });
  const check = (email: string, headers = from()) =>
    service.call<EmailCheck>('GET', `/auth/check-email?email=${encodeURIComponent(email)}`, {
      headers,
    });

  it('says whether an address is taken, in any case', async () => {
    const { address } = await owned();
    const { status, body } = await check(address.toUpperCase());
    expect(status).toBe(200);
    expect(body).toEqual({ available: false, exists: true });
    expect((await check(freshAddress())).body).toEqual({ available: true, exists: false });
  });

  it('must be asked about an address', async () => {
    expect((await check('nobody')).status).toBe(400);
    expect((await service.call('GET', '/auth/check-email')).status).toBe(400);
  });

  it('is asked ten times a minute by a client, and others go on', async () => {
    const answers = await withinOne(60_000, async () => {
      const headers = from();
      const all = [];
      for (let asked = 0; asked < 11; asked += 1) all.push(await check('a@x.example', headers));
      return all;
    });
    expect(answers.map(({ status }) => status)).toEqual([...Array(10).fill(200), 429]);
    expect(answers.at(-1)!.body).toMatchObject({ code: 'RATE_LIMIT_EXCEEDED', limit: 10 });
    expect((await check('a@x.example')).status).toBe(200);
  });
});

describe('POST /auth/signup/complete', () => {
  const complete = (signup_token: string, slug = freshSlug(), name = 'Signed up') =>
    service.call<SignupCompleted>('POST', '/auth/signup/complete', {
      body: { signup_token, name, slug },
    });

  it('makes a free organization of the address, with a key and tokens', async () => {
    const address = freshAddress();
    const slug = freshSlug();
    const { status, body } = await complete(await signupToken(address), slug);
    expect(status).toBe(201);
    expect(body).toEqual({
      organization: { id: expect.any(String), name: 'Signed up', slug, billing_email: address },
      api_key: expect.stringMatching(/^sp_test_/),
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 24 * 3600,
    });
    const { body: me } = await service.call<Identity>('GET', '/auth/me', {
      credential: body.access_token,
    });
    expect(me.organization).toMatchObject({ plan_tier: 'free', billing_email: address });
    const byKey = await service.call('GET', '/organizations', { credential: body.api_key });
    expect(byKey.status).toBe(200);
  });

  it('takes a slug or an address once', async () => {
    const { slug } = await service.organization();
    const token = await signupToken();
    expect((await complete(token, slug)).status).toBe(409);
    expect((await complete(token)).status).toBe(201);
    const again = await complete(token);
    expect(again.status).toBe(409);
    expect(again.body).toMatchObject({ code: 'CONFLICT' });
  });

  it('refuses a token that is none, is over, or is for something else', async () => {
    const { key } = await service.organization();
    const { access_token, refresh_token } = await service.login(key);
    const over = await service.context.get(TokenSigner).signSignup(freshAddress(), -1);
    for (const token of ['x', access_token, refresh_token, over]) {
      const { status, body } = await complete(token);
      expect(status).toBe(401);
      expect(body).toMatchObject({ code: 'AUTHENTICATION_FAILED' });
    }
  });

  it('gives a token that opens nothing else', async () => {
    const credential = await signupToken();
    expect((await service.call('GET', '/organizations', { credential })).status).toBe(401);
    const refreshed = await service.call('POST', '/auth/refresh', {
      body: { refresh_token: credential },
    });
    expect(refreshed.status).toBe(401);
  });

  it.each([
    ['a short name', 'ab', 'fine'],
    ['a short slug', 'Fine', 'ab'],
    ['a slug of 51 characters', 'Fine', 'a'.repeat(51)],
    ['a reserved slug', 'Fine', 'admin'],
  ])('refuses %s', async (_what, name, slug) => {
    expect((await complete(await signupToken(), slug, name)).status).toBe(400);
  });
});

describe('while new addresses may not sign up', () => {
  it.each<Record<string, string>>([
    { EMAIL_SIGNUP_ENABLED: 'false' },
    { REGISTRATION_MODE: 'closed' },
  ])('with %j only known ones are sent a code, and all are answered alike', async (environment) => {
    const token = await signupToken();
    await reboot(environment);
    const known = await owned();
    const unknown = freshAddress();
    const answers = [await start(unknown), await start(known.address)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const code = await mailbox.codeFor(known.address);
    expect((await verify(known.address, code)).body).toMatchObject({ type: 'login' });
    const completed = await service.call('POST', '/auth/signup/complete', {
      body: { signup_token: token, name: 'Late', slug: freshSlug() },
    });
    expect(completed.status).toBe(403);
    // What was posted is sent before the process ends.
    await reboot();
    expect(mailbox.mails.map(({ to }) => to)).not.toContain(unknown);
  });
});

describe('without a mail server', () => {
  it('the answer is the same', async () => {
    await reboot({ EMAIL_PROVIDER: 'console', SMTP_URL: '', EMAIL_FROM: '' });
    expect((await start(freshAddress())).status).toBe(200);
  });
});
