import { inspect } from 'node:util';
import { z } from 'zod';
import { environmentName, isProduction } from './environment.js';
import { ConfigError, env, loadConfig } from './load-config.js';
import { Secret } from './secret.js';

const schema = z.object({
  PORT: env.port(8080),
  WORKERS: env.int(4, 1, 10),
  VERBOSE: env.bool(false),
  NAMES: env.list(),
  TOKEN: env.secret(8),
});

describe('loadConfig', () => {
  it('gives typed values and the defaults of what is not set', () => {
    const config = loadConfig(schema, { TOKEN: 'long enough', NAMES: ' a, b ,,c ', VERBOSE: '1' });
    expect(config).toMatchObject({ PORT: 8080, WORKERS: 4, VERBOSE: true, NAMES: ['a', 'b', 'c'] });
    expect(config.TOKEN.reveal()).toBe('long enough');
  });

  it('takes an empty variable as not set', () => {
    const config = loadConfig(schema, { TOKEN: 'long enough', PORT: '', NAMES: '', VERBOSE: '' });
    expect(config).toMatchObject({ PORT: 8080, NAMES: [], VERBOSE: false });
  });

  it('cannot be changed afterwards', () => {
    const config = loadConfig(schema, { TOKEN: 'long enough' });
    expect(() => Object.assign(config, { PORT: 1 })).toThrow(TypeError);
  });

  it('names every problem at once and shows no value', () => {
    const load = () =>
      loadConfig(schema, { PORT: '70000', WORKERS: 'many', VERBOSE: 'perhaps', TOKEN: 'hunter2' });
    expect(load).toThrow(ConfigError);
    let message = '';
    try {
      load();
    } catch (error) {
      message = (error as Error).message;
    }
    for (const name of ['PORT', 'WORKERS', 'VERBOSE', 'TOKEN']) expect(message).toContain(name);
    expect(message).not.toContain('hunter2');
    expect(message).not.toContain('70000');
  });

  it.each([
    [{ PORT: '-1' }],
    [{ PORT: '1.5' }],
    [{ WORKERS: '0' }],
    [{ WORKERS: '11' }],
    [{ VERBOSE: 'yes' }],
    [{ TOKEN: 'short' }],
    [{ TOKEN: '' }],
  ])('refuses %j', (given) => {
    expect(() => loadConfig(schema, { TOKEN: 'long enough', ...given })).toThrow(ConfigError);
  });
});

describe('a secret', () => {
  it('is shown by nothing but reveal', () => {
    const secret = new Secret('hunter2');
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }, { depth: 5, showHidden: true }),
      Object.values(secret).join(),
    ];
    for (const text of shown) expect(text).not.toContain('hunter2');
    expect(secret.reveal()).toBe('hunter2');
  });
});

describe('the name of the environment', () => {
  it('is SPOOLED_ENV, then RUST_ENV, then development', () => {
    expect(environmentName({})).toBe('development');
    expect(environmentName({ RUST_ENV: 'production' })).toBe('production');
    expect(environmentName({ SPOOLED_ENV: 'staging', RUST_ENV: 'production' })).toBe('staging');
    expect(isProduction({ RUST_ENV: 'production' })).toBe(true);
    expect(() => environmentName({ SPOOLED_ENV: 'prod' })).toThrow(ConfigError);
  });
});
