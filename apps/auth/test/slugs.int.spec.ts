import type { SlugCheck } from '@spooled/contracts';
import { freshSlug, TestService, withinOne } from './setup.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
  await service.shutDown();
  // Each test is a client of its own: limits go by address.
  await service.boot({ TRUSTED_PROXIES: 'loopback' });
});

afterAll(async () => {
  await service.stop();
});

let lastAddress = 0;
function freshAddress(): string {
  lastAddress += 1;
  return `203.0.113.${lastAddress}`;
}

function check(slug: string, from = freshAddress()) {
  return service.call<SlugCheck>(
    'GET',
    `/organizations/check-slug?slug=${encodeURIComponent(slug)}`,
    { headers: { 'x-forwarded-for': from } },
  );
}

async function generate(name: string): Promise<string> {
  const { status, body } = await service.call<{ slug: string }>(
    'POST',
    '/organizations/generate-slug',
    { body: { name } },
  );
  expect(status).toBe(200);
  return body.slug;
}

describe('GET /organizations/check-slug', () => {
  it('says that a slug is free', async () => {
    const { status, body } = await check(freshSlug());
    expect(status).toBe(200);
    expect(body).toEqual({ available: true, valid: true, error: null, suggestion: null });
  });

  it('suggests another for one that is taken, or reserved', async () => {
    const { slug } = await service.organization();
    for (const taken of [slug, 'admin']) {
      const { body } = await check(taken);
      expect(body).toEqual({
        available: false,
        valid: true,
        error: expect.any(String),
        suggestion: expect.stringMatching(new RegExp(`^${taken}-[a-z0-9]{6}$`)),
      });
      expect((await check(body.suggestion!)).body.available).toBe(true);
    }
  });

  it.each(['', 'Acme', '-acme', 'acme-', 'ac me', 'a'.repeat(101)])(
    'says what is wrong with %j',
    async (slug) => {
      const { status, body } = await check(slug);
      expect(status).toBe(200);
      expect(body).toEqual({
        available: false,
        valid: false,
        error: expect.any(String),
        suggestion: null,
      });
    },
  );

  it('must be asked about something', async () => {
    expect((await service.call('GET', '/organizations/check-slug')).status).toBe(400);
  });

  it('is asked 60 times a minute from an address, and others go on', async () => {
    const answers = await withinOne(60_000, async () => {
      const address = freshAddress();
      const all = [];
      for (let asked = 0; asked < 61; asked += 1) all.push(await check('acme', address));
      return all;
    });
    expect(answers.map(({ status }) => status)).toEqual([...Array(60).fill(200), 429]);
    expect(answers.at(-1)!.body).toMatchObject({ code: 'RATE_LIMIT_EXCEEDED', limit: 60 });
    expect((await check('acme')).status).toBe(200);
  });
});

describe('POST /organizations/generate-slug', () => {
  it('makes a slug of the name', async () => {
    const word = freshSlug();
    expect(await generate(`  ${word.toUpperCase()} & Söhne `)).toBe(`${word}-s-hne`);
  });

  it.each([
    ['3M', /^org-3m(-[a-z0-9]{6})?$/],
    ['Admin', /^admin-[a-z0-9]{6}$/],
    ['!!!', /^org-[a-z0-9]{6}$/],
  ])('makes of %j one that can be had', async (name, expected) => {
    expect(await generate(name)).toMatch(expected);
  });

  it('adds six characters to a slug that is taken', async () => {
    const { slug } = await service.organization();
    expect(await generate(slug)).toMatch(new RegExp(`^${slug}-[a-z0-9]{6}$`));
  });

  it.each([{}, { name: '' }, { name: 'x'.repeat(201) }, { name: 1 }])(
    'refuses %j',
    async (body) => {
      const { status } = await service.call('POST', '/organizations/generate-slug', { body });
      expect(status).toBe(400);
    },
  );
});
