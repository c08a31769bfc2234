import { CHECKS_PER_SILENCE, Silence } from './silence.js';

describe('silence', () => {
  const checks = (silence: Silence, written: number): boolean[] =>
    Array.from({ length: CHECKS_PER_SILENCE }, () => silence.isOver(written));

  it('is over when nothing was written for a whole period', () => {
    const silence = new Silence();
    silence.restart(5);
    expect(checks(silence, 5)).toEqual([false, false, true]);
  });

  it('begins anew with everything that is written', () => {
    const silence = new Silence();
    silence.restart(0);
    expect([0, 0, 1].map((written) => silence.isOver(written))).toEqual([false, false, false]);
    expect(checks(silence, 1)).toEqual([false, false, true]);
  });

  it('is not broken by what is overlooked', () => {
    const silence = new Silence();
    silence.restart(0);
    silence.isOver(0);
    silence.isOver(0);
    silence.overlook(1);
    expect(silence.isOver(1)).toBe(true);
  });
});
