import { Metrics } from './metrics.js';

describe('metrics', () => {
  it('are shared by all who ask for one name', async () => {
    const metrics = new Metrics();
    for (const count of [1, 2]) {
      metrics.counter({ name: 'spooled_things_total', help: 'Things.' }).inc(count);
    }
    expect(await metrics.exposition()).toMatch(/^spooled_things_total 3$/m);
  });

  it('are zero before anything happened', async () => {
    const metrics = new Metrics();
    metrics.counter({ name: 'spooled_things_total', help: 'Things.' });
    expect(await metrics.exposition()).toMatch(/^spooled_things_total 0$/m);
  });

  it('that are read show what is there at each scrape, added up', async () => {
    const metrics = new Metrics();
    const pools = [3, 4];
    for (const index of pools.keys()) {
      metrics.reading({ name: 'spooled_pool', help: 'Open.' }, () => pools[index]!);
    }
    expect(await metrics.exposition()).toMatch(/^spooled_pool 7$/m);
    pools[0] = 10;
    const text = await metrics.exposition();
    expect(text).toMatch(/^spooled_pool 14$/m);
    expect(text).toMatch(/^# TYPE spooled_pool gauge$/m);
  });
});
