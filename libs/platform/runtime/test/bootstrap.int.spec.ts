import { eventually, spawnProcess, type SpawnedProcess } from '@spooled/testing';

/** A service whose start takes until it is told to go on, as a program of its own: signals go to processes. */
const program = (onStart: string): string => `
  import { TelemetryModule } from '@spooled/telemetry';
  import { bootstrap } from '@spooled/runtime';
  import { ConfigError } from '@spooled/config';
  class Module {
    async onModuleInit() {
      ${onStart}
    }
    onApplicationShutdown() {
      console.log('closed');
    }
  }
  await bootstrap(
    { module: Module, imports: [TelemetryModule.forRoot({ service: 'test' })] },
    {
      onStarted: async () => console.log('started'),
      onStopped: async () => console.log('stopped'),
    },
  );
  setInterval(() => undefined, 1000);
`;

function start(onStart: string): Promise<SpawnedProcess> {
  return spawnProcess({
    command: process.execPath,
    args: ['--input-type=module', '--eval', program(onStart)],
  });
}

describe('a process', () => {
  it('that is told to stop while it starts, starts, closes and leaves with 0', async () => {
    const service = await start(`
      const told = new Promise((resolve) => process.once('SIGTERM', resolve));
      const alive = setInterval(() => undefined, 1000);
      console.log('starting');
      await told;
      clearInterval(alive);
    `);
    await service.waitForLine(/^starting$/);
    service.kill('SIGTERM');
    expect(await service.exited).toEqual({ code: 0, signal: null });
    await service.waitForLine(/^stopped$/);
    expect(service.lines).toContain('closed');
    expect(service.lines).not.toContain('started');
  });

  it('closes once, however often it is told', async () => {
    const service = await start('');
    await service.waitForLine(/^started$/);
    service.kill('SIGTERM');
    service.kill('SIGINT');
    expect(await service.exited).toEqual({ code: 0, signal: null });
    await service.waitForLine(/^stopped$/);
    expect(service.lines.filter((line) => line === 'closed')).toHaveLength(1);
  });

  it('says in one line what is wrong with its configuration', async () => {
    const service = await start(`throw new ConfigError('PORT is not a port');`);
    expect(await service.exited).toEqual({ code: 1, signal: null });
    await eventually(() =>
      expect(service.lines.toSorted()).toEqual(['PORT is not a port', 'stopped']),
    );
  });

  it('that cannot start tells why, and where', async () => {
    const service = await start(`throw new TypeError('no such thing');`);
    expect(await service.exited).toEqual({ code: 1, signal: null });
    await eventually(() =>
      expect(service.lines.join('\n')).toMatch(/TypeError: no such thing\n\s+at /),
    );
  });

  it('ends at a rejection that nobody handles, which is a bug', async () => {
    const service = await start(`setTimeout(() => Promise.reject(new Error('lost')), 1);`);
    expect(await service.exited).toEqual({ code: 1, signal: null });
    await service.waitForLine(/lost/);
  });
});
