import { Readiness } from './readiness.js';

describe('readiness', () => {
  it('holds when every check passes, and when there is none', async () => {
    const readiness = new Readiness();
    expect(await readiness.isReady()).toBe(true);
    readiness.add('database', async () => true);
    expect(await readiness.isReady()).toBe(true);
    expect(await readiness.holds('unheard of')).toBe(true);
  });

  it('fails with any of several checks of one name, also with one that throws', async () => {
    for (const bad of [async () => false, async () => Promise.reject(new Error('boom'))]) {
      const readiness = new Readiness();
      readiness.add('database', async () => true);
      readiness.add('database', bad);
      expect(await readiness.holds('database')).toBe(false);
      expect(await readiness.isReady()).toBe(false);
    }
  });

  it('asks once for many probes of one moment', async () => {
    let asked = 0;
    const readiness = new Readiness();
    readiness.add('database', async () => {
      asked += 1;
      return true;
    });
    await Promise.all(Array.from({ length: 20 }, () => readiness.isReady()));
    expect(asked).toBe(1);
  });

  it('is gone once the process drains', async () => {
    const readiness = new Readiness();
    readiness.drain();
    expect(await readiness.isReady()).toBe(false);
  });
});
