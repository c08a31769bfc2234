/** jest-environment-node that closes what a test file left open (src/clean-up.ts), after the file's own hooks. */
import { TestEnvironment } from 'jest-environment-node';

export default class SpooledEnvironment extends TestEnvironment {
  async teardown() {
    await this.global.spooledCleanUp?.();
    await super.teardown();
  }
}
