import { createLogger, logSettings } from './logger.js';

/** What a logger writes. */
function written(isJson: boolean, log: (logger: ReturnType<typeof createLogger>) => void): string {
  let text = '';
  const write = (line: string): void => void (text += line);
  log(createLogger('test', 'info', { isJson, write }));
  return text;
}

describe('the log', () => {
  it('is a line a person can read', () => {
    const text = written(false, (logger) => logger.warn({ queue: 'a b', n: 1 }, 'it\nis late'));
    expect(text).toMatch(/^\d{4}-\S+Z WARN {2}test: it\\nis late queue="a b" n=1\n$/);
  });

  it('shows an error with its stack below', () => {
    const [first, ...stack] = written(false, (logger) =>
      logger.error({ err: new Error('boom', { cause: new Error('why') }) }, 'failed'),
    ).split('\n');
    expect(first).toMatch(/ ERROR test: failed$/);
    expect(stack.join('\n')).toMatch(/^ {4}Error: boom\n {4}/);
    expect(stack.join('\n')).toContain('why');
    expect(written(false, (logger) => logger.error({ err: 'text' }, 'failed'))).toContain('"text"');
    expect(written(false, (logger) => logger.error({ err: null }, 'failed'))).toContain('null');
  });

  it('is one JSON object a line when that is wanted', () => {
    const text = written(true, (logger) => logger.info({ n: 1 }, 'done'));
    expect(JSON.parse(text)).toEqual({
      level: 'info',
      time: expect.stringMatching(/Z$/),
      service: 'test',
      n: 1,
      msg: 'done',
    });
  });

  it.each([true, false])('shows no credential (JSON: %p)', (isJson) => {
    const text = written(isJson, (logger) =>
      logger.info({ token: 'hunter2', request: { authorization: 'hunter2' } }, 'done'),
    );
    expect(text).not.toContain('hunter2');
    expect(text).toContain('[secret]');
  });

  it('is text unless JSON_LOGS says otherwise, from LOG_LEVEL on', () => {
    expect(logSettings({})).toEqual({ LOG_LEVEL: 'info', JSON_LOGS: false });
    expect(logSettings({ LOG_LEVEL: 'debug', JSON_LOGS: 'true' })).toEqual({
      LOG_LEVEL: 'debug',
      JSON_LOGS: true,
    });
    expect(() => logSettings({ JSON_LOGS: 'perhaps' })).toThrow(/JSON_LOGS/);
  });
});
