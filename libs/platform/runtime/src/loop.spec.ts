import { createLogger, Metrics } from '@spooled/telemetry';
import { eventually, Signal, stressStartStop } from '@spooled/testing';
import { Loop, type LoopOptions } from './loop.js';

/** Nobody waits as long. */
const HOUR_MS = 3_600_000;
const logger = createLogger('test', 'silent');

function loopOf(step: LoopOptions['step'], more: Partial<LoopOptions> = {}) {
  const metrics = new Metrics();
  return { loop: new Loop({ name: 'test', step, logger, metrics, ...more }), metrics };
}

describe('a loop', () => {
  it('takes step after step, each when the one before says', async () => {
    const stepped = new Signal<number>();
    const { loop } = loopOf(async () => {
      stepped.fire(performance.now());
      return 30;
    });
    loop.start();
    const [first, second] = [await stepped.next(), await stepped.next()];
    await loop.stop();
    expect(second - first).toBeGreaterThan(20);
  });

  it('never takes two steps at once, however it is woken', async () => {
    let running = 0;
    let most = 0;
    let steps = 0;
    const { loop } = loopOf(async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running -= 1;
      steps += 1;
      return 10_000;
    });
    loop.start();
    loop.start();
    await eventually(() => {
      loop.wake();
      return steps > 50;
    });
    await loop.stop();
    expect(most).toBe(1);
  });

  it('takes the next step at once when it is woken, also when that was during a step', async () => {
    const stepped = new Signal();
    const gate = new Signal();
    const { loop } = loopOf(async () => {
      stepped.fire();
      await gate.next();
      return HOUR_MS;
    });
    loop.start();
    await stepped.next();
    loop.wake();
    gate.fire();
    await stepped.next();
    gate.fire();
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    loop.wake();
    await stepped.next();
    gate.fire();
    await loop.stop();
  });

  it('survives a step that throws, and waits before the next', async () => {
    const stepped = new Signal<number>();
    const { loop, metrics } = loopOf(
      async () => {
        stepped.fire(performance.now());
        throw new Error('boom');
      },
      { errorDelayMs: 40 },
    );
    loop.start();
    const [first, second] = [await stepped.next(), await stepped.next()];
    await loop.stop();
    expect(second - first).toBeGreaterThan(25);
    expect(await metrics.exposition()).toMatch(
      /spooled_loop_steps_total\{loop="test",outcome="failed"\} [2-9]/,
    );
  });

  it('stops only when the step under way is done, and tells it to hurry', async () => {
    const begun = new Signal();
    let wasAborted = false;
    let isDone = false;
    const { loop } = loopOf(async (signal) => {
      begun.fire();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      wasAborted = signal.aborted;
      await new Promise(setImmediate);
      isDone = true;
      return 0;
    });
    loop.start();
    await begun.next();
    await loop.stop();
    expect({ wasAborted, isDone }).toEqual({ wasAborted: true, isDone: true });
  });

  it('does not wait out a long sleep to stop, and takes no further step', async () => {
    let steps = 0;
    const { loop } = loopOf(async () => {
      steps += 1;
      return HOUR_MS;
    });
    loop.start();
    await eventually(() => steps === 1);
    const startedAt = performance.now();
    await loop.stop();
    expect(performance.now() - startedAt).toBeLessThan(60_000);
    loop.wake();
    await new Promise(setImmediate);
    expect(steps).toBe(1);
  });

  it('leaves a line for a step that did something, and for no other', async () => {
    const lines: string[] = [];
    const write = (line: string): void => void lines.push(line);
    const chatty = createLogger('test', 'debug', { isJson: true, write });
    let steps = 0;
    const { loop } = loopOf(
      async () => {
        steps += 1;
        if (steps === 2) for (const count of [3, 4]) loop.did(count);
        return 1;
      },
      { logger: chatty },
    );
    loop.start();
    await eventually(() => steps > 3);
    await loop.stop();
    const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(told).toEqual([
      expect.objectContaining({ msg: 'loop step', level: 'debug', loop: 'test', count: 7 }),
    ]);
  });

  it('can be stopped without having been started', async () => {
    await loopOf(async () => 0).loop.stop();
  });

  it('can be started and stopped at any pace', async () => {
    let running = 0;
    const { loop } = loopOf(async () => {
      running += 1;
      expect(running).toBe(1);
      await new Promise(setImmediate);
      running -= 1;
      return 1;
    });
    await stressStartStop(loop);
    expect(running).toBe(0);
  });
});
